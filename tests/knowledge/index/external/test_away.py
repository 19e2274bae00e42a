"""A search fails for nothing that happens at a store: it finds the same, and says what was wrong."""

import time

import pytest

from guru.config.knowledge import KnowledgeSettings, VectorStoreSettings
from guru.errors import ConfigurationError
from guru.knowledge.index.external import client, index, vendors
from guru.store.database import Database
from guru.store.scope import Scope
from knowledge.index.corpus import ALL, Corpus, units
from knowledge.index.external.kinds import WIRE, Place, make_external, place_of
from knowledge.index.external.shelf import cut, hang, refuse
from knowledge.index.test_conformance import nearness, wanted

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(params=WIRE)
def place(request, tmp_path):
    with place_of(request.param, tmp_path) as place:
        getattr(place.settings, place.kind).timeout_seconds = 1.0
        yield place


@pytest.fixture
async def corpus(tmp_path, place, monkeypatch):
    monkeypatch.setattr(index, "PATIENCE", 30.0)
    database = Database.in_home(tmp_path / "home")
    await database.open()
    corpus = Corpus(database, make_external(place, database))
    await corpus.collection()
    for number in range(8):
        await corpus.put(str(number), ["pump tea"] * 10)
    yield corpus
    await corpus.index.aclose()
    await database.close()


async def find(corpus, scope=ALL, allowed=None, k=9, seed=5):
    """What a search finds, checked against the definition; its notes are kept on `corpus`."""
    vector = units(1, seed)[0]
    truth = await corpus.truth(scope)
    eligible = [it for it in truth.values() if allowed is None or it.document in allowed]
    found = await corpus.look(
        lambda snapshot: snapshot.dense(vector, k, allowed=allowed).tolist(), scope,
        wanted=wanted(vector, k, allowed, "cosine"),
    )  # fmt: skip
    best = sorted((nearness(it, vector, "cosine") for it in eligible), reverse=True)[:k]
    assert sorted((nearness(truth[number], vector, "cosine") for number in found), reverse=True) == pytest.approx(best)
    return found


@pytest.mark.parametrize(
    "fault", [refuse(500), refuse(401), refuse(503, "search"), cut("search"), refuse(404, "search")]
)
async def test_a_store_that_refuses_or_breaks_off_is_done_without(corpus, place, fault):
    await find(corpus)
    assert corpus.notes == []
    place.shelf.fault = fault
    await corpus.put("new", ["boat"] * 5)
    assert await find(corpus)
    (note,) = corpus.notes
    assert note.startswith(place.vendor.title) and note.endswith("passages were looked for here instead.")
    place.shelf.fault = None
    corpus.index.client._away_until = 0.0
    calls = len(place.shelf.calls)
    await find(corpus)
    assert corpus.notes == [] and len(place.shelf.calls) > calls


async def test_a_store_that_hangs_is_waited_for_once_and_then_left_alone_for_a_while(corpus, place, monkeypatch):
    monkeypatch.setattr(client, "SPARE", 0.2)
    await find(corpus)
    place.shelf.fault = hang(4)
    began = time.monotonic()
    await find(corpus)
    assert time.monotonic() - began < 3.8 and corpus.notes
    calls = len(place.shelf.calls)
    await find(corpus)
    assert corpus.notes and len(place.shelf.calls) == calls


async def test_a_wrong_key_is_told_without_the_key(corpus, place, tmp_path):
    place.shelf.key = "the right one"
    getattr(place.settings, place.kind).api_key = "the-wrong-one"
    other = make_external(place, corpus.database)
    corpus.index, own = other, corpus.index
    assert await find(corpus)
    assert corpus.notes and "the-wrong-one" not in corpus.notes[0]
    await other.aclose()
    corpus.index = own
    place.shelf.key = getattr(place.settings, place.kind).api_key = None


async def test_nobody_at_the_address(corpus, place):
    settings = KnowledgeSettings(**{place.kind: VectorStoreSettings(url="http://127.0.0.1:9", api_key="k")})
    other = Place(place.kind, settings.__getattribute__(place.kind))
    corpus.index, own = make_external(other, corpus.database), corpus.index
    assert await find(corpus)
    assert place.vendor.title in corpus.notes[0]
    await corpus.index.aclose()
    corpus.index = own


async def test_many_documents_are_searched_for_in_batches_and_kept_out_in_them(corpus, place, monkeypatch):
    monkeypatch.setattr(index, "FILTER", 2)
    every = sorted({it.document for it in (await corpus.truth()).values()})
    await find(corpus)
    place.shelf.calls.clear()
    assert await find(corpus, allowed=frozenset(every[:7]))
    assert place.shelf.calls.count("search") == 4
    monkeypatch.setattr(index, "BATCHES", 3)
    place.shelf.calls.clear()
    assert await find(corpus, allowed=frozenset(every[:7]))
    assert place.shelf.calls == []
    for number in range(5):
        await corpus.put(f"hidden {number}", ["tea"] * 4, access=["user:ben"])
    await find(corpus, Scope("t", ("user:anna",)))


async def test_who_is_given_to_see_a_document_between_the_two_steps_finds_it(corpus):
    hidden = await corpus.put("secret", ["pump"] * 10, access=["user:ben"])
    anna, vector = Scope("t", ("user:anna",)), units(1, 5)[0]
    await find(corpus, anna)
    ahead = await corpus.index.look_ahead(anna, "c", wanted(vector, 90, None, "cosine"))

    def change(connection):
        from guru.knowledge.access import write_list
        from guru.knowledge.collections import touch

        write_list(connection, "t", "t.c", hidden, [])
        touch(connection, "t.c")

    await corpus.database.write(change)
    found = await corpus.database.read(
        lambda connection: corpus.index.snapshot(connection, anna, "c", ahead)[1].dense(vector, 90).tolist()
    )
    assert len(found) == 90


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("qdrant", None, "Nothing says where Qdrant is"),
        ("qdrant", {"url": "qdrant:6333"}, "not the address"),
        ("qdrant", {"url": "http://me:secret@host:6333"}, "a name or a password"),
        ("qdrant", {"url": "http://qdrant.example.com:6333", "api_key": "k"}, "anybody between"),
        ("qdrant", {"url": "http://h:1", "path": "/tmp/q"}, "has an address, too"),
        ("weaviate", {"path": "/tmp/w"}, "does not run in this process"),
        ("pinecone", {"url": "https://i.svc.pinecone.io"}, "wants a key"),
    ],
)
def test_wrong_settings_are_told(kind, settings, said):
    configured = VectorStoreSettings(**settings) if settings else None
    with pytest.raises(ConfigurationError, match=said):
        vendors.settings_of(kind, KnowledgeSettings(**{kind: configured}))


def test_a_client_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(vendors, "is_installed", lambda module: False)
    with pytest.raises(ConfigurationError) as raised:
        vendors.settings_of("qdrant", KnowledgeSettings(qdrant=VectorStoreSettings(url="http://h:6333")))
    assert "pip install 'guru[qdrant]'" in str(raised.value)
