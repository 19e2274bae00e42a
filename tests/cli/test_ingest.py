import http.server
import signal
import subprocess
import threading
import time
import zipfile

import pytest

from running import GURU, environment, run, run_json, serving


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "boat.md").write_text("# Boat\n\nThe boat is moored at berth 42 in Flensburg.\n")
    (folder / "garden.txt").write_text("The garden gate has the code 1871.\n")
    return folder


def test_unchanged_files_are_skipped_and_changed_ones_replaced(home, notes):
    first = run_json(home, "ingest", notes, "-c", "notes")
    assert (first["documents"], first["skipped"], first["failed"]) == (2, 0, [])
    (notes / "garden.txt").write_text("The garden gate has the code 1990.\n")
    second = run_json(home, "ingest", notes, "-c", "notes")
    assert (second["documents"], second["skipped"]) == (1, 1)
    found = run_json(home, "search", "garden gate code", "-c", "notes")["results"]
    assert "1990" in found[0]["text"]
    assert not any("1871" in hit["text"] for hit in found)


def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(home, notes):
    (notes / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    result = run(home, "ingest", notes)
    assert "2 documents" in result.stdout
    assert "1 file failed" in result.stdout
    assert "broken.pdf: " in result.stderr


def test_when_no_file_can_be_read_the_status_is_1(home, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    assert run(home, "ingest", tmp_path / "broken.pdf", check=False).returncode == 1


def test_prune_drops_documents_whose_files_are_gone(home, notes):
    run(home, "ingest", notes)
    (notes / "boat.md").unlink()
    assert run_json(home, "ingest", notes)["removed"] == 0
    assert run_json(home, "ingest", notes, "--prune")["removed"] == 1
    shown = run_json(home, "collections", "show", "default")
    assert [document["name"] for document in shown["documents"]] == ["garden.txt"]


def test_through_a_server_it_is_the_same(home, notes):
    with serving(home):
        assert run_json(home, "ingest", notes)["documents"] == 2
        assert run_json(home, "ingest", notes)["skipped"] == 2


def test_watch_keeps_a_folder_in_step_whatever_is_in_it_and_ctrl_c_ends_it(home, notes):
    with serving(home) as server:
        command = [GURU, "ingest", "--watch", str(notes)]
        process = subprocess.Popen(
            command,
            env=environment(home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: documents(server) == 2)
            (notes / "shed.txt").write_text("The key of the shed hangs behind the door.\n")
            wait_for(lambda: documents(server) == 3)
            (notes / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
            (notes / "garden.txt").unlink()
            wait_for(lambda: documents(server) == 2)
            (notes / "roof.txt").write_text("The roof was mended in May.\n")
            wait_for(lambda: documents(server) == 3)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 1
        finally:
            process.kill()
            process.wait()


def test_an_archive_is_ingested_member_by_member(home, notes, tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        for path in notes.iterdir():
            archive.write(path, f"in/{path.name}")
        archive.writestr("../up.txt", "evil")
    result = run(home, "ingest", tmp_path / "notes.zip")
    assert "2 documents" in result.stdout
    assert "notes.zip/../up.txt: Its name leads out of the archive." in result.stderr
    shown = run_json(home, "collections", "show", "default")
    assert {document["name"] for document in shown["documents"]} == {
        "notes.zip/in/boat.md", "notes.zip/in/garden.txt",
    }  # fmt: skip


def test_without_tesseract_pictures_are_passed_over_with_what_to_do(home, notes, tmp_path, monkeypatch):
    (notes / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr("running.environment", lambda home: environment(home) | {"PATH": str(tmp_path / "nothing")})
    result = run(home, "ingest", notes)
    assert "2 documents" in result.stdout
    assert "1 picture passed over" in result.stderr
    assert "apt install tesseract-ocr" in result.stderr


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/boat"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><title>Boats</title><p>The boat is moored at berth 42.</html>" if found else b"")

    def log_message(self, *_):
        pass


def test_a_page_is_ingested_where_the_configuration_allows_its_host(home, tmp_path):
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{site.server_port}/boat"
    try:
        refused = run(home, "ingest", url, check=False, cwd=tmp_path)
        assert refused.returncode == 1
        assert "private_hosts" in refused.stderr
        (home / "guru.toml").write_text('[knowledge.web]\nprivate_hosts = ["127.0.0.1"]\n')
        assert run_json(home, "ingest", url, cwd=tmp_path)["documents"] == 1
        (document,) = run_json(home, "collections", "show", "default")["documents"]
        assert (document["name"], document["title"]) == (url, "Boats")
    finally:
        site.shutdown()
        site.server_close()


def test_what_is_neither_there_nor_an_address_and_watching_a_page_are_wrong_usage(home, tmp_path):
    assert run(home, "ingest", tmp_path / "nothing", check=False).returncode == 2
    result = run(home, "ingest", "--watch", "https://example.com/", check=False)
    assert result.returncode == 2
    assert "--watch is for files and folders" in result.stderr


def test_ctrl_c_cancels_the_job_and_keeps_what_is_done(home, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.txt").write_text(f"Shelf {number} holds the parts of machine {number * 7}. " * 40)
    with serving(home) as server:
        process = subprocess.Popen(
            [GURU, "ingest", str(many)],
            env=environment(home),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: documents(server) > 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        job = server.get("/api/v1/jobs")["jobs"][0]
        assert (process.returncode, job["status"], out) == (1, "cancelled", "")
        assert "cancelled" in err
        assert 0 < documents(server) < 300


def documents(server):
    found = server.get("/api/v1/collections")["collections"]
    return found[0]["documents"] if found else 0


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)
