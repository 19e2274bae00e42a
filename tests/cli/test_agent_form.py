"""Questions of MCP servers at the terminal, and on the command line."""

import json
import re
import sys

import click
import pytest
from click.testing import CliRunner

from agents.loopback import configure, provider
from guru.cli.agent_form import fill_in, read_pairs
from running import ROOT, run

PROGRAM = ROOT / "tests" / "mcp_program.py"
FIELDS = {
    "name": {"type": "string", "title": "Your name", "minLength": 2},
    "mail": {"type": "string", "format": "email"},
    "seats": {"type": "integer", "minimum": 1, "default": 2},
    "meal": {"type": "string", "oneOf": [{"const": "f", "title": "Fish"}, {"const": "r", "title": "Rice"}]},
    "days": {"type": "array", "items": {"anyOf": [{"const": "mon", "title": "M"}, {"const": "tue", "title": "T"}]}},
    "quiet": {"type": "boolean"},
}
ASKED = {
    "server": "tracker", "message": "Who \x1b[31mcomes?", "url": None, "until": None, "warnings": ["it asks a lot"],
    "schema": {"type": "object", "properties": FIELDS, "required": ["name", "seats", "quiet"]},
}  # fmt: skip
SERVER = """
[agents.asker]
model = "mock/m"
tools = ["other__ask"]

[mcp]
allow_stdio = true

[mcp.servers.other]
approval = "never"
"""


def typed(asked, text):
    """What a person makes of a question, and all that they are shown."""
    said = []
    result = CliRunner().invoke(click.command(lambda: said.append(fill_in(asked))), input=text)
    assert result.exception is None, result.output
    return said[0], result.output


def test_a_form_is_filled_in_field_by_field_until_it_is_right():
    lines = ["yes", "A", "Ann", "ann", "", "many", "0", "3", "x", "f", "mon, tue", "maybe", "yes"]
    said, shown = typed(ASKED, "\n".join(lines) + "\n")
    content = {"name": "Ann", "seats": 3, "meal": "f", "days": ["mon", "tue"], "quiet": True}
    assert said == {"say": "yes", "content": content}
    assert "The MCP server tracker asks: Who " in shown and "Careful: it asks a lot." in shown and "\x1b" not in shown
    assert "f: Fish" in shown and "Your name (text)" in shown and "'mail' is no email." in shown


@pytest.mark.parametrize("say", ["no", "cancel"])
def test_a_form_is_declined(say):
    assert typed(ASKED, f"{say}\n")[0] == {"say": say}


def test_an_address_is_opened_when_the_person_says_so(monkeypatch):
    opened = []
    monkeypatch.setattr(click, "launch", opened.append)
    asked = ASKED | {"schema": None, "url": "https://tracker.example/in"}
    assert typed(asked, "no\n")[0] == {"say": "no"} and opened == []
    said, shown = typed(asked, "yes\n\n")
    assert said == {"say": "yes"} and opened == ["https://tracker.example/in"] and opened[0] in shown


def test_fields_on_the_command_line():
    pairs = ("name=Ann", "seats=3", "days=mon,tue", "quiet=no")
    assert read_pairs(ASKED, pairs) == {"name": "Ann", "seats": 3, "days": ["mon", "tue"], "quiet": False}
    for wrong in ("seats=many", "nothing", "other=1", "quiet=perhaps"):
        with pytest.raises(click.BadParameter):
            read_pairs(ASKED, (wrong,))


QUESTION = {"message": "Who comes?", "requestedSchema": {"type": "object", "properties": FIELDS, "required": ["name"]}}


def answer(asked, number):
    if asked["messages"][-1]["role"] == "user":
        return [("other__ask", {"method": "elicitation/create", "params": QUESTION})]
    return asked["messages"][-1]["content"]


def test_a_run_waits_for_the_answer_to_a_server_over_commands(home, tmp_path):
    tools = tmp_path / "tools.json"
    offered = {"name": "ask", "description": "Asks.", "inputSchema": {"type": "object"}}
    tools.write_text(json.dumps([offered]), encoding="utf-8")
    with provider(answer) as server:
        configure(home, server, SERVER + f"command = {[sys.executable, str(PROGRAM), str(tools), 'modern']!r}\n")
        waits = run(home, "agent", "run", "asker", "Go.")
        assert "The MCP server other asks: Who comes?" in waits.stderr
        assert "guru agent answer run_" in waits.stderr and "Say yes or no" not in waits.stderr
        (run_id,) = set(re.findall(r"run_\w+", waits.stderr))
        failed = run(home, "agent", "answer", run_id, "seats=0", check=False)
        assert failed.returncode == 1 and "'name' is missing." in " ".join(failed.stderr.split())
        done = run(home, "agent", "answer", run_id, "name=Ann")
        assert '"content": {"name": "Ann", "seats": 2}' in done.stdout
