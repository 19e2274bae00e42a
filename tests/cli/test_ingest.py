import signal
import subprocess
import time

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


def test_watch_ingests_again_when_a_file_changes_and_ctrl_c_ends_it(home, notes):
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
            time.sleep(1)  # it takes its first look after the first ingest
            (notes / "shed.txt").write_text("The key of the shed hangs behind the door.\n")
            wait_for(lambda: documents(server) == 3)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 1
        finally:
            process.kill()
            process.wait()


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
