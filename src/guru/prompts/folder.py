"""Prompts that are files: a folder of `NAME.toml`, watched. The file is the source, the library follows it.

A file that says something new makes a new version, and its labels move there; until it changes again they may be moved
by hand, so that a bad version can be rolled back at once. One that cannot be read changes nothing:
the versions before it stay, and what is wrong is logged and listed. A file that is gone leaves its prompt behind, for
everybody to change.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from guru.errors import BadRequest
from guru.prompts import rows
from guru.prompts.checking import check
from guru.prompts.files import PromptFile, read_toml
from guru.prompts.library import Editor, Library, Note
from guru.prompts.references import check_label, check_name

log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between looks. A file is read when two of them have found it the same: half of it may well be valid."""
MAX_BYTES: Final = 2_000_000
Stamp = tuple[int, int, int]
"""When it and what the system knows of it were changed, in nanoseconds, and its size."""


class Problem(Struct, frozen=True):
    """A file that cannot be used."""

    file: str
    error: str


class Folder:
    """The files of one organisation's prompts."""

    def __init__(self, path: Path, library: Library, tenant: str, note: Note) -> None:
        self.path = self._wanted = path
        self._prompts = library.of(tenant)
        self._database = library.database
        self._tenant = tenant
        self._note = note
        self._read: dict[str, Stamp] | None = None
        """The files as they were when they were last taken over; None: those of this folder never were."""
        self._problems: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def problems(self) -> list[Problem]:
        return [Problem(file, error) for file, error in sorted(self._problems.items())]

    async def open(self, *, watch: bool) -> None:
        """Take the files over as they are, and go on looking at them."""
        await self.sync(await asyncio.to_thread(self._look))
        if watch:
            self._task = asyncio.create_task(self._watch())

    def follow(self, path: Path) -> None:
        """Look there from the next time on. Prompts whose files are not there belong to everybody then."""
        self._wanted = path

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        seen = dict(self._read or {})
        while True:
            await asyncio.sleep(INTERVAL)
            if self.path != self._wanted:
                self.path, self._read = self._wanted, None
            before, seen = seen, await asyncio.to_thread(self._look)
            if seen == self._read or seen != before:
                continue
            try:
                await self.sync(seen)
            except Exception:
                log.exception("The prompts in %s could not be taken over; they are looked at again.", self.path)

    def _look(self) -> dict[str, Stamp]:
        """Every file, as it is now. A folder that is not there has none."""
        found = {}
        try:
            for path in sorted(self.path.glob("*.toml")):
                if path.is_file() and not path.name.startswith("."):
                    status = path.stat()
                    found[path.name] = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        except OSError as error:
            log.warning("The prompts in %s cannot be listed: %s.", self.path, error.strerror or error)
            return dict(self._read or {})
        return found

    async def sync(self, found: dict[str, Stamp]) -> None:
        """Take over what is new, and let go of what is gone."""
        known = self._read or {}
        for file, stamp in found.items():
            if known.get(file) != stamp:
                await self._take(file)
        await self._let_go(set(found))
        self._problems = {file: error for file, error in self._problems.items() if file in found}
        self._read = found

    async def _take(self, file: str) -> None:
        try:
            data = await asyncio.to_thread(read, self.path / file)
            content = await asyncio.to_thread(read_toml, data)
            name = file.removesuffix(".toml")
            check_name(name, "file")
            for label in content.labels:
                check_label(label)
            await asyncio.to_thread(check, content.definition())
            digest = hashlib.sha256(data).hexdigest()
            await self._database.write(lambda connection: self._write(connection, name, file, content, digest))
        except (BadRequest, OSError) as error:
            self._problems[file] = str(error)
            log.error("The prompt %s cannot be used; what it was stays. %s", self.path / file, error)
        else:
            self._problems.pop(file, None)

    def _write(self, connection: Connection, name: str, file: str, content: PromptFile, digest: str) -> None:
        """The new version, its labels and whose it is, at once."""
        prompt = rows.find(connection, self._tenant, name)
        if prompt is not None:
            if (prompt.file, prompt.file_digest) == (file, digest):
                return  # as it was read before, by this server or by another: labels may have been moved since
            rows.change(connection, prompt, file=file)
        editor = Editor(f"file {file}", self._note, admin=True, file=file)
        saved = self._prompts.save_within(connection, name, content.definition(), editor, notes=content.notes)
        rows.change(connection, rows.get(connection, self._tenant, name), file=file, file_digest=digest)
        for label in content.labels:
            self._prompts.label_within(connection, name, label, saved.version, editor)

    async def _let_go(self, there: set[str]) -> None:
        """Prompts whose files are gone belong to everybody."""

        def write(connection: Connection) -> None:
            for prompt in rows.list_prompts(connection, self._tenant):
                if prompt.file is not None and prompt.file not in there:
                    rows.change(connection, prompt, file=None)

        if any(prompt.file is not None and prompt.file not in there for prompt in await self._prompts.all()):
            await self._database.write(write)


def read(path: Path) -> bytes:
    """At most a little more than a prompt may have. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES)
