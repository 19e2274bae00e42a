"""A changed configuration file is in force without a restart; a wrong one changes nothing."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from guru.config import Settings, Source
from guru.errors import ConfigurationError
from guru.server import reload
from guru.server.reload import Reloader
from scripted import run_server

PROGRAM = Path(__file__).parents[1] / "mcp_program.py"


class Part:
    def __init__(self, refuse=None):
        self.seen = []
        self.refuse = refuse

    def reload(self, settings):
        self.seen.append(settings)
        if self.refuse is not None and self.refuse in settings.models:
            raise ConfigurationError("That alias cannot be.")


def alias(name, model="local/smollm2-135m"):
    return f'[models.{name}]\ndeployments = [{{ model = "{model}" }}]\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "guru.toml"
    path.write_text(alias("smart"))
    return path


def reloader(file, *parts):
    source = Source(file, file.parent)
    return Reloader(source.load(), source, parts)


async def test_what_can_change_while_the_server_runs_does(file):
    part = Part()
    one = reloader(file, part)
    file.write_text(alias("smart") + alias("other"))
    found = await one.reload()
    assert (found.changed, found.restart) == (["models"], [])
    assert set(part.seen[-1].models) == {"smart", "other"}


async def test_what_needs_a_restart_is_said_and_does_not_change(file):
    part = Part()
    one = reloader(file, part)
    file.write_text(alias("smart") + "[server]\nport = 9999\n")
    found = await one.reload()
    assert (found.changed, found.restart) == ([], ["server"])
    assert one.settings.server.port == 8080
    assert part.seen == []


async def test_what_of_a_section_needs_a_restart_is_named_and_the_rest_is_in_force(file):
    part = Part()
    one = reloader(file, part)
    file.write_text(alias("smart") + "[mcp]\nserve = false\nconformance_fixtures = true\n")
    found = await one.reload()
    assert (found.changed, found.restart) == (["mcp"], ["mcp.conformance_fixtures"])
    assert (part.seen[-1].mcp.serve, part.seen[-1].mcp.conformance_fixtures) == (False, False)
    assert (await one.reload()).restart == ["mcp.conformance_fixtures"]
    assert len(part.seen) == 1
    file.write_text(alias("smart"))
    assert (await one.reload()).restart == []


def test_what_needs_a_restart_is_documented():
    text = (PROGRAM.parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    live, fixed = text.split("## Changes while the server runs")[1].split("\n\nThe other sections")
    assert set(re.findall("`([a-z]+)`", live)) == set(reload.LIVE)
    sections = set(Settings.__struct_fields__) - set(reload.LIVE)
    assert set(re.findall("`([a-z]+)`", fixed)) == sections
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", fixed)) == {
        f"{section}.{member}" for section, members in reload.FIXED.items() for member in members
    }


async def test_tools_servers_and_prompts_are_taken_over_by_a_server_that_runs(file, tmp_path):
    program = tmp_path / "tools.json"
    program.write_text(json.dumps([{"name": "add", "inputSchema": {"type": "object"}}]), encoding="utf-8")
    command = json.dumps([sys.executable, str(PROGRAM), str(program)])
    (tmp_path / "more").mkdir()
    more = f"""[tools.files.notes]
root = "{tmp_path}"
[mcp]
allow_stdio = true
servers.p.command = {command}
[prompts]
folder = "{tmp_path / "more"}"
protected = ["live"]
"""
    prompt = {"definition": {"messages": [{"role": "user", "content": "Hi"}]}}
    async with run_server(tmp_path / "home", source=Source(file, tmp_path)) as server:

        async def names():
            return {tool["name"] for tool in (await server.get("/api/v1/tools"))[1]["tools"]}

        async def use(text):
            """None, or why not. The server may have looked at the file by itself before."""
            file.write_text(alias("smart") + text)
            _, body = await server.post("/api/v1/config/reload")
            return body["error"]["message"] if "error" in body else None

        before = await names()
        assert not before & {"notes_read", "p__add"}
        await server.post("/api/v1/prompts/hello/versions", prompt)
        assert await use(more) is None
        assert await names() >= before | {"notes_read", "p__add"}
        assert (await server.get("/api/v1/prompts/hello"))[1]["protected"] == ["live"]
        (tmp_path / "more" / "filed.toml").write_text('[[messages]]\nrole = "user"\ncontent = "Hi"\n')
        async with asyncio.timeout(30):
            while (await server.get("/api/v1/prompts/filed"))[0] != 200:
                await asyncio.sleep(0.05)
        assert "filse" in await use(more + "[tools.filse.notes]\nroot = '/'\n")
        assert await names() >= {"notes_read", "p__add"}
        assert await use(more.replace("allow_stdio = true", "allow_stdio = false")) is None
        assert "p__add" not in await names()
        assert await use("[mcp]\nserve = false\n") is None
        assert await names() == before
        assert (await server.post("/mcp", {}))[0] == 404


async def test_a_wrong_file_changes_nothing_and_is_explained(file):
    part = Part()
    one = reloader(file, part)
    file.write_text("[modles.smart]\n")
    with pytest.raises(ConfigurationError, match="modles"):
        await one.reload()
    assert "modles" in one.error
    assert part.seen == []
    file.write_text(alias("smart"))
    await one.reload()
    assert one.error is None


async def test_when_one_part_refuses_all_keep_the_old_settings(file):
    first, second = Part(), Part(refuse="bad")
    one = reloader(file, first, second)
    file.write_text(alias("smart") + alias("bad"))
    with pytest.raises(ConfigurationError):
        await one.reload()
    assert set(first.seen[-1].models) == set(second.seen[-1].models) == {"smart"}
    assert set(one.settings.models) == {"smart"}


async def test_a_change_is_noticed(file, monkeypatch, caplog):
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    part = Part()
    one = reloader(file, part)
    one.open()
    try:
        file.write_text("broken = \n")
        await until(lambda: one.error)
        file.write_text(alias("new"))
        os.utime(file, (1, 1))
        await until(lambda: part.seen)
        assert set(part.seen[-1].models) == {"new"}
        assert "the old one stays" in caplog.text
    finally:
        await one.aclose()


async def test_half_a_file_is_not_read(file, monkeypatch):
    """Whoever writes in place empties the file first, which is valid, and has no deployments at all."""
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    part, looks = Part(), 0
    one = reloader(file, part)
    source = one._source
    stamp = source.stamp

    def writing():
        nonlocal looks
        looks += 1
        return ("guru.toml", looks, 0) if looks < 20 else stamp()

    source.stamp = writing
    file.write_text("")
    one.open()
    try:
        await until(lambda: looks >= 19)
        assert part.seen == []
        file.write_text(alias("new"))
        await until(lambda: part.seen)
        assert set(part.seen[0].models) == {"new"}
    finally:
        await one.aclose()


async def test_a_file_that_is_gone_is_no_wish_for_the_defaults(tmp_path, monkeypatch):
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guru.toml").write_text(alias("smart"))
    part = Part()
    source = Source(None, tmp_path / "home")
    one = Reloader(source.load(), source, (part,))
    one.open()
    try:
        (tmp_path / "guru.toml").unlink()
        await until(lambda: one.error)
        assert "is gone" in one.error
        with pytest.raises(ConfigurationError, match="is gone"):
            await one.reload()
        (tmp_path / "guru.toml").write_text(alias("other"))
        await until(lambda: part.seen)
        assert (set(one.settings.models), one.error) == ({"other"}, None)
    finally:
        await one.aclose()


async def test_a_file_that_cannot_be_read_is_an_error(file, monkeypatch):
    one = reloader(file, part := Part())

    def refuse():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(one._source, "load", refuse)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        await one.reload()
    assert "cannot be read" in one.error
    assert part.seen == []


async def test_a_part_that_breaks_leaves_the_others_with_the_old_settings(file):
    class Broken(Part):
        def reload(self, settings):
            super().reload(settings)
            if "bad" in settings.models:
                raise RuntimeError("secret")

    first, second = Part(), Broken()
    one = reloader(file, first, second)
    file.write_text(alias("smart") + alias("bad"))
    with pytest.raises(RuntimeError):
        await one.reload()
    assert set(first.seen[-1].models) == set(second.seen[-1].models) == {"smart"}
    assert "RuntimeError" in one.error
    assert "secret" not in one.error


async def test_without_a_file_there_is_nothing_to_take_over():
    found = await Reloader(Settings(), None, ()).reload()
    assert (found.changed, found.restart) == ([], [])


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
