"""Summaries of documents and collections, as durable jobs; what was made of a text once is not made again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select

from guru.errors import NotFound
from guru.knowledge.around.checking import Evidence, check
from guru.knowledge.around.extract import Sentence, choose_sentences
from guru.knowledge.around.points import Points, read_points
from guru.knowledge.around.reading import Read, read_document
from guru.knowledge.around.summary import Method, Said, Source, Summary, join
from guru.knowledge.around.topics import find_topics, most_typical
from guru.knowledge.around.writing import AT_ONCE, Step, Writer, room_of, summarise
from guru.knowledge.documents import find_document
from guru.knowledge.filters import compile_filter
from guru.patience import patiently
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.jobs import Job, JobRun, Jobs
from guru.store.scope import Scope
from guru.store.tables import documents, summaries
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOB: Final = "summary"
VERSION: Final = 1
"""Raised when the same text would be summarised otherwise: what is kept of before is then not used."""
WAITS: Final = (1.0, 2.0, 4.0)
LONGEST_WAIT: Final = 30.0
"""Seconds before a model that is away is asked again."""
OF_EACH: Final = 3
"""Sentences of every document that a summary of the collection is made of."""
SOME: Final = "Of {of:,} documents the {read:,} most typical of each topic were read."
OWN_WORDS: Final = "No sentence of {model} was supported by the document: these are its own most central ones."
LAST: Final = (
    "No sentence that {model} wrote of all together was supported: these are the most central of those on single "
    "documents."
)
Writers = Callable[[JSON, str], Writer]
"""The model of a name, as it writes for a caller who is kept as JSON. Raises `ModelNotFound`."""


class Wanted(Struct, kw_only=True, frozen=True):
    """What a summary is to be. It is kept with the job."""

    collection: str
    document: str | None = None
    """The id of the one document; None: the collection as a whole."""
    method: Literal["auto", "extractive", "model"] = "auto"
    """`auto`: a model's, unless the model is too small to write one."""
    model: str = "default"
    sentences: int = 5
    most: int = 200
    """Documents that are read for a collection."""
    filter: JSON | None = None


class Summaries:
    """The summaries of every tenant."""

    def __init__(self, database: Database, jobs: Jobs, embedder: Embedder, *, writers: Writers) -> None:
        self._database = database
        self._jobs = jobs
        self._embedder = embedder
        self._writers = writers
        jobs.handle(JOB, self.run, at_once=2)

    async def begin(self, scope: Scope, wanted: Wanted, *, caller: JSON, person: str) -> Job:
        """Queue a summary of what somebody sees, for that person. Raises `NotFound`, `ModelNotFound` and
        `InvalidParameter`."""
        if wanted.document is not None:
            await self._database.read(lambda connection: find_document(connection, scope, str(wanted.document)))
        else:
            await self._points(scope, wanted)
        method = self._method(wanted, caller)
        if method == "model":
            room_of(self._writers(caller, wanted.model), wanted.sentences)
        arguments = msgspec.to_builtins(wanted) | {"method": method, "caller": caller}
        owners = None if scope.owners is None else list(scope.owners)
        arguments |= {"owners": owners, "teams": list(scope.teams)}
        return await self._jobs.submit(scope.tenant, JOB, arguments, subject=wanted.collection, person=person)

    def _method(self, wanted: Wanted, caller: JSON) -> Method:
        if wanted.method != "auto":
            return wanted.method
        return "extractive" if self._writers(caller, wanted.model).small else "model"

    async def run(self, run: JobRun) -> JSON:
        """The handler of the job. Called again after a kill, it finds what it had made."""
        arguments = run.job.arguments
        names = {name: value for name, value in arguments.items() if name in Wanted.__struct_fields__}
        wanted = msgspec.convert(names, Wanted)
        owners = arguments["owners"]
        scope = Scope(run.job.tenant, None if owners is None else tuple(owners), tuple(arguments["teams"]))
        writer = self._writers(arguments["caller"], wanted.model) if wanted.method == "model" else None
        work = Work(
            database=self._database, embedder=self._embedder, scope=scope, writer=writer, sentences=wanted.sentences,
            run=run,
        )  # fmt: skip
        if wanted.document is not None:
            run.progress(total=1, done=0)
            summary = await work.of_document(wanted.document)
        else:
            points = await self._points(scope, wanted)
            chosen = await asyncio.to_thread(choose_documents, points, wanted.most)
            summary = await work.of_collection(wanted.collection, [points.owners[at].id for at in chosen], len(points))
        run.progress(done=run.job.progress["total"], current=None)
        made: JSON = msgspec.to_builtins(summary)
        return {"summary": made}

    async def _points(self, scope: Scope, wanted: Wanted) -> Points:
        accepts = compile_filter(wanted.filter) if wanted.filter else None

        def read(connection: Connection) -> Points:
            return read_points(connection, scope, wanted.collection, "documents", accepts)

        return await self._database.read(read)


def choose_documents(points: Points, most: int) -> list[int]:
    """All documents, or of more than `most` the most typical of each topic, in turns; in the order of their age."""
    if len(points) <= most:
        return list(range(len(points)))
    clusters, near = find_topics(points, None, 0)
    lines = [most_typical(clusters, near, number, most) for number in range(len(clusters.centres))]
    turns = [line[at] for at in range(most) for line in lines if at < len(line)]
    return sorted(turns[:most])


class Work(Struct, kw_only=True):
    """One run of one summary."""

    database: Database
    embedder: Embedder
    scope: Scope
    writer: Writer | None
    """None: the documents' own sentences."""
    sentences: int
    run: JobRun

    async def of_document(self, document: str, sentences: int | None = None) -> Summary:
        """Raises `NotFound`, also for a document that was removed meanwhile."""
        count = sentences or self.sentences
        read = await self._read(document)
        digest = read.digest(VERSION, self.writer.name if self.writer else None, count)
        kept = await self._kept(read.id, digest)
        if kept is not None:
            return msgspec.convert(kept, Summary)
        summary = await self._written(read, count) if self.writer else await own_words(read, count)
        await self._keep(read.id, digest, msgspec.to_builtins(summary))
        return summary

    async def of_collection(self, name: str, ids: list[str], of: int) -> Summary:
        """Of many documents: a summary of their summaries."""
        made = await self._each(ids)
        said = [sentence for summary in made for sentence in summary.sentences]
        dropped = [sentence for summary in made for sentence in summary.dropped]
        note = SOME.format(of=of, read=len(ids)) if len(ids) < of else None
        about: JSON = {"documents": len(made), "of": of, "model": self.writer.name if self.writer else None}
        about["method"] = "model" if self.writer else "extractive"
        if self.writer is not None and said:
            parts = [f"{item.sentences[0].sources[0].document}: {item.text}" for item in made if item.sentences]
            text = await summarise(name, parts, self.writer, self._step(None), sentences=self.sentences, tell=nothing)
            sources = [source for item in said for source in item.sources]
            quoted = await self.embedder.embed([source.quote for source in sources])
            found, lost = await check(text, Evidence(sources, quoted), self.embedder, self.sentences)
            dropped += lost
            if found:
                return Summary(text=join(found), sentences=found, dropped=dropped, note=note, **about)
            note = LAST.format(model=self.writer.name)
        vectors = await self.embedder.embed([item.text for item in said]) if said else None
        chosen = [] if vectors is None else await asyncio.to_thread(central, said, vectors, self.sentences)
        return Summary(text=join(chosen), sentences=chosen, dropped=dropped, note=note, **about)

    async def _each(self, ids: list[str]) -> list[Summary]:
        """The summaries of documents, in their order, without those that were removed or hidden meanwhile."""
        self.run.progress(total=len(ids), done=0)
        gate, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(document: str) -> Summary | None:
            nonlocal done
            async with gate:
                try:
                    return await self.of_document(document, OF_EACH)
                except NotFound:
                    return None
                finally:
                    done += 1
                    self.run.progress(done=done)

        tasks = [asyncio.ensure_future(one(document)) for document in ids]
        try:
            return [summary for summary in await asyncio.gather(*tasks) if summary is not None]
        finally:
            for task in tasks:
                task.cancel()

    async def _written(self, read: Read, count: int) -> Summary:
        assert self.writer is not None
        if not read.passages:
            return await own_words(read, count)
        text = await summarise(
            read.title, read.parts(), self.writer, self._step(read), sentences=count, tell=self._tell(read)
        )
        found, lost = await check(text, Evidence(read.passages, await self._vectors(read)), self.embedder, count)
        if found:
            return Summary(
                method="model", model=self.writer.name, text=join(found), sentences=found, dropped=lost, documents=1,
                of=1, note=None,
            )  # fmt: skip
        own = await own_words(read, count)
        return msgspec.structs.replace(own, dropped=lost, note=OWN_WORDS.format(model=self.writer.name))

    async def _vectors(self, read: Read) -> NDArray[Any]:
        """Of the passages, by the model that checks: the collection may have another one."""
        if read.model == self.embedder.name:
            return read.vectors
        return await self.embedder.embed([source.quote for source in read.passages])

    def _tell(self, read: Read) -> Callable[[], None]:
        parts = 0

        def tell() -> None:
            nonlocal parts
            parts += 1
            self.run.progress(current=f"{read.name}, part {parts}")

        return tell

    def _step(self, read: Read | None) -> Step:
        """How the model is asked; for a part of a document, only where it was not asked before."""
        writer = self.writer
        assert writer is not None

        async def step(instruction: str, text: str, max_tokens: int) -> str:
            write = partial(writer.write, instruction, text, max_tokens)
            if read is None:
                return await patiently(write, WAITS, LONGEST_WAIT)
            digest = digest_of("part", VERSION, writer.name, instruction, text, max_tokens)
            kept = await self._kept(read.id, digest)
            if kept is None:
                kept = {"text": await patiently(write, WAITS, LONGEST_WAIT)}
                await self._keep(read.id, digest, kept)
            return str(kept["text"])

        return step

    async def _read(self, document: str) -> Read:
        return await self.database.read(lambda connection: read_document(connection, self.scope, document))

    async def _kept(self, document: str, digest: str) -> JSON | None:
        mine = (summaries.c.document_id == document, summaries.c.digest == digest)
        query = select(summaries.c.body).where(summaries.c.tenant == self.scope.tenant, *mine)
        found: JSON | None = await self.database.read(lambda connection: connection.scalar(query))
        return found

    async def _keep(self, document: str, digest: str, body: JSON) -> None:
        row = {"document_id": document, "digest": digest, "body": body, "created_at": time.time()}

        def write(connection: Connection) -> None:
            there = select(documents.c.id).where(documents.c.tenant == self.scope.tenant, documents.c.id == document)
            if connection.scalar(there) is None:
                return  # it was removed meanwhile
            mine = (summaries.c.document_id == document, summaries.c.digest == digest)
            connection.execute(delete(summaries).where(summaries.c.tenant == self.scope.tenant, *mine))
            connection.execute(insert(summaries).values(row | {"tenant": self.scope.tenant}))

        await self.database.write(write)


async def own_words(read: Read, count: int) -> Summary:
    """The most central sentences of a document, in the order of its text."""
    chosen = await asyncio.to_thread(choose_sentences, read.sentences, read.sentence_vectors, count)
    said = [quoted(read.sentences[place], read.name) for place in sorted(chosen)]
    return Summary(
        method="extractive", model=None, text=join(said), sentences=said, dropped=[], documents=1, of=1,
        note=None if said else "It has no sentence that could stand in a summary.",
    )  # fmt: skip


def quoted(sentence: Sentence, document: str) -> Said:
    source = Source(
        document_id=sentence.document, document=document, page=sentence.page, start=sentence.start, end=sentence.end,
        quote=sentence.text,
    )  # fmt: skip
    return Said(text=" ".join(sentence.text.split()), sources=[source])


def central(said: list[Said], vectors: Any, count: int) -> list[Said]:
    """The most central of what was said of many documents, the most central first."""
    sentences = [Sentence("", None, 0, 0, item.text) for item in said]
    return [said[place] for place in choose_sentences(sentences, vectors, count)]


def digest_of(*parts: object) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def nothing() -> None:
    """Where steps are not told."""
