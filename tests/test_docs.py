"""The documents are true: what they show runs, and nothing that a person can set or call is left out."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from guru.cli.main import cli
from running import environment

ROOT = Path(__file__).parent.parent
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if "<!-- run -->" in path.read_text(encoding="utf-8")]
BLOCK = re.compile(r"<!-- run -->\n```(\w+)\n(.*?)```", re.DOTALL)


def commands(command, path=()):
    """Every command, with its path: `("guru", "models", "pull")`."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


def test_every_command_and_every_option_has_a_help_text():
    for path, command in commands(cli, ("guru",)):
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name not in ("mode", "limit"):
                assert parameter.help, (path, parameter.name)


def test_pages_made_from_code_say_what_the_code_says():
    subprocess.run([sys.executable, ROOT / "scripts" / "generate_docs.py", "--check"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_runs(page, sample_server, tmp_path):
    """Every block marked `<!-- run -->`, in the order of the page, against a real server."""
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        command = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
        subprocess.run(
            [*command, code.replace("http://127.0.0.1:8080", sample_server.url)],
            cwd=tmp_path,
            env=environment(sample_server.home),
            check=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )


def test_every_endpoint_is_documented():
    from guru.server.app import DOORS

    text = re.sub(r"{\w+}", "{}", (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8"))
    paths = [f"{door.method} {re.sub(r'{[^}]+}', '{}', door.path)}" for door in DOORS]
    assert [path for path in paths if f"`{path}`" not in text] == []
