"""Fetching one file: with progress, resumed after a cut, verified, and never half under its final name."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import msgspec
from msgspec import Struct

from guru.errors import DownloadError
from guru.models.sources.remote import Remote, refused

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and, where known, all bytes."""

BLOCK = 2**20
ATTEMPTS = 6
"""In a row without a single new byte."""
BACKOFF = 0.5
SPARE = 64 * BLOCK
"""Bytes of disk that are left to others."""
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Trail(Struct):
    """What is known of a half file, so that only the same file is continued."""

    url: str
    etag: str | None


async def download(session: ClientSession, remote: Remote, target: Path, progress: Progress | None = None) -> Path:
    """Fetch `remote` to `target`, going on where an earlier attempt stopped.

    Cancelling is safe: what arrived is kept for the next time. Raises `DownloadError`: refused, unreachable, disk full,
    or a checksum that is wrong, after which nothing is kept.
    """
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    async with locked(target.with_name(f"{target.name}.lock")):
        if not await asyncio.to_thread(target.exists):
            part = target.with_name(f"{target.name}.part")
            digest = await _copy(remote, part) if remote.url.startswith("file:") else None
            if digest is None:
                digest = await _Transfer(session, remote, part, progress or (lambda _done, _total: None)).run()
            _verify(remote, digest, part)
            await asyncio.to_thread(publish, part, target)
            _trail(part).unlink(missing_ok=True)
    return target


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold an advisory lock that other processes respect. The file stays: removing it would let two in."""
    file = await asyncio.to_thread(path.open, "wb")
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.1)
        yield


def publish(part: Path, target: Path) -> None:
    """Give a complete file its final name, durably."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def require_space(folder: Path, needed: int) -> None:
    """Raises `DownloadError` when `needed` bytes do not fit."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        message = f"{needed / 1e9:.1f} GB are needed in {folder}, and {free / 1e9:.1f} GB are free."
        raise DownloadError(message, hint="Make room, or move the home to a larger disk with GURU_HOME.")


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Transfer:
    """One download over as many connections as it takes."""

    def __init__(self, session: ClientSession, remote: Remote, part: Path, progress: Progress) -> None:
        self._session = session
        self._remote = remote
        self._part = part
        self._progress = progress
        self._digest = hashlib.sha256()
        self._done = 0
        self._total = remote.size
        self._etag: str | None = None

    async def run(self) -> str:
        """The sha256 of the complete `.part` file."""
        import aiohttp

        with await asyncio.to_thread(self._part.open, "ab+") as file:
            await asyncio.to_thread(self._pick_up, file)
            failures = 0
            while True:
                before = self._done
                try:
                    if await self._attempt(file):
                        return self._digest.hexdigest()
                    problem = "the connection ended early"
                except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                    problem = str(error) or type(error).__name__
                failures = 1 if self._done > before else failures + 1
                if failures >= ATTEMPTS:
                    message = f"{self._where()} could not be fetched: {problem}."
                    raise DownloadError(message, hint="Try again: it goes on where it stopped.")
                await asyncio.sleep(BACKOFF * 2 ** (failures - 1))

    async def _attempt(self, file: BinaryIO) -> bool:
        """One connection. True when the file is complete."""
        if self._total is not None and self._done == self._total and self._done:
            return True
        headers = dict(self._remote.headers) | {"Accept-Encoding": "identity"}
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
            if self._etag:
                headers["If-Range"] = self._etag
        async with self._session.get(self._remote.url, headers=headers) as response:
            if not await self._accept(response, file):
                return False
            async for block in response.content.iter_chunked(BLOCK):
                await asyncio.to_thread(self._write, file, block)
                self._progress(self._done, self._total)
        return self._total is None or self._done >= self._total

    async def _accept(self, response: ClientResponse, file: BinaryIO) -> bool:
        """Look at the status: go on, start over, or give up."""
        if response.status == 416:
            await asyncio.to_thread(self._restart, file)
            return False
        if response.status in RETRIED:
            wait = response.headers.get("Retry-After", "")
            if wait.isdigit() and int(wait) > 60:
                raise refused(self._where(), response.status, hint=f"Try again in {wait} s.")
            await asyncio.sleep(float(wait) if wait.isdigit() else 0)
            response.raise_for_status()
        if response.status not in (200, 206):
            raise refused(self._where(), response.status)
        start = 0
        if response.status == 206:
            start = int(response.headers.get("Content-Range", "bytes 0").split()[1].split("-")[0])
        if start != self._done or response.status == 200:
            await asyncio.to_thread(self._restart, file)
            if start:
                return False
        self._etag = response.headers.get("ETag")
        length = response.content_length
        if length is not None:
            self._total = self._done + length
            require_space(self._part.parent, length)
        trail = msgspec.json.encode(Trail(self._remote.url, self._strong_etag()))
        await asyncio.to_thread(_trail(self._part).write_bytes, trail)
        return True

    def _strong_etag(self) -> str | None:
        """A weak validator does not promise the same bytes."""
        return None if self._etag is None or self._etag.startswith("W/") else self._etag

    def _pick_up(self, file: BinaryIO) -> None:
        """Continue a half file when it can be told that it is half of the same file."""
        try:
            trail = msgspec.json.decode(_trail(self._part).read_bytes(), type=Trail)
        except (OSError, msgspec.DecodeError):
            trail = None
        known = trail is not None and trail.url == self._remote.url
        if trail is None or not known or not (trail.etag or self._remote.sha256):
            self._restart(file)
            return
        self._etag = trail.etag
        file.seek(0)
        while block := file.read(BLOCK):
            self._digest.update(block)
            self._done += len(block)
        if self._total is not None and self._done > self._total:
            self._restart(file)

    def _restart(self, file: BinaryIO) -> None:
        file.truncate(0)
        self._digest = hashlib.sha256()
        self._done = 0
        self._etag = None

    def _write(self, file: BinaryIO, block: bytes) -> None:
        file.write(block)
        file.flush()
        self._digest.update(block)
        self._done += len(block)

    def _where(self) -> str:
        return self._remote.url.split("?", 1)[0]


async def _copy(remote: Remote, part: Path) -> str:
    """A file of this machine: linked when it lies on the same disk, else copied."""
    source = Path(url2pathname(unquote(urlsplit(remote.url).path)))

    def copy() -> str:
        if not source.is_file():
            raise DownloadError(f"There is no file {source}.", hint="Check the path.")
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(source)
        except OSError:
            require_space(part.parent, source.stat().st_size)
            shutil.copyfile(source, part)
        return hash_file(part)

    return await asyncio.to_thread(copy)


def _verify(remote: Remote, digest: str, part: Path) -> None:
    if remote.sha256 is not None and digest != remote.sha256.lower():
        part.unlink()
        _trail(part).unlink(missing_ok=True)
        message = f"The checksum of {remote.url.split('?', 1)[0]} is wrong: {digest}, not {remote.sha256}."
        raise DownloadError(message, hint="The file was changed on the way or at its source. Nothing was kept.")


def _trail(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
