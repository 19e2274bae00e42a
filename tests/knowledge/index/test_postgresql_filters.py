"""Filters in PostgreSQL: SQL says of every document what Python says, and searches find what it leaves."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from guru.config import StoreSettings
from guru.errors import InvalidParameter
from guru.knowledge import base
from guru.knowledge.collections import touch
from guru.knowledge.documents import allowed_documents
from guru.knowledge.filters import FIELDS, compile_filter
from guru.knowledge.index.base import Narrowing
from guru.knowledge.index.own import open_index
from guru.knowledge.index.postgresql import selecting
from guru.knowledge.index.postgresql.conditions import MOST_CONDITIONS, translate
from guru.knowledge.index.postgresql.facts import facts_of
from guru.knowledge.index.postgresql.filter import PASSES
from guru.knowledge.index.postgresql.index import PostgreSQLIndex
from guru.knowledge.index.postgresql.schema import make_extension, make_tables
from guru.knowledge.kept import Kept
from guru.knowledge.query import weigh
from guru.knowledge.terms import hash_term
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from knowledge.index.corpus import ALL, ANNA, Corpus, units
from knowledge.index.test_conformance import DISTANCES, sentence

NUMBER = 7
WRITE = text("""
INSERT INTO index_documents (number, document_id, passages, facts) VALUES (:number, :id, 1, CAST(:facts AS jsonb))
""")
QUERY = "SELECT d.document_id FROM index_documents d WHERE d.number = :number AND {}"


@pytest.fixture(scope="module")
def filtering(postgresql):
    """A database with the tables of the index, and nothing in them."""
    url = postgresql.make_migrated()
    database = Database(url)
    with database.transaction("alone") as connection:
        make_extension(connection)
        make_tables(connection)
    yield database
    database.engine.dispose()
    postgresql.drop(url)


def passing(connection, written, filter):
    """The documents that SQL lets through, of those whose facts are written; None where it is not asked."""
    if (condition := translate(filter, NUMBER)) is None:
        return None
    query = text(QUERY.format(PASSES.format(sql=condition.sql)))
    values = condition.values | {"number": NUMBER, "odd": []}
    return set(connection.scalars(query, values)) & written


def write(connection, found):
    """Write the facts of documents; returns the ids of those that have some."""
    facts = {name: facts_of(NUMBER, document) for name, document in found.items()}
    connection.execute(WRITE, [{"number": NUMBER, "id": name, "facts": it or "null"} for name, it in facts.items()])
    return {name for name, it in facts.items() if it is not None}


DATES = ["2021", "2021-03", "2021-3-4", "2021-03-04T10:00+02:00", "2021-02-30", "9999", "0001-01-01T00:00+05:00",
         "2021-03-04T10:00:05.25Z", "2020-12-31T23:59:59.999999", "2021-01-01T00:00:00"]  # fmt: skip
NUMERALS = ["10", " 9.5 ", "-1e3", "1e999", "-1e999", "1e-999", ".5", "1" * 41, "0x10", "\u0661"]
LETTERS = ["", "a", "A", "ab", "b", "stra\u00dfe", "STRASSE", "\u00e9", "e\u0301", "\u0130", "\u00b5", "\U0001f600",
           "\uffff", "\ue000", "a'b", 'a"b', "a%b", "a:filter_0", "'; DROP TABLE documents; --", "\\u0000"]  # fmt: skip
UNHELD = ["a\0b", "\0", "\ud800"]
NUMBERS = [0, 1, 2, -1, 10, 2**53, 2**53 + 1, 10**23, 10**30, 0.1, 0.5, 1.0, 1e23, 1e308, 5e-324, -0.0, 9.5]
texts = st.sampled_from([*DATES, *NUMERALS, *LETTERS]) | st.text(alphabet="aAb\u00e91-", max_size=4)
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers(-3, 12) | texts
keys = st.sampled_from(["k", "m", "", "a.b", 'x"y', "z'", ":p"])
values = st.recursive(
    scalars | st.lists(scalars, max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
moments = st.none() | st.sampled_from([*DATES, "soon", "A"])
found = st.fixed_dictionaries(
    {
        "document": texts, "document_id": texts, "title": st.none() | texts, "author": st.none() | texts,
        "language": st.none() | st.sampled_from(["en", "de"]), "media_type": st.just("text/plain"),
        "created": moments, "modified": moments, "bytes": st.integers(0, 12), "pages": st.none() | st.integers(1, 12),
        "ingested_at": st.sampled_from([0.0, 1609459200.0, 1614852000.5, 1609459199.999999, -1.0]),
        "metadata": st.dictionaries(keys, values | st.sampled_from(UNHELD), max_size=4),
    }
)  # fmt: skip
paths = st.sampled_from(["metadata.k", "metadata.m", "metadata.k.k", "metadata.k.m", "metadata.", "metadata.a.b",
                         'metadata.x"y', "metadata.z'", "metadata.:p", "metadata.k.a.b"])  # fmt: skip
fields = st.sampled_from(FIELDS) | paths
comparable = st.sampled_from(NUMBERS) | texts
operands = {
    "eq": scalars, "ne": scalars, "in": st.lists(scalars, max_size=3) | st.lists(scalars, min_size=11, max_size=13),
    "lt": comparable, "lte": comparable, "gt": comparable, "gte": comparable, "prefix": texts, "ieq": texts,
    "iprefix": texts, "contains": st.lists(comparable, min_size=1, max_size=2) | comparable,
    "icontains": st.lists(comparable, min_size=1, max_size=2) | comparable, "exists": st.booleans(),
}  # fmt: skip
conditions = st.one_of(
    st.tuples(fields, st.fixed_dictionaries({name: values})).map(lambda pair: dict([pair]))
    for name, values in operands.items()
)


def compiles(filter):
    try:
        return compile_filter(filter) is not None
    except InvalidParameter:
        return False


filters = st.recursive(
    conditions.filter(compiles),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(found, min_size=1, max_size=6), st.lists(filters, min_size=1, max_size=8))
def test_sql_says_of_every_document_what_python_says(filtering, some, asked):
    named = {str(number): document for number, document in enumerate(some)}
    with filtering.engine.connect().execution_options(guru_writes="beside") as connection, connection.begin() as change:
        written = write(connection, named)
        for one in asked:
            accepts = compile_filter(one)
            answer = passing(connection, written, one)
            assert answer is not None, one
            assert answer == {name for name in written if accepts(named[name])}, one
        change.rollback()


def test_every_operator_is_asked_of_every_kind_of_value(filtering):
    """The pairs that chance may take long to find."""
    some = [*NUMBERS, *DATES, *NUMERALS, *LETTERS, None, True, False, [], {}, [[]], ["a", 1, None], ["A", "2021-03"],
            [2, "10", "2020"], {"k": "a"}, {"k": ["a", 2.0]}, [True, "b"], ["\u00c9", 5]]  # fmt: skip
    named = {str(number): {"metadata": {"k": value}, "created": None} for number, value in enumerate(some)}
    asked = [{"metadata.k": value if not isinstance(value, dict) else "a"} for value in [*NUMBERS, *NUMERALS, *LETTERS]]
    for operand in [*NUMBERS, *DATES, *NUMERALS, *LETTERS]:
        asked += [{"metadata.k": {name: operand}} for name in ("lt", "gte", "contains", "icontains")]
        if isinstance(operand, str):
            asked += [{"not": {"metadata.k": {name: operand}}} for name in ("prefix", "iprefix", "ieq", "gt", "lte")]
    asked += [{"metadata.k": {"exists": True}}, {"metadata.k.k": {"contains": "a"}}, {"metadata.k.k": {"gte": 2}}]
    with filtering.engine.connect().execution_options(guru_writes="beside") as connection, connection.begin() as change:
        written = write(connection, named)
        assert len(written) == len(some)
        for one in asked:
            if (answer := passing(connection, written, one)) is not None:
                accepts = compile_filter(one)
                assert answer == {name for name in written if accepts(named[name])}, one
        change.rollback()


@pytest.mark.parametrize(
    "filter",
    [
        {"title": "a\0"},
        {"title": {"prefix": "\ud800"}},
        {"metadata.k": {"lt": float("inf")}},
        {"metadata.k": float("nan")},
        {"metadata.k": {"gt": 10**400}},
        {"or": [{"title": "a"}] * (MOST_CONDITIONS + 1)},
        {"and": [{}] * (MOST_CONDITIONS + 1)},
        {"and": [{"or": [{"title": "a"}] * 20}] * 20},
    ],
)
def test_what_postgresql_cannot_be_asked_is_left_to_python(filter):
    compile_filter(filter)
    assert translate(filter, NUMBER) is None


def test_the_text_of_the_sql_has_no_word_of_a_filter():
    words = {"metadata.evil'key": {"in": ["evil"] * 20, "prefix": "evil", "contains": ["evil"], "gte": "evil"}}
    condition = translate({"or": [words, {"not": words}], "title": {"ieq": "evil"}}, NUMBER)
    assert "evil" not in condition.sql
    assert "evil" in str(condition.values)


def test_a_document_whose_facts_postgresql_cannot_hold_has_none():
    for value in (*UNHELD, "long" * 30_000, 10**5000):
        assert facts_of(NUMBER, {"metadata": {"k": value}}) is None


# --------------------------------------------------------------------------- searches

KEPT = """
SELECT count(*) FROM index_collections i JOIN collections c ON c.id = i.collection_id AND c.generation = i.generation
"""
ASKED = [
    {"metadata.team": "sales"},
    {"not": {"metadata.team": "sales"}},
    {"metadata.level": {"gte": 3, "lt": 7}},
    {"created": {"gte": "2021", "lt": "2021-06"}},
    {"or": [{"title": {"icontains": "ONE"}}, {"metadata.tags": {"in": ["x", "y"]}}]},
    {"document": {"prefix": "document 1"}},
    {"metadata.team": {"exists": False}},
    {"metadata.team": "nobody"},
    {"metadata.odd": {"contains": "b"}},
]


@pytest.fixture
async def database(postgresql):
    url = postgresql.make_migrated()
    opened = Database(url)
    await opened.open()
    yield opened
    await opened.close()
    postgresql.drop(url)


@pytest.fixture(params=["named", "each", "graph"])
async def corpus(request, database, monkeypatch):
    """Whether few documents are named in a search, each is looked at, or each in a graph."""
    if request.param != "named":
        monkeypatch.setattr(selecting, "MOST_NAMED", 0)
    await open_index(database, StoreSettings())
    index = PostgreSQLIndex(database, graph_from=1 if request.param == "graph" else 10**6)
    made = Corpus(database, index)
    await made.collection()
    await made.collection("u")
    yield made
    await index.aclose()


async def put(corpus, number, chance, tenant="t"):
    await corpus.put(
        f"document {number}", [sentence(chance) for _ in range(chance.randint(1, 6))], tenant=tenant,
        access=chance.choice([(), (), ("user:anna",), ("user:ben",), ("team:legal", "user:ben")]),
        title=chance.choice([None, "One", "the one", "Two"]),
        created=chance.choice([None, "2020", "2021-03-04", "2021-07-01T10:00+02:00"]),
        metadata={
            key: value
            for key, value in {
                "team": chance.choice([None, "sales", "people"]), "level": chance.choice([1, "5", 6.5, None]),
                "tags": chance.choice([["x"], [], "y", None]), "odd": chance.choice(["a\0b", None, None]),
            }.items()
            if value is not None
        },
    )  # fmt: skip


async def fill(corpus, seed, waiting):
    """Two tenants; of one `waiting` documents are not in the index yet."""
    chance = random.Random(seed)
    for number in range(30):
        await put(corpus, number, chance)
        if number % 3 == 0:
            await put(corpus, number, chance, "u")
    await corpus.index.keeper.work()
    for number in range(waiting):
        await put(corpus, 25 + number, chance)


async def hold(corpus, filter, scope, k=8):
    """Searches with a filter, evaluated in SQL, against those with the documents that Python lets through."""

    def compare(connection):
        row, narrowed = corpus.index.snapshot(connection, scope, "c")
        assert isinstance(narrowed, Narrowing)
        assert narrowed.narrow(filter)
        _, plain = corpus.index.snapshot(connection, scope, "c")
        allowed = allowed_documents(connection, scope, row.id, compile_filter(filter))
        words = weigh(plain, [[hash_term(word)] for word in ("pump", "tea", "boat")])
        assert narrowed.statistics == plain.statistics
        assert weigh(narrowed, [word.terms for word in words]) == words
        for distance in DISTANCES:
            vector = units(1, k)[0]
            found = narrowed.dense(vector, k, distance=distance)
            assert found.tolist() == plain.dense(vector, k, allowed=allowed, distance=distance).tolist()
        found, right = narrowed.sparse(words, k), plain.sparse(words, k, allowed=allowed)
        scores = [np.sort(plain.bm25(ids, words)) for ids in (found, right)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-5)  # of equal scores any may be found
        assert set(owners(connection, found)) <= allowed
        return len(allowed)

    return await corpus.database.read(compare)


def owners(connection, ids):
    return connection.scalars(select(chunks.c.document_id).where(chunks.c.id.in_(ids.tolist())))


async def test_a_filter_in_sql_finds_what_python_lets_through(corpus):
    await fill(corpus, 1, waiting=4)
    scopes = (ALL, ANNA, Scope("t", ("user:ben",), ("team:legal",)), Scope("t", ()), Scope("u"))
    left = [await hold(corpus, one, scope) for scope in scopes for one in ASKED]
    assert 0 in left
    assert max(left) >= 15


async def test_a_filter_follows_every_change(corpus):
    """Of rows, of lists, and of documents by whatever program."""
    await fill(corpus, 2, 0)
    chance = random.Random(5)
    assert await hold(corpus, ASKED[0], ANNA)
    for number in range(6):
        await put(corpus, number, chance)
        await hold(corpus, ASKED[0], ANNA)
    await corpus.drop("document 7")
    await hold(corpus, ASKED[0], ANNA)

    def rename(connection):
        mine = documents.c.collection_id == "t.c"
        connection.execute(update(documents).where(mine).values(metadata={"team": "nobody"}))
        touch(connection, "t.c")

    await corpus.database.write(rename)
    assert await hold(corpus, ASKED[0], ALL) == 0
    assert await hold(corpus, ASKED[7], ALL) == 29
    await corpus.index.keeper.work()
    changed = "SELECT count(*) FROM index_documents WHERE facts IS NULL"
    assert await corpus.database.read(lambda connection: connection.scalar(text(changed))) == 0
    assert await hold(corpus, ASKED[7], ALL) == 29


async def test_a_server_of_a_version_without_facts_puts_no_passages_in(database):
    """It runs beside a newer one while that is brought in, and what it put in would pass no filter."""
    corpus = Corpus(database, PostgreSQLIndex(database))
    await open_index(database, StoreSettings())
    await corpus.collection()
    await corpus.put("a", ["pump tea"])
    await corpus.index.keeper.work()
    former = text("UPDATE index_collections SET newest = newest + 1, generation = 9")
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(former))
    await corpus.index.aclose()


async def test_a_whole_search_asks_sql_and_where_it_cannot_python(open_bench, stores, tmp_path, monkeypatch):
    if stores.kind != "postgresql":
        pytest.skip("memory is asked in Python")
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(12):
        team = ("red", "blue", "green")[number % 3]
        (folder / f"{number}.md").write_text(f"---\nteam: {team}\n---\n\nThe valve number {number} is sold.")
    blue = {"metadata.front_matter.team": "blue"}
    long = {"or": [blue] * (MOST_CONDITIONS + 1)}
    async with open_bench() as bench:
        await bench.ingest(folder)
        keeper = bench.knowledge.index.own.keeper
        while not await bench.database.read(lambda connection: connection.scalar(text(KEPT))):
            await keeper.work()
        asked = []
        monkeypatch.setattr(base, "allowed_documents", lambda *it: asked.append(1) or allowed_documents(*it))
        for mode in ("hybrid", "dense", "sparse"):
            everything = await bench.search("the valve is sold", k=12, mode=mode)
            expected = [hit.document for hit in everything if int(hit.document[:-3]) % 3 == 1]
            assert [hit.document for hit in await bench.search("the valve is sold", mode=mode, filter=blue)] == expected
            assert asked == []
            assert [hit.document for hit in await bench.search("the valve is sold", mode=mode, filter=long)] == expected
            assert asked.pop()
            bench.knowledge._allowed = Kept(1)
