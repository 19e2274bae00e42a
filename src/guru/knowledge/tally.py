"""How far an ingest is, and what it left out and why."""

from __future__ import annotations

from typing import Any, Final

from guru.knowledge.parse.names import is_picture
from guru.knowledge.remote import RemoteFile
from guru.knowledge.scan import Candidate, LeftOut, Scan
from guru.store.jobs import JobRun

REPORTED: Final = 1000
"""Ignored files named in a result."""


class Tally:
    """Counts for one job, and tells whoever watches it."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self.total = self.done = self.skipped = self.removed = self.chunks = 0
        self.failed: list[LeftOut] = []
        self.ignored: list[LeftOut] = []

    def expect(self, more: int) -> None:
        """So many files more, or fewer, than was thought."""
        self.total += more
        self.report(total=self.total)

    def fail(self, file: Candidate | RemoteFile, error: str) -> None:
        """Name a file that cannot be read. In a folder of photographs, those without text are no mistake."""
        left_out = LeftOut(file.shown, error, file.name)
        if file.found and is_picture(file.name):
            self.ignored.append(left_out)
            self.expect(-1)
            return
        self.failed.append(left_out)
        self.report()

    def report(self, **values: Any) -> None:
        counts = {"done": self.done, "skipped": self.skipped, "removed": self.removed, "chunks": self.chunks}
        self._run.progress(**counts, failed=len(self.failed), **values)

    def result(self, found: Scan) -> dict[str, Any]:
        """What a job gives back, after the files that were `found`."""
        ignored = (found.ignored + self.ignored)[:REPORTED]
        return {
            "documents": self.done,
            "chunks": self.chunks,
            "skipped": self.skipped,
            "removed": self.removed,
            "failed": [{"path": item.path, "error": item.error} for item in self.failed],
            "ignored": [{"path": item.path, "reason": item.error} for item in ignored],
        }


def reason(error: Exception) -> str:
    """What to say of a file that cannot be read."""
    return f"{error.strerror or error}." if isinstance(error, OSError) else str(error)
