"""`guru workflow`: files are checked, kept, run, answered; without a server, too."""

import json

import pytest

from running import make_home, run, run_json, serving

FLOW = """
name = "letters"
start = "ask"
[steps.ask]
kind = "human"
title = "Send to {{ input.name }}?"
decisions = ["send", "drop"]
next = "way"
[steps.way]
kind = "choice"
choices = [{ variable = "$.decision", string_equals = "send", next = "send" }]
default = "drop"
[steps.send]
kind = "pass"
parameters = { to = "{{ input.name }}" }
end = true
[steps.drop]
kind = "fail"
error = "Dropped"
cause = "Somebody said so."
"""
MACHINE = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Pass", "Result": {"n": 1}, "ResultPath": "$.said", "Next": "B"},
        "B": {"Type": "Succeed"},
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a server, through which commands are quick."""
    home = make_home(tmp_path_factory.mktemp("workflows") / "guru")
    with serving(home):
        yield home


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "letters.toml"
    path.write_text(FLOW)
    return path


def test_without_a_server_the_command_itself_carries_out_the_run(tmp_path, file):
    home = make_home(tmp_path / "guru")
    run(home, "workflow", "save", file)
    asked = run(home, "workflow", "run", "letters", "--input", '{"name": "Ann"}')
    assert "Send to Ann?" in asked.stderr and "guru workflow answer run_" in asked.stderr
    run_id = asked.stderr.partition("guru workflow answer ")[2].split()[0]
    assert json.loads(run(home, "workflow", "answer", run_id, "ask", "-d", "send").stdout) == {"to": "Ann"}


def test_a_workflow_is_checked_kept_run_and_answered(home, file):
    assert "Nothing is wrong" in run(home, "workflow", "check", file).stdout
    assert run_json(home, "workflow", "save", file)["version"] == 1
    assert "ask: a person -> way" in run(home, "workflow", "show", "letters").stdout
    asked = run_json(home, "workflow", "run", "letters", "-i", '{"name": "Ben"}')
    wrong = run(home, "workflow", "answer", asked["id"], "ask", "-d", "keep", check=False)
    assert (wrong.returncode, "send, drop" in wrong.stderr) == (1, True)
    failed = run(home, "workflow", "answer", asked["id"], "ask", "-d", "drop", check=False)
    assert (failed.returncode, "Dropped: Somebody said so." in failed.stderr) == (1, True)
    assert "drop: failed (Dropped)" in run(home, "workflow", "runs", asked["id"]).stdout
    assert run(home, "workflow", "resume", asked["id"], check=False).returncode == 1
    over = run(home, "workflow", "cancel", asked["id"], check=False)
    assert (over.returncode, "failed already" in over.stderr) == (1, True)
    begun = run(home, "workflow", "run", "letters", "-i", '{"name": "Cem"}', "--detach").stdout
    assert "cancelled" in run(home, "workflow", "cancel", begun.partition(":")[0]).stdout
    page = run(home, "workflow", "runs", "--workflow", "letters", "--limit", "1")
    last = page.stderr.strip().rpartition("--before ")[2]
    assert "cancelled" in page.stdout and last == begun.partition(":")[0]
    older = run(home, "workflow", "runs", "--workflow", "letters", "--limit", "1", "--before", last)
    assert "failed" in older.stdout and older.stderr == ""
    assert run(home, "workflow", "delete-run", last, check=False).returncode == 1  # nobody says yes
    assert run(home, "workflow", "delete-run", "--yes", last, asked["id"]).stdout.count("Removed run_") == 2
    assert "none like this" in run(home, "workflow", "runs", "--workflow", "letters").stdout
    assert "letters" in run(home, "workflow", "list").stdout
    run(home, "workflow", "delete", "letters")
    assert "letters" not in run(home, "workflow", "list").stdout


def test_all_that_is_wrong_with_a_file_is_told(home, file):
    file.write_text(FLOW.replace('next = "way"', 'next = "wy"').replace('kind = "pass"', 'kind = "pas"'))
    found = run(home, "workflow", "check", file, check=False)
    assert (found.returncode, found.stdout) == (1, "steps.send.kind: There is no kind 'pas'. Did you mean 'pass'?\n")
    file.write_text(FLOW.replace('next = "way"', 'next = "wy"'))
    found = run(home, "workflow", "check", file, check=False)
    assert "steps.ask.next: There is no step 'wy'. Did you mean 'way'?" in found.stdout
    assert run(home, "workflow", "save", file, check=False).returncode == 1
    assert run(home, "workflow", "run", "letters", "-i", "{", check=False).returncode == 2
    assert run(home, "workflow", "save", file.rename(file.with_suffix(".txt")), check=False).returncode == 1


def test_a_state_machine_is_imported(home, tmp_path):
    path = tmp_path / "machine.asl.json"
    path.write_text(json.dumps(MACHINE))
    assert "Kept machine as version 1" in run(home, "workflow", "import", path).stdout
    given = tmp_path / "given.json"
    given.write_text('{"a": 1}')
    assert json.loads(run(home, "workflow", "run", "machine", "-i", f"@{given}").stdout) == {"a": 1, "said": {"n": 1}}
    path.write_text(json.dumps({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:x", "End": True}}}))
    found = run(home, "workflow", "import", path, "--check", check=False)
    assert (found.returncode, "States.A.Resource: Nothing is mapped to 'arn:x'" in found.stdout) == (1, True)
    assert run(home, "workflow", "import", path, "-r", "arn:x", check=False).returncode == 2
