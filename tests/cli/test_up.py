import re
import stat

from running import run, run_json, serving


def test_a_second_server_on_a_home_is_told_where_the_first_one_is(sample_server):
    result = run(sample_server.home, "up", "--port", "0", check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert sample_server.url in result.stderr


def test_the_address_is_a_page(sample_server):
    import urllib.request

    with urllib.request.urlopen(sample_server.url + "/") as response:
        assert (response.status, response.headers.get_content_type()) == (200, "text/html")


def test_docs_are_ingested_before_it_says_that_it_is_ready(home, tmp_path):
    (tmp_path / "note.txt").write_text("The meeting is at nine in the blue room.")
    with serving(home, "--docs", tmp_path / "note.txt") as server:
        found = server.get("/api/v1/collections")["collections"]
        assert [(item["name"], item["documents"]) for item in found] == [("default", 1)]


def test_samples_come_once_and_do_not_come_back_when_they_were_deleted(home):
    with serving(home, "--samples"):
        assert [item["name"] for item in run_json(home, "collections")["collections"]] == ["handbook"]
        run(home, "collections", "delete", "handbook", "--yes")
    (home / "note.txt").write_text("The meeting is at nine.")
    run(home, "ingest", home / "note.txt")
    with serving(home, "--samples"):
        assert [item["name"] for item in run_json(home, "collections")["collections"]] == ["default"]


def test_after_a_stop_nothing_says_that_it_runs(home):
    with serving(home):
        assert (home / "server.json").exists()
    assert not (home / "server.json").exists()


def test_an_open_address_is_refused_with_what_to_do(tmp_path):
    result = run(tmp_path / "home", "up", "--host", "0.0.0.0", check=False)
    assert result.returncode == 1
    assert "127.0.0.1" in result.stderr


def test_the_log_is_kept_in_the_home_which_is_private(sample_server):
    assert (sample_server.home / "logs" / "guru.log").exists()
    assert stat.S_IMODE(sample_server.home.stat().st_mode) == 0o700


def test_the_port_can_come_from_the_configuration(home):
    (home / "guru.toml").write_text("[server]\nport = 0\n")
    with serving(home, "--config", home / "guru.toml") as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
