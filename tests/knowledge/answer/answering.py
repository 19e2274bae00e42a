"""Passages made by hand, and a model that says what a test tells it to."""

from guru.errors import NotFound
from guru.knowledge.search import Retrieval, Sentence
from guru.knowledge.sentences import sentence_spans
from guru.store.scope import Scope
from guru.types import (
    Cited,
    Completed,
    Delta,
    Finished,
    Hit,
    Unsupported,
    Usage,
)

WARSAW = (
    "# Warsaw\n\n"
    "Warsaw 🏙️ is the capital of Poland. It stands on the Vistula River, roughly 260 kilometres from the Baltic Sea. "
    "The Palace of Culture was built in 1955.\n\n"
    "The city was rebuilt after the war. Its Old Town was listed by UNESCO in 1980. It did not join the league in 1991."
)
OXYGEN = (
    "# Oxygen\n\nOxygen is a chemical element with the symbol O. It was discovered by Carl Wilhelm Scheele in 1771."
)
FEES = "# Fees\n\nThe annual fee is 120 euros. Students pay 45 euros [3]. Members may bring two guests."
DOCUMENTS = {"warsaw.md": WARSAW, "oxygen.md": OXYGEN, "fees.md": FEES}


def make_retrieval(query, documents=None, *, cosine=0.55, names=None):
    """What a search would have found: one passage per paragraph; sentences with the query's words come closest."""
    hits, sentences = [], []
    for name, text in (documents or DOCUMENTS).items():
        position = 0
        for paragraph in text.split("\n\n"):
            start = text.index(paragraph, position)
            position = end = start + len(paragraph)
            if paragraph.startswith("#"):
                continue
            spans = sentence_spans(text, start, end)
            asked = set(query.lower().strip("?").split())
            near = [len(asked & set(text[a:b].lower().split())) / len(asked) for a, b in spans]
            sentences.append(
                [
                    Sentence(start=a, end=b, text=text[a:b], score=cosine * min(1, 0.4 + share), coverage=share)
                    for (a, b), share in zip(spans, near, strict=True)
                ]
            )
            hits.append(
                Hit(
                    rank=len(hits) + 1,
                    score=0.5,
                    document=name,
                    document_id=f"id-{name}",
                    chunk_id=len(hits),
                    page=None,
                    start=start,
                    end=end,
                    text=paragraph,
                    title=name.removesuffix(".md").title(),
                    stages={"dense": max(s.score for s in sentences[-1])},
                )
            )
    order = sorted(range(len(hits)), key=lambda i: -max(s.score for s in sentences[i]))
    return Retrieval(
        scope=Scope("local"),
        query=query,
        vector=None,
        hits=[hits[i] for i in order],
        sentences=[sentences[i] for i in order],
    )


class ScriptedModel:
    """A chat model that answers with given text, in given pieces, and remembers what it was asked."""

    name = "test/scripted"
    small = False

    def __init__(self, text="", *, pieces=None, error=None, context_length=32_000, small=False):
        self.pieces = pieces if pieces is not None else [text[i : i + 4] for i in range(0, len(text), 4)]
        self.error, self.context_length, self.small = error, context_length, small
        self.request, self.closed = None, False

    async def chat(self, request):
        self.request = request
        try:
            for piece in self.pieces:
                yield Delta(text=piece)
            if self.error:
                raise self.error
            yield Finished("stop")
            yield Completed(model=self.name, usage=Usage(100, len(self.pieces)))
        finally:
            self.closed = True


class StoredDocuments:
    """The stored texts, as the knowledge base reads them."""

    def __init__(self, texts):
        self.texts = texts

    async def text(self, scope, document_id, start=0, end=None):
        assert scope == Scope("local")
        if document_id not in self.texts:
            raise NotFound("No such document.")
        return self.texts[document_id][start:end]


class Answer:
    """Events, collected as a door collects them."""

    def __init__(self, events):
        self.events = events
        self.text = "".join(e.text for e in events if isinstance(e, Delta))
        self.citations = [c for e in events if isinstance(e, Cited) for c in e.citations]
        self.unsupported = [self.text[e.start : e.end] for e in events if isinstance(e, Unsupported)]
        self.completed = next((e for e in events if isinstance(e, Completed)), None)
        self.outcome = self.completed.outcome if self.completed else None
