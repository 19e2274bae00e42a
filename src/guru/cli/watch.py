"""`guru ingest --watch`: folders looked at every second, and ingested again when something in them has changed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import click

from guru.cli.jobs import Cancelled
from guru.errors import GuruError
from guru.knowledge.parse.names import file_reason, folder_reason

JSON = dict[str, Any]
WATCH_SECONDS = 1.0
RETRY_SECONDS = 10.0
MOST_LOOKS = 20
"""After which a file that never stops changing, such as a log, is taken as it is."""
Snapshot = dict[str, tuple[int, int]]


async def keep_watching(
    places: list[str], ingest: Callable[[], Awaitable[JSON]], report: Callable[[JSON], None]
) -> None:
    """Ingest now, and again whenever a file has come, changed or gone. What fails is told, and tried again."""
    click.echo("Watching. Ctrl-C ends it.", err=True)
    seen: Snapshot | None = None
    trouble = ""
    while True:
        now = await settled(places)
        if now != seen:
            try:
                report(await ingest())
                seen, trouble = now, ""
            except Cancelled:
                raise
            except GuruError as error:
                if str(error) != trouble:  # told once, however often it is tried
                    trouble = str(error)
                    click.echo(f"{trouble} Still watching.", err=True)
                await asyncio.sleep(RETRY_SECONDS)
        await asyncio.sleep(WATCH_SECONDS)


async def settled(places: Iterable[str]) -> Snapshot:
    """What is there, when two looks agree: a file that is still being written changes again."""
    before = await asyncio.to_thread(snapshot, places)
    for _ in range(MOST_LOOKS):
        await asyncio.sleep(WATCH_SECONDS / 2)
        now = await asyncio.to_thread(snapshot, places)
        if now == before:
            break
        before = now
    return before


def snapshot(places: Iterable[str]) -> Snapshot:
    """Modification time and size of every file of `places` that an ingest would look at."""
    found: Snapshot = {}
    for place in places:
        look_at(place, found)
        for folder, folders, files in os.walk(place):
            folders[:] = [name for name in folders if folder_reason(name) is None]
            for name in files:
                if file_reason(name) is None:
                    look_at(str(Path(folder, name)), found)
    return found


def look_at(path: str, found: Snapshot) -> None:
    try:
        status = Path(path).stat()
    except OSError:
        return  # it went while it was looked for
    if not stat.S_ISDIR(status.st_mode):
        found[path] = (status.st_mtime_ns, status.st_size)
