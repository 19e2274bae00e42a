"""Every kind of index over every database. Another kind is another line in `KINDS`, or in `external.kinds`."""

import gc
import warnings

import pytest

from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.index.external import index as external
from guru.knowledge.index.external.snapshot import ExternalSnapshot
from knowledge.index.corpus import Corpus
from knowledge.index.external.kinds import LOCAL, WIRE, make_external, place_of
from knowledge.index.kept import GraphIndex, KeptIndex
from knowledge.index.reference import AheadIndex, RowsIndex

KINDS = {
    "embedded": lambda database: EmbeddedIndex(), "rows": RowsIndex, "ahead": AheadIndex,
    "pgvector": KeptIndex, "pgvector graph": GraphIndex,
}  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """What one store does to rows is seen on both databases; the others are asked the same on one."""
    again = [
        item
        for item in items
        if "make_index" in getattr(item, "fixturenames", ())
        and item.callspec.params.get("stores") == "postgresql"
        and item.callspec.params.get("make_index") not in (*KINDS, "qdrant")
    ]
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in again]


@pytest.fixture(autouse=True)
def sockets():
    """Collect those that clients of other servers leave open, before pytest finds them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=[*KINDS, *WIRE, *LOCAL])
def make_index(request, tmp_path, monkeypatch):
    """Makes an index of the kind, given the database."""
    if request.param in KINDS:
        yield KINDS[request.param]
        return
    with place_of(request.param, tmp_path) as place:
        monkeypatch.setattr(external, "PATIENCE", 60.0)
        refuse_scans(monkeypatch)
        store = place.open()
        yield lambda database: make_external(place, database, store)
        store.close()


def refuse_scans(monkeypatch):
    """Fail where rows are scanned, which is always right, in place of what the store has been asked for."""
    scan = ExternalSnapshot._scan

    def refused(self, vector, k, distance, allowed):
        assert distance == "manhattan" or not self._count(None), "the store's answer was not used"
        return scan(self, vector, k, distance, allowed)

    monkeypatch.setattr(ExternalSnapshot, "_scan", refused)


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
