import pytest

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import Answerer
from guru.types import ChatRequest, Grounding, Message
from knowledge.answer.answering import DOCUMENTS, Answer, StoredDocuments, make_retrieval


@pytest.fixture
def ask():
    """Ask a scripted model a question over the documents."""

    async def asking(question, model, *, documents=None, stored=None, threshold=0.0, retrieval=None, **options):
        texts = documents or DOCUMENTS
        store = StoredDocuments(stored if stored is not None else {f"id-{n}": t for n, t in texts.items()})
        messages = options.pop("messages", [Message("user", question)])
        request = ChatRequest(model=model.name, messages=messages, guru=Grounding("c", threshold=threshold), **options)
        found = retrieval or make_retrieval(question, texts)
        answerer = Answerer(None, KnowledgeSettings(), store)
        return Answer([event async for event in answerer.answer(request, found, model)])

    return asking
