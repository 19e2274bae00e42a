"""The journal: traces wait here, in append-only files, until they are rows.

A line is written before the client is told, so that a kill loses nothing. Every process writes its own segments and
holds a lock on them; the kernel gives the lock up with the process, and whoever comes next replays what is left.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from guru.observe.spans import TraceRecord
from guru.store.ids import new_id

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 << 20


class Begun(Struct, kw_only=True, tag="begin"):
    """A request was accepted; its `TraceRecord` follows, unless the process dies first."""

    id: str
    tenant: str
    route: str
    started_at: float


encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Begun | TraceRecord)


class Segment:
    """One file. `pending` are the traces that began in it and are not yet rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.file)
            raise
        self.size = 0
        self.pending: set[str] = set()
        self.spilled = False
        """Whether a trace that ended is only here, because the queue was full."""

    def append(self, record: Begun | TraceRecord) -> bytes:
        """Write a line; it is in the kernel's hands when this returns, and survives the process. Raises `OSError`."""
        line = encoder.encode(record)
        if os.write(self.file, line + b"\n") <= len(line):
            os.ftruncate(self.file, self.size)  # half a line would take the next one with it
            raise OSError("the line was cut off")
        self.size += len(line) + 1
        return line

    def forget(self) -> None:
        """Remove everything: all of it is rows now."""
        os.ftruncate(self.file, 0)
        self.size = 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file; whoever comes next replays it."""
        os.close(self.file)


def new_segment(folder: Path) -> Segment:
    return Segment(folder / f"{new_id('traces')}.ndjson")


def left_behind(folder: Path, mine: set[Path]) -> Iterator[Segment]:
    """Segments of processes that are gone, locked for us."""
    for path in sorted(folder.glob("*.ndjson")):
        if path in mine:
            continue
        try:
            yield Segment(path)
        except BlockingIOError:
            continue  # its owner lives


def read_ended(path: Path) -> dict[str, TraceRecord]:
    """The traces of a segment that have ended."""
    return {record.id: record for record in read(path) if isinstance(record, TraceRecord)}


def read_all(path: Path) -> dict[str, TraceRecord]:
    """The traces of a dead process; one that had only begun ends as an error."""
    traces: dict[str, TraceRecord] = {}
    for record in read(path):
        if isinstance(record, TraceRecord):
            traces[record.id] = record
        else:
            traces.setdefault(record.id, interrupted(record))
    return traces


def read(path: Path) -> Iterator[Begun | TraceRecord]:
    """The lines of a segment. A last line that was cut off by a kill was told to nobody and is passed over."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            if number < len(lines):
                log.error("%s, line %d is damaged and was passed over: %s", path, number, error)


def interrupted(begun: Begun) -> TraceRecord:
    return TraceRecord(
        id=begun.id, tenant=begun.tenant, route=begun.route, status="error",
        error="The server stopped while it answered this request.", started_at=begun.started_at,
    )  # fmt: skip
