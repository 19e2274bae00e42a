"""Parsing in processes of their own: a file that crashes, hangs or eats memory costs that file and nothing else.

This module imports no parser; the worker processes do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import msgspec

from guru.errors import GuruError, NotFound, UnreadableDocument
from guru.knowledge.parse.archive import Member
from guru.knowledge.parse.document import MIB, Limits, PageHighlight, ParsedDocument
from guru.knowledge.parse.ocr import NoText
from guru.knowledge.parse.sitemap import Sitemap
from guru.knowledge.parse.worker import (
    LENGTH,
    Failure,
    HighlightTask,
    ManyTask,
    ParseTask,
    RenderTask,
    Reply,
    Request,
    SitemapTask,
    Task,
    UnpackTask,
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Reply)


class ParsePool:
    """Up to `workers` worker processes, started when there is work and stopped after `idle` seconds without, and one
    more for files that need OCR.

    `timeout` is the wall time for a file in seconds, `ocr_timeout` that for one whose pictures are read, `memory` the
    address space of a worker, and of Tesseract beside it, in bytes. Use it on one event loop; call `aclose` at the end.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout: float = 120.0,
        ocr_timeout: float = 1800.0,
        memory: int = 2048 * MIB,
        idle: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        self._timeout = timeout
        self._ocr_timeout = ocr_timeout
        self._memory = memory
        self._idle = idle
        self._limits = limits or Limits()
        self._free: list[Process] = []
        self._busy: set[Process] = set()
        self._turns = asyncio.Semaphore(workers)
        self._ocr_turns = asyncio.Semaphore(1)
        """Of its own: nobody waits half an hour to look at a page because a book is being recognised."""
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    async def parse(self, path: Path, name: str, charset: str | None = None) -> ParsedDocument:
        """Parse the file at `path`, which is called `name`. `charset` is for texts that came with the word of their
        encoding. Raises `UnreadableDocument`."""
        task = ParseTask(str(path), name, charset)
        reply = await self._run(task)
        if reply.needs_recognition:
            reply = await self._run(task, recognize=True)
        assert reply.document is not None
        return reply.document

    async def parse_all(self, files: Sequence[tuple[Path, str]]) -> list[ParsedDocument | GuruError]:
        """Parse some small files, with their names, at the cost of one: for each its document, or what is wrong with
        it."""
        if not files:
            return []
        replies: Sequence[Reply | None] = [None] * len(files)
        # Where the worker is lost, every file is tried alone, which shows whose fault it was.
        with contextlib.suppress(UnreadableDocument):
            replies = (
                await self._run(ManyTask([ParseTask(str(path), name) for path, name in files]))
            ).replies or replies
        return [await self._parsed(*file, reply) for file, reply in zip(files, replies, strict=True)]

    async def _parsed(self, path: Path, name: str, reply: Reply | None) -> ParsedDocument | GuruError:
        """What a reply that came with others says; the file is parsed here where it says nothing yet."""
        if reply is not None and reply.failure is not None:
            return _error(reply.failure)
        if reply is not None and reply.document is not None:
            return reply.document
        try:
            return await self.parse(path, name)
        except (UnreadableDocument, NotFound) as error:
            return error

    async def unpack(self, path: Path, folder: Path) -> list[Member]:
        """Unpack the ZIP archive at `path` into `folder`, which is empty. Raises `UnreadableDocument`."""
        reply = await self._run(UnpackTask(str(path), str(folder)))
        assert reply.members is not None
        return reply.members

    async def sitemap(self, path: Path) -> Sitemap:
        """Read the sitemap at `path`. Raises `UnreadableDocument`."""
        reply = await self._run(SitemapTask(str(path)))
        assert reply.sitemap is not None
        return reply.sitemap

    async def render_page(self, path: Path, page: int, scale: float) -> bytes:
        """Page `page` (from 1) of a PDF as PNG, `scale` pixels per point. Raises `NotFound`, `UnreadableDocument`."""
        reply = await self._run(RenderTask(str(path), page, scale))
        assert reply.image is not None
        return reply.image

    async def highlight(self, path: Path, start: int, quote: str) -> list[PageHighlight]:
        """Where `quote`, which stands at `start` of a PDF's text, is on its pages; empty when it is not there.

        Raises `UnreadableDocument`.
        """
        reply = await self._run(HighlightTask(str(path), start, quote))
        assert reply.highlights is not None
        return reply.highlights

    async def aclose(self) -> None:
        """Stop the workers. What is being parsed fails with `UnreadableDocument`."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        for worker in self._busy:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
        await self._stop_free()

    async def _run(self, task: Task, *, recognize: bool = False) -> Reply:
        limits, seconds = self._limits, self._timeout
        if recognize:
            limits = msgspec.structs.replace(limits, ocr_seconds=self._ocr_timeout)
            seconds += self._ocr_timeout
        request = _ENCODER.encode(Request(task, limits, int(seconds)))
        try:
            async with self._ocr_turns if recognize else self._turns:
                reply = await self._answer(request, seconds)
        except TimeoutError as error:
            raise UnreadableDocument(
                f"Reading the file took longer than {seconds:g} seconds.", hint="Split it into smaller files."
            ) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise UnreadableDocument(
                "The parser crashed on this file, or ran out of memory or time.",
                hint="The file may be damaged. Open it in the program that made it and save it again.",
            ) from error
        if reply.failure is None:
            return reply
        raise _error(reply.failure)

    async def _answer(self, request: bytes, seconds: float) -> Reply:
        """Have a worker answer, an idle one if there is. One that died while idle is no fault of the file."""
        while self._free:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                return await self._use(self._free.pop(), request, seconds)
        return await self._use(await self._start(), request, seconds)

    async def _use(self, worker: Process, request: bytes, seconds: float) -> Reply:
        """One exchange. The worker goes back to the pool only when the exchange was complete."""
        self._busy.add(worker)
        keep = False
        try:
            self._check_open()  # it may have been closed while the worker started
            async with asyncio.timeout(seconds):  # not `wait_for`: before Python 3.12 it swallows a cancellation
                reply = await _exchange(worker, request)
            keep = not self._closed and not (reply.failure and reply.failure.final)
        finally:
            self._busy.discard(worker)
            if not keep:
                await stop(worker)
        if keep:
            self._free.append(worker)
            self._stop_when_idle()
        return reply

    async def _start(self) -> Process:
        self._check_open()
        # One thread: numpy's would each reserve address space, which is limited.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "guru.knowledge.parse.worker", str(self._memory),
            stdin=PIPE, stdout=PIPE, env=environment,
        )  # fmt: skip

    def _check_open(self) -> None:
        if self._closed:
            raise UnreadableDocument("The parser has been stopped.", hint="Start the server and try again.")

    def _stop_when_idle(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        loop = asyncio.get_running_loop()
        self._reaper = loop.call_later(self._idle, lambda: asyncio.ensure_future(self._stop_free()))

    async def _stop_free(self) -> None:
        workers, self._free = self._free, []
        for worker in workers:
            await stop(worker)


def _error(failure: Failure) -> GuruError:
    kind = NotFound if failure.not_found else NoText if failure.no_text else UnreadableDocument
    return kind(failure.message, hint=failure.hint)


async def _exchange(worker: Process, request: bytes) -> Reply:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(LENGTH.pack(len(request)) + request)
    await worker.stdin.drain()
    (length,) = LENGTH.unpack(await worker.stdout.readexactly(LENGTH.size))
    return _DECODER.decode(await worker.stdout.readexactly(length))


async def stop(worker: Process) -> None:
    """End a worker, whatever it is doing."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        worker.kill()
    # A process counts as ended when its pipes are closed, too: before Python 3.13 that waits for ever for a pipe whose
    # reader was paused by a long reply that nobody read to its end.
    while await worker.stdout.read(MIB):
        pass
    await worker.wait()
