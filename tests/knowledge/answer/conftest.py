import pytest

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.local.reader import MiniLMReader
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.types import ChatRequest, Grounding, Message
from knowledge.answer.answering import DOCUMENTS, Answer, StoredDocuments, make_retrieval
from knowledge.answer.shelf import Shelf


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


@pytest.fixture(scope="session")
def reader():
    reader = MiniLMReader(threads=2)
    yield reader
    reader.close()


@pytest.fixture
async def shelf(tmp_path, embedder, reader):
    """A knowledge base as the server makes it, to put texts on and ask."""
    home = tmp_path / "home"
    database, parser = Database.in_home(home), ParsePool()
    await database.open()
    jobs = Jobs(database)
    knowledge = KnowledgeBase(database, BlobStore(home), embedder, parser, KnowledgeSettings(), jobs=jobs)
    await jobs.start()
    yield Shelf(knowledge, jobs, tmp_path / "texts", embedder, reader)
    await jobs.close()
    await parser.aclose()
    await database.close()
