"""A changed configuration file is in force without a restart; a wrong one changes nothing."""

import asyncio
import os

import pytest

from guru.config import Settings, Source
from guru.errors import ConfigurationError
from guru.server import reload
from guru.server.reload import Reloader


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


async def test_without_a_file_there_is_nothing_to_take_over():
    found = await Reloader(Settings(), None, ()).reload()
    assert (found.changed, found.restart) == ([], [])


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
