"""`guru batch`, as a person uses it: against a real server, and without one."""

import json

from running import run, run_json

LINE = {"method": "POST", "url": "/v1/embeddings", "body": {"model": "embedding", "input": "a text"}}


def write_lines(folder, *lines):
    file = folder / "in.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return file


def test_a_batch_runs_without_a_server_while_the_command_waits(home, tmp_path):
    good = [{**LINE, "custom_id": f"line-{number}"} for number in range(3)]
    bad = {**LINE, "custom_id": "bad", "body": {"model": "nobody", "input": "a"}}
    file = write_lines(tmp_path, *good, bad)
    batch = run_json(home, "batch", "submit", file, "--wait", "--metadata", "team=night")
    assert (batch["status"], batch["metadata"]) == ("completed", {"team": "night"})
    assert batch["request_counts"] == {"total": 4, "completed": 3, "failed": 1}
    printed = run(home, "batch", "results", batch["id"]).stdout.splitlines()
    assert [json.loads(line)["custom_id"] for line in printed] == ["line-0", "line-1", "line-2"]
    run(home, "batch", "results", batch["id"], "--errors", "--output", tmp_path / "errors.jsonl")
    assert json.loads((tmp_path / "errors.jsonl").read_text())["custom_id"] == "bad"
    listed = run_json(home, "batch", "list")
    assert [item["id"] for item in listed["data"]] == [batch["id"]]
    assert "3 of 4 lines answered, 1 failed" in run(home, "batch", "show", batch["id"]).stdout
    again = run(home, "batch", "cancel", batch["id"], check=False)
    assert (again.returncode, "completed already" in again.stderr) == (1, True)


def test_what_is_no_batch_is_said(home, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text("hello", encoding="utf-8")
    result = run(home, "batch", "submit", file, check=False)
    assert result.returncode == 1
    assert "has no `url`" in result.stderr
    assert run(home, "batch", "show", "batch_1", check=False).returncode == 1
