"""A real knowledge base with the embedder and the reader that ship: texts go in, answers come out."""

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import Answerer
from guru.store.scope import Scope
from guru.types import ChatRequest, Grounding, Message
from knowledge.answer.answering import Answer

SCOPE = Scope("local")


class Shelf:
    def __init__(self, knowledge, jobs, folder, embedder, reader):
        self.knowledge, self.jobs, self.folder = knowledge, jobs, folder
        self.embedder, self.reader = embedder, reader

    async def put(self, collection, texts, paths=()):
        """Ingest texts by their file names, and files as they are."""
        folder = self.folder / collection
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        job = await self.knowledge.ingest.submit_paths("local", collection, [str(folder), *map(str, paths)])
        async for seen in self.jobs.watch("local", job.id):
            job = seen
        assert job.status == "done", job.error
        assert not job.result["failed"], job.result["failed"]

    async def stored(self, citation):
        """What stands where a citation points."""
        return await self.knowledge.documents.text(SCOPE, citation.document_id, citation.start, citation.end)

    def answerer(self, *, reads=True, **settings):
        return Answerer(
            self.embedder,
            KnowledgeSettings(**settings),
            self.knowledge.documents,
            reader=self.reader if reads else None,
        )

    async def ask(self, collection, question, model, *, k=None, reads=True, settings=None, **grounding):
        request = ChatRequest(
            model=model.name, messages=[Message("user", question)], guru=Grounding(collection, **grounding)
        )
        found = await self.knowledge.retrieve(SCOPE, collection, question, k=k)
        answerer = self.answerer(reads=reads, **settings or {})
        return Answer([event async for event in answerer.answer(request, found, model)])
