"""Ingest, as a durable job: scan, hash, parse, cut, embed, store; what is unchanged is skipped.

The job is idempotent. A document is either there as its file is now or it is not: a job that was killed starts over,
finds what it had finished by its hash, and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.access import check_access
from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.collections import Collection, Collections
from guru.knowledge.filling import Filling
from guru.knowledge.ingest_run import IngestRun, Parts
from guru.knowledge.intake import Textless
from guru.knowledge.prepare import Preparer, embed_from_thread, most_tokens
from guru.knowledge.sources import check_locations
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.workers import WorkerSource
from guru.knowledge.writer import DocumentWriter
from guru.protocols import Embedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Job, JobRun, Jobs
from guru.store.scope import Scope
from guru.types import JSON


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
        self._textless: Textless = {}
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
            parts = Parts(
                blobs=self._blobs, settings=self._settings, fetcher=self._fetcher, textless=self._textless,
                preparer=self.preparer(tenant, collection), filler=self._filling.of(tenant, collection, workers),
            )  # fmt: skip
            return await IngestRun(run, writer, workers, parts).work()

    def preparer(self, tenant: str, collection: Collection) -> Preparer:
        """What cuts the documents of a collection. Called on the event loop. Raises `Conflict`."""
        embedder = self._filling.embedders.of(tenant, collection.name, collection.embedding_model)
        options = ChunkOptions.of(self._settings, collection.settings, most=most_tokens(embedder))
        return Preparer(embedder, options, embed_from_thread(embedder))

    def options(self, own: JSON) -> ChunkOptions:
        """How the documents of a collection with these settings of its own are cut."""
        return ChunkOptions.of(self._settings, own, most=most_tokens(self._embedder))


def granted(tenant: str, access: Sequence[str] | None, by: Scope | None) -> dict[str, Any]:
    """What a job notes of who may see its documents, and of who asked for it. Raises `InvalidParameter`."""
    by = by or Scope(tenant, ())
    noted: dict[str, Any] = {"owners": by.owners if by.owners is None else list(by.owners), "teams": list(by.teams)}
    return noted if access is None else noted | {"access": check_access(list(access))}
