"""Documents in memory, searched by common words: a corpus whose answers a test can foresee."""

from guru.errors import NotFound
from guru.evaluate.corpus import Passage, Source
from guru.knowledge.sentences import sentence_spans
from guru.types import Hit


class MemoryCorpus:
    """One collection `c` of the tenant `local`; every paragraph is a passage."""

    chunk_tokens = 200

    def __init__(self, documents, pages=None):
        self.documents = documents
        self._pages = pages or {}

    async def check(self, tenant, collection):
        if (tenant, collection) != ("local", "c"):
            raise NotFound("no such collection")

    async def search(self, tenant, collection, query, *, k, mode, filter=None):
        await self.check(tenant, collection)
        asked = set(words(query))
        hits = []
        for name, text in self.documents.items():
            for passage in await self.passages("local", f"id-{name}"):
                score = len(asked & set(words(passage.text)))
                hits.append(
                    Hit(
                        rank=0, score=score / 100, document=name, document_id=f"id-{name}", chunk_id=0, page=None,
                        start=passage.start, end=passage.end, text=text[passage.start : passage.end],
                    )
                )  # fmt: skip
        hits.sort(key=lambda hit: (-hit.score, hit.document, hit.start))
        for rank, hit in enumerate(hits, start=1):
            hit.rank = rank
        return hits[:k]

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


def words(text):
    return [word.strip(".,?!“”:").lower() for word in text.split()]
