"""One run of one ingest: scan, prepare, embed and store, remove what is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from guru.config import KnowledgeSettings
from guru.errors import GuruError, UnreadableDocument
from guru.knowledge.archive import unpacked
from guru.knowledge.batches import Batches
from guru.knowledge.filling import Filler
from guru.knowledge.holdings import Holdings
from guru.knowledge.intake import Intake, Textless, check_size
from guru.knowledge.parse.names import is_archive
from guru.knowledge.prepare import Prepared, Preparer
from guru.knowledge.remote import RemoteFile
from guru.knowledge.scan import Candidate, LeftOut, Scan
from guru.knowledge.sources import Sources
from guru.knowledge.tally import Tally, reason
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.workers import Workers
from guru.knowledge.writer import DocumentWriter
from guru.store.blobs import BlobStore
from guru.store.jobs import JobRun


class Parts(Struct, kw_only=True, frozen=True):
    """What a run works with."""

    blobs: BlobStore
    settings: KnowledgeSettings
    fetcher: Fetcher | None
    textless: Textless
    preparer: Preparer
    filler: Filler


class IngestRun:
    """Does the work of a job. Cancelled at any point, what is finished stays."""

    def __init__(self, run: JobRun, writer: DocumentWriter, workers: Workers, parts: Parts) -> None:
        settings = parts.settings
        self._arguments = run.job.arguments
        self._blobs = parts.blobs
        self._preparer = parts.preparer
        self._filler = parts.filler
        self._writer = writer
        self._workers = workers
        self._max_archive_bytes = settings.max_archive_mb << 20
        self._sources = Sources(settings, parts.blobs, workers.parser, parts.fetcher)
        self._tally = Tally(run)
        self._holdings = Holdings(writer, parts.preparer.recipe, run.job, self._tally)
        self._intake = Intake(
            parts.blobs, workers.parser, parts.preparer, self._holdings, self._tally,
            textless=parts.textless, max_bytes=settings.max_file_mb << 20, at_once=workers.count,
        )  # fmt: skip

    async def work(self) -> dict[str, Any]:
        """Returns what the job gives back."""
        started, tally = time.monotonic(), self._tally
        found = await self._find()
        tally.failed += found.failed
        await self._holdings.load(file.source for file in found.files if isinstance(file, RemoteFile))
        tally.expect(len(found.files) + len(found.failed))
        archives = found.take_archives()
        await self._store_all(found.files)
        for archive in archives:
            await self._store_archive(archive, found)
        await self._holdings.finish(found)
        await self._writer.sweep()
        await self._filler.close()
        tally.report(current=None)
        return tally.result(found) | {
            "embedded": self._filler.embedded,
            "reused": self._filler.reused,
            "notes": self._filler.notes,
            "seconds": round(time.monotonic() - started, 3),
            "embedding_seconds": round(self._filler.seconds, 3),
        }

    async def _find(self) -> Scan:
        if "paths" in self._arguments:
            return await self._sources.find(self._arguments["paths"])
        files: list[Candidate | RemoteFile] = []
        failed = []
        for name, digest in dict(self._arguments["uploads"]).items():
            try:
                source = name if is_archive(name) else ""
                files.append(Candidate(self._blobs.path(digest), name, source, where=name, kept=True))
            except GuruError as error:
                failed.append(LeftOut(name, str(error), name))
        return Scan(files=files, failed=failed, sources=[file.source for file in files if file.source])

    async def _store_archive(self, archive: Candidate, found: Scan) -> None:
        """Ingest the members of an archive, and add to `found` what is in it."""
        tally = self._tally
        try:
            await asyncio.to_thread(check_size, archive, self._max_archive_bytes, "max_archive_mb")
            async with unpacked(archive, self._workers.parser, self._blobs.root) as members:
                found.add(members)
                tally.failed += members.failed
                tally.expect(len(members.files) + len(members.failed) - 1)
                await self._store_all(members.files)
        except (UnreadableDocument, OSError) as error:
            tally.fail(archive, reason(error))

    async def _store_all(self, files: Sequence[Candidate | RemoteFile]) -> None:
        """Prepare files while others, prepared before, are embedded and stored."""
        batches = Batches(self._workers.count)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._intake.prepare_all(files, batches))
                while batch := await batches.next():
                    began = time.monotonic()
                    await self._store(batch)
                    batches.took(time.monotonic() - began)
        except ExceptionGroup as failed:  # a model that does not embed, a disk that is full: said as it is
            raise first_of(failed) from None

    async def _store(self, batch: Sequence[Prepared]) -> None:
        rows, refused = await self._filler.store(batch, self._preparer, self._writer)
        for prepared in batch:
            if (refusal := refused.get(prepared.file.name)) is not None:
                self._tally.failed.append(LeftOut(prepared.file.name, refusal, prepared.file.name))
        stored = [passages for document, _, passages in rows if document["name"] not in refused]
        self._tally.done += len(stored)
        self._tally.chunks += sum(map(len, stored))
        self._tally.report()


def first_of(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, which may hold groups."""
    error = failed.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
