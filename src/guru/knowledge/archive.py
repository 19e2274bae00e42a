"""A ZIP archive as a folder: its members as files to ingest, for as long as they are needed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from guru.knowledge.parse.archive import Member
from guru.knowledge.scan import Candidate, LeftOut, Scan

_PREFIX: Final = ".unpacked-"
_STALE: Final = 86_400.0
"""Seconds after which a folder with unpacked files belongs to a process that was killed."""


class Unpacker(Protocol):
    """What this needs of `ParsePool`."""

    async def unpack(self, path: Path, folder: Path) -> list[Member]: ...


@asynccontextmanager
async def unpacked(archive: Candidate, unpacker: Unpacker, root: Path) -> AsyncIterator[Scan]:
    """The members of `archive`, in a folder under `root` that is gone at the end. Raises `UnreadableDocument`."""
    folder = await asyncio.to_thread(_make_folder, root)
    try:
        yield _to_scan(archive, await unpacker.unpack(archive.path, folder), folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _make_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in root.glob(f"{_PREFIX}*"):
        if time.time() - old.stat().st_mtime > _STALE:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))


def _to_scan(archive: Candidate, members: list[Member], folder: Path) -> Scan:
    found = Scan()
    for member in members:
        name, where = f"{archive.name}/{member.name}", f"{archive.shown}/{member.name}"
        if member.file is not None:
            found.files.append(Candidate(folder / member.file, name, archive.source, where=where, found=True))
        elif member.refused is not None:
            found.failed.append(LeftOut(where, member.refused, name))
        else:
            found.ignored.append(LeftOut(where, member.ignored or ""))
    return found
