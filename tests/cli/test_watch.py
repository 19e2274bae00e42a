import asyncio
import os

import pytest

from guru.cli import watch
from guru.cli.jobs import Cancelled
from guru.errors import GuruError


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.02)


@pytest.fixture
def watching(tmp_path):
    """Watch a folder with `ingest`; gives what was ingested, each time the names that were there."""
    folder = tmp_path / "watched"
    folder.mkdir()
    runs = []

    async def ingest():
        runs.append(sorted(path.name for path in folder.iterdir()))
        return {}

    return folder, runs, ingest


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_ingests_at_once_and_again_for_every_change(watching):
    folder, runs, ingest = watching
    task = asyncio.create_task(watch.keep_watching([str(folder)], ingest, lambda _result: None))
    await until(lambda: runs == [[]])
    (folder / "a.txt").write_text("one")
    await until(lambda: runs[-1] == ["a.txt"])
    count = len(runs)
    (folder / "a.txt").write_text("one more")
    await until(lambda: len(runs) > count)
    (folder / "a.txt").unlink()
    await until(lambda: runs[-1] == [])
    count = len(runs)
    (folder / ".hidden").write_text("nothing of interest")
    await asyncio.sleep(0.2)
    assert len(runs) == count
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_file_that_is_being_written_is_waited_for(watching):
    folder, runs, ingest = watching
    task = asyncio.create_task(watch.keep_watching([str(folder)], ingest, lambda _result: None))
    await until(lambda: runs == [[]])
    with (folder / "a.txt").open("w") as file:
        for _ in range(12):
            file.write("more")
            file.flush()
            await asyncio.sleep(0.008)
    written = len(runs)
    await until(lambda: runs[-1] == ["a.txt"])
    assert written <= 2
    task.cancel()


async def test_a_change_during_an_ingest_is_seen_after_it(watching):
    folder, runs, ingest = watching

    async def slow():
        await ingest()
        if len(runs) == 1:
            (folder / "late.txt").write_text("came while the first was ingested")
        return {}

    task = asyncio.create_task(watch.keep_watching([str(folder)], slow, lambda _result: None))
    await until(lambda: runs == [[], ["late.txt"]])
    task.cancel()


async def test_what_fails_is_told_once_and_tried_until_it_works(watching, capsys):
    folder, runs, ingest = watching

    async def failing():
        await ingest()
        if len(runs) < 4:
            raise GuruError("The disk is full.")
        return {}

    reports = []
    task = asyncio.create_task(watch.keep_watching([str(folder)], failing, reports.append))
    await until(lambda: reports)
    assert len(runs) == 4
    assert capsys.readouterr().err.count("The disk is full.") == 1
    task.cancel()


async def test_a_job_that_was_cancelled_ends_it(watching):
    folder, _, _ = watching

    async def cancelled():
        raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        await watch.keep_watching([str(folder)], cancelled, lambda _result: None)


def test_a_look_sees_files_and_survives_what_it_cannot_see(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index.txt").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    seen = watch.snapshot([str(tmp_path), str(tmp_path / "nothing"), str(tmp_path / "in" / "a.txt")])
    assert set(seen) == {str(tmp_path / "in" / "a.txt"), str(tmp_path / "pipe")}
