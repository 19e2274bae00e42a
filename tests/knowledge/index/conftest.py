"""Every kind of index over every database. Another kind is another line in `KINDS`."""

import pytest

from guru.knowledge.index.embedded import EmbeddedIndex
from knowledge.index.corpus import Corpus
from knowledge.index.kept import GraphIndex, KeptIndex
from knowledge.index.reference import AheadIndex, RowsIndex

KINDS = {
    "embedded": lambda database: EmbeddedIndex(), "rows": RowsIndex, "ahead": AheadIndex,
    "pgvector": KeptIndex, "pgvector graph": GraphIndex,
}  # fmt: skip


@pytest.fixture(params=list(KINDS))
def make_index(request):
    """Makes an index of the kind, given the database."""
    return KINDS[request.param]


@pytest.fixture
async def corpus(stores, tmp_path, make_index):
    """An empty collection `c` of the tenant `t`."""
    database = stores.database(tmp_path)
    await database.open()
    index = make_index(database)
    corpus = Corpus(database, index)
    await corpus.collection()
    yield corpus
    await index.aclose()
    await database.close()
