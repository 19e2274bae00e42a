"""The process in which files are parsed: `python -m guru.knowledge.parse.worker MEMORY_BYTES`.

It reads requests from stdin and writes replies to stdout, each a MessagePack value after its length in four bytes. It
ends when stdin does. Memory and CPU time are limited, so that a malicious file takes down this process at most.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from guru.errors import GuruError, NotFound
from guru.knowledge.parse import parse
from guru.knowledge.parse.archive import Member, unpack
from guru.knowledge.parse.document import Limits, PageHighlight, ParsedDocument
from guru.knowledge.parse.ocr import NeedsRecognition, NoText
from guru.knowledge.parse.sitemap import Sitemap, parse_sitemap

if TYPE_CHECKING:
    from guru.knowledge.parse.pdf.layout import PdfLayout

LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1
_KEPT_LAYOUTS = 2


class ParseTask(Struct, tag="parse"):
    path: str
    name: str
    charset: str | None = None


class ManyTask(Struct, tag="many"):
    """Small files, which one exchange brings. Where one of them takes the process down, all are to be tried alone."""

    files: list[ParseTask]


class UnpackTask(Struct, tag="unpack"):
    path: str
    folder: str


class SitemapTask(Struct, tag="sitemap"):
    path: str


class RenderTask(Struct, tag="render"):
    path: str
    page: int
    scale: float


class HighlightTask(Struct, tag="highlight"):
    path: str
    start: int
    quote: str


Task = ParseTask | ManyTask | UnpackTask | SitemapTask | RenderTask | HighlightTask


class Request(Struct):
    task: Task
    limits: Limits
    cpu_seconds: int


class Failure(Struct):
    """A file that cannot be read; `final` when the process has to be replaced."""

    message: str
    hint: str | None
    not_found: bool = False
    no_text: bool = False
    final: bool = False


class Reply(Struct):
    document: ParsedDocument | None = None
    replies: list[Reply] | None = None
    needs_recognition: bool = False
    """The file is to be parsed again, with time for OCR."""
    members: list[Member] | None = None
    sitemap: Sitemap | None = None
    image: bytes | None = None
    highlights: list[PageHighlight] | None = None
    failure: Failure | None = None


class Worker:
    """Answers one request after the other. Keeps the layouts of the last PDFs for further highlights."""

    def __init__(self) -> None:
        self._layouts: OrderedDict[tuple[str, int, int], PdfLayout] = OrderedDict()

    def answer(self, request: Request) -> Reply:
        """Never raises: what goes wrong is in the reply."""
        try:
            with _cpu_limit(request.cpu_seconds):
                return self._run(request.task, request.limits, request.cpu_seconds)
        except GuruError as error:
            not_found, no_text = isinstance(error, NotFound), isinstance(error, NoText)
            return Reply(failure=Failure(error.message, error.hint, not_found=not_found, no_text=no_text))
        except NeedsRecognition:
            return Reply(needs_recognition=True)
        except MemoryError:
            self._layouts.clear()
            return Reply(
                failure=Failure(
                    "The file needs more memory than parsing is allowed to use.",
                    "Split it into smaller files, or raise the memory limit for parsing.",
                    final=True,
                )
            )
        except OSError as error:
            message = f"The file cannot be read: {error.strerror or error}."
            return Reply(failure=Failure(message, "Check that it is still there and its permissions."))

    def _run(self, task: Task, limits: Limits, cpu_seconds: int) -> Reply:
        if isinstance(task, ParseTask):
            return Reply(document=parse(_read(task.path, limits), task.name, limits=limits, charset=task.charset))
        if isinstance(task, ManyTask):
            return self._answer_many(task, limits, cpu_seconds)
        if isinstance(task, UnpackTask):
            return Reply(members=unpack(Path(task.path), Path(task.folder), limits))
        if isinstance(task, SitemapTask):
            return Reply(sitemap=parse_sitemap(_read(task.path, limits)))
        if isinstance(task, RenderTask):
            from guru.knowledge.parse.pdf import render_page

            return Reply(image=render_page(_read(task.path, limits), task.page, task.scale))
        layout = self._layout(task.path, limits)
        start = find_near(layout.text, task.quote, task.start)
        return Reply(highlights=[] if start is None else layout.highlight(start, start + len(task.quote)))

    def _answer_many(self, task: ManyTask, limits: Limits, cpu_seconds: int) -> Reply:
        replies: list[Reply] = []
        for file in task.files:
            reply = self.answer(Request(file, limits, cpu_seconds))
            if reply.failure is not None and reply.failure.final:
                return reply
            replies.append(reply)
        return Reply(replies=replies)

    def _layout(self, path: str, limits: Limits) -> PdfLayout:
        from guru.knowledge.parse.pdf import read_layout

        status = Path(path).stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._layouts:
            self._layouts[key] = read_layout(_read(path, limits), limits)
            while len(self._layouts) > _KEPT_LAYOUTS:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return self._layouts[key]


def find_near(text: str, quote: str, start: int) -> int | None:
    """Where `quote` stands in `text`, nearest to `start`.

    A document that an older version stored may have been laid out otherwise: what is shown is the quote, or nothing.
    """
    if text.startswith(quote, start):
        return start
    before, after = text.rfind(quote, 0, start + len(quote)), text.find(quote, start)
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - start), default=None)


def _read(path: str, limits: Limits) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(limits.file_bytes + 1)


@contextlib.contextmanager
def _cpu_limit(seconds: int) -> Iterator[None]:
    """Let the kernel end this process after `seconds` of CPU time from now on."""
    import resource

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def _confine(memory_bytes: int) -> None:
    """Limit memory, write no core dump, and die with the parent."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it closes stdin


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests from `source` on `sink` until `source` ends."""
    worker = Worker()
    requests, replies = msgspec.msgpack.Decoder(Request), msgspec.msgpack.Encoder()
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        reply = worker.answer(requests.decode(source.read(*LENGTH.unpack(head))))
        data = replies.encode(reply)
        sink.write(LENGTH.pack(len(data)) + data)
        sink.flush()
        if reply.failure is not None and reply.failure.final:
            return


def main() -> None:
    _confine(int(sys.argv[1]))
    # Whatever a library prints must not get among the replies.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
