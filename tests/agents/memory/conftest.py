"""Memories of one person, on SQLite and on PostgreSQL, with the embedder that a server has."""

import pytest

from guru.agents.memory.memories import Memories
from guru.config import MemorySettings
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.scope import Scope

ANN = Scope("local", ("user:ann", "key:one"))
BOB = Scope("local", ("user:bob", "key:one"))
NAMESAKE = Scope("acme", ("user:ann",))


class Clock:
    """Seconds since 1970, as a test likes them."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        self.now += 0.001  # nothing happens at the same moment
        return self.now


@pytest.fixture(scope="module")
def embedder():
    embedder = MiniLMEmbedder(threads=1)
    yield embedder
    embedder.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path / "home")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def memories(database, embedder, clock):
    return Memories(database, embedder, MemorySettings(), clock=clock)
