"""Documents in memory, searched by common words: a corpus whose answers a test can foresee."""

from guru.errors import NotFound
from guru.evaluate.corpus import Passage, Source
from guru.knowledge.sentences import sentence_spans


class MemoryCorpus:
    """One collection `c` of the tenant `local`; every paragraph is a passage."""

    def __init__(self, documents, pages=None):
        self.documents = documents
        self._pages = pages or {}

    async def check(self, tenant, collection):
        if (tenant, collection) != ("local", "c"):
            raise NotFound("no such collection")

    async def sources(self, tenant, collection):
        await self.check(tenant, collection)
        return [Source(id=f"id-{name}", name=name, title=name.split(".")[0].title()) for name in self.documents]

    async def pages(self, tenant, document_id):
        return self._pages.get(document_id.removeprefix("id-"), {})

    async def text(self, tenant, document_id, start=0, end=None):
        if (name := document_id.removeprefix("id-")) not in self.documents:
            raise NotFound("no such document")
        return self.documents[name][start:end]

    async def passages(self, tenant, document_id):
        text = self.documents[document_id.removeprefix("id-")]
        found, start, path = [], 0, []
        for paragraph in text.split("\n\n"):
            if paragraph.startswith("#"):
                path = [paragraph.lstrip("# ")]
            else:
                found.append(Passage(start=start, end=start + len(paragraph), text=paragraph, heading_path=list(path)))
            start += len(paragraph) + 2
        return found

    def sentences(self, text):
        return sentence_spans(text)
