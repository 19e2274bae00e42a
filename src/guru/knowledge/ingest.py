"""Ingest, as a durable job: scan, hash, parse, cut, embed, store; what is unchanged is skipped.

The job is idempotent. A document is either there as its file is now or it is not: a job that was killed starts over,
finds what it had finished by its hash, and goes on with the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from guru.config import KnowledgeSettings
from guru.errors import DownloadError, Forbidden, GuruError, InvalidParameter, NotFound, UnreadableDocument
from guru.knowledge import small
from guru.knowledge.access import check_access, own_access
from guru.knowledge.archive import unpacked
from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.collections import Collection, Collections
from guru.knowledge.filling import Filling
from guru.knowledge.parse import ParsedDocument
from guru.knowledge.parse.names import is_archive, is_picture
from guru.knowledge.parse.ocr import NoText
from guru.knowledge.prepare import File, Prepared, Preparer, embed_from_thread, most_tokens
from guru.knowledge.remote import Gone, RemoteFile
from guru.knowledge.scan import Candidate, LeftOut, Scan
from guru.knowledge.sources import Sources, check_locations
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.workers import Workers, WorkerSource
from guru.knowledge.writer import DocumentWriter, Known
from guru.store.blobs import BlobStore, hash_file
from guru.store.database import Database
from guru.store.jobs import Job, JobRun, Jobs
from guru.store.scope import Scope
from guru.types import JSON, Embedder

BATCH_TEXTS: Final = 128
"""Small documents are embedded together and stored in one transaction until they have so many texts."""
AHEAD: Final = 32
"""Documents that wait, parsed, while others are embedded."""
AT_ONCE: Final = 4
"""Files that are hashed, stored and parsed at the same time."""
LINGER: Final = 0.1
"""Seconds that a batch which is not full waits for more: a commit costs as much for one document as for twenty."""
REMEMBERED: Final = 100_000
"""Pictures without text."""
REPORTED: Final = 1000
"""Ignored files named in a result."""


class Ingest:
    """Submits ingest jobs and runs them."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        collections: Collections,
        embedder: Embedder,
        *,
        workers: WorkerSource,
        settings: KnowledgeSettings,
        jobs: Jobs,
        filling: Filling,
        fetcher: Fetcher | None = None,
    ) -> None:
        """`embedder` is that of new collections, `filling` embeds what comes into any, `workers` parse and embed."""
        self._workers = workers
        self._filling = filling
        self._fetcher = fetcher
        self._database = database
        self._blobs = blobs
        self._collections = collections
        self._embedder = embedder
        self._settings = settings
        self._jobs = jobs
        self._textless: dict[str, NoText] = {}
        """Pictures by their digest in which no text was found: not looked at again every time that a folder is."""
        jobs.handle("ingest", self.run)

    async def submit_paths(
        self,
        tenant: str,
        collection: str,
        paths: list[str],
        *,
        prune: bool = False,
        access: Sequence[str] | None = None,
        by: Scope | None = None,
        person: str | None = None,
        ray: str | None = None,
    ) -> Job:
        """Ingest files and folders, absolute paths of this machine, and addresses of pages, sitemaps and buckets. The
        collection is made when it is missing.

        `prune` removes the documents that came from one of these and are no longer there. `access` is the
        list of who may see these documents; None leaves that to their front matter and to what holds already. `by`
        is what whoever asks may see: what they may not see, they cannot replace. None sees what everybody does.
        `person` is whose job it is, where it is not everybody's: it names files. `ray` is the address of a cluster that
        parses and embeds, or `local` for this machine's cores; None leaves that to the configuration.
        """
        arguments = {"collection": collection, "paths": check_locations(paths), "prune": prune, "ray": ray}
        return await self._submit(tenant, collection, arguments | granted(tenant, access, by), person)

    async def submit_uploads(
        self,
        tenant: str,
        collection: str,
        uploads: Sequence[tuple[str, str]],
        *,
        prune: bool = False,
        access: Sequence[str] | None = None,
        by: Scope | None = None,
        person: str | None = None,
    ) -> Job:
        """Ingest files whose bytes are stored: their relative names, and the digests that `BlobStore.put` gave.

        `prune` removes the documents of earlier uploads of these archives that are no longer in them. The others are
        as in `submit_paths`.
        """
        if not uploads:
            raise InvalidParameter("No file was sent.", hint="Send at least one.", param="files")
        arguments = {"collection": collection, "uploads": [list(upload) for upload in uploads], "prune": prune}
        return await self._submit(tenant, collection, arguments | granted(tenant, access, by), person)

    async def _submit(self, tenant: str, collection: str, arguments: dict[str, Any], person: str | None) -> Job:
        await self._collections.create(tenant, collection, exist_ok=True)
        return await self._jobs.submit(tenant, "ingest", arguments, subject=collection, person=person)

    async def run(self, run: JobRun) -> dict[str, Any]:
        """Do the work of a job. Cancelled at any point, what is finished stays. Raises `NotFound`, `Conflict`."""
        arguments, tenant = run.job.arguments, run.job.tenant
        collection = await self._collections.get(Scope(tenant), arguments["collection"])
        # A job from before there were lists says nothing: it sees what everybody does.
        owners, teams = arguments.get("owners", ()), arguments.get("teams", ())
        scope = Scope(tenant, None if owners is None else tuple(owners), tuple(teams))
        access = arguments.get("access")
        writer = DocumentWriter(self._database, self._blobs, collection.id, scope, access=access)
        async with self._workers.open(arguments.get("ray")) as workers:
            return await _Session(self, run, writer, collection, workers).work()

    def preparer(self, tenant: str, collection: Collection) -> Preparer:
        """What cuts the documents of a collection. Called on the event loop. Raises `Conflict`."""
        embedder = self._filling.embedders.of(tenant, collection.name, collection.embedding_model)
        options = ChunkOptions.of(self._settings, collection.settings, most=most_tokens(embedder))
        return Preparer(embedder, options, embed_from_thread(embedder))

    def options(self, own: JSON) -> ChunkOptions:
        """How the documents of a collection with these settings of its own are cut."""
        return ChunkOptions.of(self._settings, own, most=most_tokens(self._embedder))


class _Session:
    """One run of one job."""

    def __init__(
        self, ingest: Ingest, run: JobRun, writer: DocumentWriter, collection: Collection, workers: Workers
    ) -> None:
        self._blobs = ingest._blobs
        self._parser = workers.parser
        self._at_once = max(AT_ONCE, workers.count)
        self._batch_texts = BATCH_TEXTS * workers.count
        self._preparer = ingest.preparer(run.job.tenant, collection)
        self._filler = ingest._filling.of(run.job.tenant, collection, workers)
        self._textless = ingest._textless
        self._max_bytes = ingest._settings.max_file_mb << 20
        self._max_archive_bytes = ingest._settings.max_archive_mb << 20
        self._sources = Sources(ingest._settings, ingest._blobs, workers.parser, ingest._fetcher)
        self._run = run
        self._writer = writer
        self._began = run.job.created_at
        self._known: dict[str, Known] = {}
        self._known_metadata: dict[str, dict[str, Any]] = {}
        self._gone: set[str] = set()
        self._access: list[str] | None = run.job.arguments.get("access")
        self._lists: dict[str, list[str]] = {}
        self._relisted: list[str] = []
        self._adopted: dict[str | None, list[str]] = {}
        self._failed: list[LeftOut] = []
        self._ignored: list[LeftOut] = []
        self._total = self._done = self._skipped = self._removed = self._chunks = 0

    async def work(self) -> dict[str, Any]:
        started = time.monotonic()
        arguments = self._run.job.arguments
        found = await self._find(arguments)
        self._failed += found.failed
        self._known, self._lists = await self._writer.known(), await self._writer.lists()
        self._total = len(found.files) + len(found.failed)
        self._report(total=self._total)
        remote = {file.source for file in found.files if isinstance(file, RemoteFile)}
        self._known_metadata = await self._writer.metadata(remote) if remote else {}
        archives = found.take_archives()
        await self._store_all(found.files)
        for archive in archives:
            await self._store_archive(archive, found)
        for source, names in self._adopted.items():
            await self._writer.adopt(names, source)
        await self._writer.relist(self._relisted)
        if arguments.get("prune"):
            await self._prune(found)
        await self._writer.sweep()
        await self._filler.close()
        self._report(current=None)
        return {
            "documents": self._done,
            "chunks": self._chunks,
            "skipped": self._skipped,
            "removed": self._removed,
            "failed": [{"path": item.path, "error": item.error} for item in self._failed],
            "ignored": [
                {"path": item.path, "reason": item.error} for item in (found.ignored + self._ignored)[:REPORTED]
            ],
            "embedded": self._filler.embedded,
            "reused": self._filler.reused,
            "notes": self._filler.notes,
            "seconds": round(time.monotonic() - started, 3),
            "embedding_seconds": round(self._filler.seconds, 3),
        }

    async def _find(self, arguments: dict[str, Any]) -> Scan:
        if "paths" in arguments:
            return await self._sources.find(arguments["paths"])
        files: list[Candidate | RemoteFile] = []
        failed = []
        for name, digest in dict(arguments["uploads"]).items():
            try:
                source = name if is_archive(name) else ""
                files.append(Candidate(self._blobs.path(digest), name, source, where=name, kept=True))
            except GuruError as error:
                failed.append(LeftOut(name, str(error), name))
        return Scan(files=files, failed=failed, sources=[file.source for file in files if file.source])

    async def _store_archive(self, archive: Candidate, found: Scan) -> None:
        """Ingest the members of an archive, and add to `found` what is in it."""
        try:
            await self._check_size(archive, self._max_archive_bytes, "max_archive_mb")
            async with unpacked(archive, self._parser, self._blobs.root) as members:
                found.add(members)
                self._failed += members.failed
                self._total += len(members.files) + len(members.failed) - 1
                self._report(total=self._total)
                await self._store_all(members.files)
        except UnreadableDocument as error:
            self._fail(archive, str(error))
        except OSError as error:
            self._fail(archive, f"{error.strerror or error}.")

    async def _store_all(self, files: Sequence[Candidate | RemoteFile]) -> None:
        """Parse in one process while this one embeds and stores what was parsed before."""
        queue: asyncio.Queue[Prepared | None] = asyncio.Queue(AHEAD)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._prepare_all(files, queue))
                while batch := await next_batch(queue, self._batch_texts):
                    await self._store(batch)
        except ExceptionGroup as failed:  # a model that does not embed, a disk that is full: said as it is
            raise first_of(failed) from None

    async def _store(self, batch: list[Prepared]) -> None:
        rows, refused = await self._filler.store(batch, self._preparer, self._writer)
        for prepared in batch:
            if (reason := refused.get(prepared.file.name)) is not None:
                self._failed.append(LeftOut(prepared.file.name, reason, prepared.file.name))
        stored = [passages for document, _, passages in rows if document["name"] not in refused]
        self._done += len(stored)
        self._chunks += sum(map(len, stored))
        self._report()

    async def _prepare_all(
        self, files: Sequence[Candidate | RemoteFile], queue: asyncio.Queue[Prepared | None]
    ) -> None:
        """Put into `queue` what is new or changed, and None at the end. Some files are on their way at once, so that
        the disk, the parser and this process do not wait for each other."""
        waiting = iter(await asyncio.to_thread(small.grouped, files))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._prepare_some(waiting, queue))
        await queue.put(None)

    async def _prepare_some(
        self, groups: Iterator[Sequence[Candidate | RemoteFile]], queue: asyncio.Queue[Prepared | None]
    ) -> None:
        for group in groups:
            if len(group) > 1:
                for prepared in await self._prepare_small([file for file in group if isinstance(file, Candidate)]):
                    await queue.put(prepared)
                continue
            (file,) = group
            self._report(current=file.name)
            try:
                self._check_access(file.name)
                found = await (self._prepare_remote(file) if isinstance(file, RemoteFile) else self._prepare_file(file))
            except Gone as error:
                self._note_gone(file, str(error))
            except (UnreadableDocument, NotFound, Forbidden, DownloadError, OSError) as error:
                self._fail(file, reason(error))
            else:
                if found is not None:
                    await queue.put(found)

    async def _prepare_file(self, candidate: Candidate) -> Prepared | None:
        size = await self._check_size(candidate, self._max_bytes, "max_file_mb")
        digest = await asyncio.to_thread(hash_file, candidate.path)
        if not self._is_new(candidate, digest):
            return None
        if not candidate.kept:
            # What is parsed and what is hashed are the same bytes, even when the file changes meanwhile.
            digest, size = await asyncio.to_thread(self._keep, candidate.path)
        file = File(name=candidate.name, digest=digest, size=size, source=candidate.source or None)
        try:
            document = await self._parser.parse(self._blobs.path(digest), candidate.name)
        except NoText as error:
            self._note_textless(digest, error)
            raise
        return await self._cut(file, document)

    async def _prepare_small(self, candidates: list[Candidate]) -> list[Prepared]:
        """The same for some small files, at each step together."""
        self._report(current=candidates[0].name)
        contents, unread = await asyncio.to_thread(small.read, filter(self._may_read, candidates))
        for candidate, error in unread:
            self._fail(candidate, reason(error))
        new = [content for content in contents if self._may_be_new(content)]
        files = [
            File(name=c.candidate.name, digest=c.digest, size=len(c.data), source=c.candidate.source or None)
            for c in new
        ]
        await asyncio.to_thread(self._keep_all, [content.data for content in new if not content.candidate.kept])
        parsed = await self._parser.parse_all([(self._blobs.path(file.digest), file.name) for file in files])
        for content, document in zip(new, parsed, strict=True):
            if isinstance(document, NoText):
                self._note_textless(content.digest, document)
        found = await asyncio.to_thread(self._cut_all, files, parsed)
        for content, prepared in zip(new, found, strict=True):
            if isinstance(prepared, GuruError):
                self._fail(content.candidate, str(prepared))
        return [prepared for prepared in found if isinstance(prepared, Prepared)]

    def _may_read(self, candidate: Candidate) -> bool:
        try:
            self._check_access(candidate.name)
        except Forbidden as error:
            self._fail(candidate, str(error))
            return False
        return True

    def _may_be_new(self, content: small.Content) -> bool:
        try:
            return self._is_new(content.candidate, content.digest)
        except NoText as error:
            self._fail(content.candidate, str(error))
            return False

    def _is_new(self, candidate: Candidate, digest: str) -> bool:
        """Raises `NoText` for a picture in which none was found before."""
        if self._is_unchanged(candidate, digest):
            return False
        if candidate.found and (error := self._textless.get(digest)) is not None:
            raise NoText(error.message, hint=error.hint)
        return True

    def _note_textless(self, digest: str, error: NoText) -> None:
        if len(self._textless) >= REMEMBERED:
            self._textless.clear()
        self._textless[digest] = error

    async def _prepare_remote(self, remote: RemoteFile) -> Prepared | None:
        known = self._known.get(remote.name)
        current = known is not None and known.recipe == self._preparer.recipe
        fetched = await remote.fetch(self._known_metadata.get(remote.name, {}) if current else {})
        if fetched is None:
            assert known is not None
            self._note_unchanged(remote, known)
            return None
        if self._is_unchanged(remote, fetched.digest):
            return None
        file = File(name=remote.name, digest=fetched.digest, size=fetched.size, source=remote.source)
        document = await self._parser.parse(self._blobs.path(fetched.digest), fetched.filename, fetched.charset)
        document.metadata |= fetched.metadata
        document.modified = document.modified or fetched.modified
        return await self._cut(file, document)

    async def _cut(self, file: File, document: ParsedDocument) -> Prepared:
        return await asyncio.to_thread(self._cut_now, file, document)

    def _cut_now(self, file: File, document: ParsedDocument) -> Prepared:
        try:
            own_access(document.metadata)
        except InvalidParameter as error:  # who was meant is not guessed
            raise UnreadableDocument(f"Its `guru_access` is wrong. {error.message}", hint=error.hint) from None
        prepared = self._preparer.prepare(file, document)
        if not prepared.chunks:
            raise UnreadableDocument("The file holds no text.", hint="Check that it is the file that you meant.")
        return prepared

    def _cut_all(
        self, files: Sequence[File], parsed: Sequence[ParsedDocument | GuruError]
    ) -> list[Prepared | GuruError]:
        found: list[Prepared | GuruError] = []
        for file, document in zip(files, parsed, strict=True):
            try:
                found.append(self._cut_now(file, document) if isinstance(document, ParsedDocument) else document)
            except UnreadableDocument as error:
                found.append(error)
        return found

    @staticmethod
    async def _check_size(candidate: Candidate, most: int, setting: str) -> int:
        """The size of a file in bytes. Raises `UnreadableDocument` for more than `most`."""
        size = (await asyncio.to_thread(candidate.path.stat)).st_size
        if size > most:
            raise UnreadableDocument(
                f"The file has {size / 1e6:,.0f} MB; the limit is {most / 1e6:,.0f} MB.",
                hint=f"Split it, or raise [knowledge] {setting}.",
            )
        return size

    def _keep(self, path: Path) -> tuple[str, int]:
        data = path.read_bytes()
        return self._blobs.put(data), len(data)

    def _keep_all(self, contents: Sequence[bytes]) -> None:
        for data in contents:
            self._blobs.put(data)

    def _is_unchanged(self, file: Candidate | RemoteFile, digest: str) -> bool:
        known = self._known.get(file.name)
        if known is None or (known.content_hash, known.recipe) != (digest, self._preparer.recipe):
            return False
        self._note_unchanged(file, known)
        return True

    def _note_unchanged(self, candidate: Candidate | RemoteFile, known: Known) -> None:
        source = candidate.source or None
        if known.source != source:
            self._adopted.setdefault(source, []).append(candidate.name)
        if self._access is not None and self._lists.get(candidate.name, []) != self._access:
            self._relisted.append(candidate.name)
        if known.ingested_at >= self._began:  # by this job, before the process died
            self._done += 1
            self._chunks += known.chunks
        else:
            self._skipped += 1
        self._report()

    async def _prune(self, found: Scan) -> None:
        """Remove the documents of the scanned folders that are no longer there. A file that is there and failed keeps
        its document. A folder that is suddenly empty keeps them all: more likely it is not mounted."""
        names = {file.name for file in found.files} - self._gone
        failed = {item.name for item in self._failed if item.name is not None}
        for source in found.sources:
            had = {name for name, known in self._known.items() if known.source == source and self._may_change(name)}
            gone = [name for name in had - names if not is_of(name, failed)]
            if gone and not any(file.source == source for file in found.files):
                error = "There is nothing in it, so its documents were kept. If that is meant, delete them."
                self._failed.append(LeftOut(source, error))
                continue
            self._removed += await self._writer.remove(gone)

    def _may_change(self, name: str) -> bool:
        return self._writer.refusal(self._lists.get(name, [])) is None

    def _check_access(self, name: str) -> None:
        """Before anything of a file is compared: that it is the same would tell what a hidden document says.

        Raises `Forbidden`.
        """
        if (reason := self._writer.refusal(self._lists.get(name, []))) is not None:
            raise Forbidden(reason)

    def _note_gone(self, file: Candidate | RemoteFile, error: str) -> None:
        """Who has it says that it is no longer there: its document is pruned, or the command is told."""
        if file.name in self._known and self._run.job.arguments.get("prune"):
            self._gone.add(file.name)
            self._total -= 1
            self._report(total=self._total)
        else:
            self._fail(file, error)

    def _fail(self, file: Candidate | RemoteFile, error: str) -> None:
        """Name a file that cannot be read. In a folder of photographs, those without text are no mistake."""
        left_out = LeftOut(file.shown, error, file.name)
        if file.found and is_picture(file.name):
            self._ignored.append(left_out)
            self._total -= 1
            self._report(total=self._total)
            return
        self._failed.append(left_out)
        self._report()

    def _report(self, **values: Any) -> None:
        counts = {"done": self._done, "skipped": self._skipped, "removed": self._removed, "chunks": self._chunks}
        self._run.progress(**counts, failed=len(self._failed), **values)


def first_of(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, which may hold groups."""
    error = failed.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error


def reason(error: Exception) -> str:
    """What to say of a file that cannot be read."""
    return f"{error.strerror or error}." if isinstance(error, OSError) else str(error)


def is_of(name: str, failed: set[str]) -> bool:
    """Whether a document, or the archive that it is in, is one of those that failed."""
    return name in failed or any(name.startswith(f"{archive}/") for archive in failed if is_archive(archive))


def granted(tenant: str, access: Sequence[str] | None, by: Scope | None) -> dict[str, Any]:
    """What a job notes of who may see its documents, and of who asked for it. Raises `InvalidParameter`."""
    by = by or Scope(tenant, ())
    noted: dict[str, Any] = {"owners": by.owners if by.owners is None else list(by.owners), "teams": list(by.teams)}
    return noted if access is None else noted | {"access": check_access(list(access))}


async def next_batch(queue: asyncio.Queue[Prepared | None], most: int) -> list[Prepared]:
    """What is ready, up to `most` texts or a little more; waits for the first. Empty at the end."""
    batch: list[Prepared] = []
    texts = 0
    while texts < most:
        try:
            async with asyncio.timeout(LINGER if batch else None):
                prepared = await queue.get()
        except TimeoutError:
            break
        if prepared is None:
            if batch:
                await queue.put(None)  # the end, again, for the next call
            break
        batch.append(prepared)
        texts += len(prepared.passages) + len(prepared.sentences)
    return batch
