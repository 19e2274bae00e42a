"""Memories as rows: kept, found, replaced, corrected, erased; each person's own."""

import asyncio
import time

import numpy as np
import pytest
from sqlalchemy import insert, select

from agents.memory.conftest import ANN, BOB, NAMESAKE
from agents.memory.test_extract import Chooser, facts
from guru.agents.memory import rows
from guru.agents.memory.base import Episode, Said, Source
from guru.agents.memory.memories import Memories
from guru.config import MemorySettings
from guru.errors import Forbidden, InvalidParameter, ModelUnavailable, NotFound
from guru.store import tables
from guru.store.scope import Scope
from scripted import WordEmbedder

DAY = 86_400


async def texts(memories, scope=ANN, **options):
    return [memory.text for memory in (await memories.page(scope, **options)).memories]


async def recalled(memories, question, scope=ANN, **options):
    return [item.memory.text for item in await memories.recall(scope, question, **options)]


async def test_what_is_remembered_is_recalled_with_its_reasons(memories):
    await memories.remember(ANN, "I live in Hamburg.", kind="user")
    await memories.remember(ANN, "The deadline of Project Apollo is Friday.")
    first, *_ = await memories.recall(ANN, "Which city do I live in?")
    assert first.memory.text == "I live in Hamburg."
    assert first.scores.relevance > 0.3
    assert first.scores.recency == pytest.approx(1, abs=1e-3)
    assert "relevant (0." in first.why and "used today" in first.why
    total = first.scores.relevance + 0.2 * first.scores.recency + 0.2 * first.scores.importance
    assert first.scores.total == pytest.approx(total / 1.4, abs=1e-3)
    assert await memories.recall(ANN, "  ") == []


async def test_recency_halves_with_its_half_life_and_begins_anew_with_use(memories, clock):
    kept = await memories.remember(ANN, "I live in Hamburg.", kind="user")
    clock.now += 30 * DAY
    (found,) = await memories.recall(ANN, "Where do I live?", touch=False)
    assert found.scores.recency == pytest.approx(0.5, abs=1e-3)
    assert "used 30 days ago" in found.why
    await memories.recall(ANN, "Where do I live?")
    (found,) = await memories.recall(ANN, "Where do I live?", touch=False)
    assert found.scores.recency == pytest.approx(1, abs=1e-3)
    assert found.memory.id == kept.memory.id


async def test_what_has_nothing_to_do_with_a_question_is_not_recalled_unless_it_stands(memories):
    await memories.remember(ANN, "My dog is called Rex.", kind="user")
    await memories.remember(ANN, "I prefer short answers.", kind="user")
    found = await memories.recall(ANN, "How does a transistor work?")
    assert [item.memory.text for item in found] == ["I prefer short answers."]
    assert "matters so much" in found[0].why


async def test_a_contradiction_replaces_and_what_was_stays_as_superseded(memories):
    old = (await memories.remember(ANN, "I live in Hamburg.", kind="user")).memory
    new = await memories.remember(ANN, "I moved to Lisbon.", kind="user")
    assert (new.outcome, [memory.id for memory in new.replaced]) == ("replaced", [old.id])
    assert new.replaced[0].superseded_by == new.memory.id and new.replaced[0].superseded_at is not None
    assert await texts(memories) == ["I moved to Lisbon."]
    assert await texts(memories, superseded=True) == ["I moved to Lisbon.", "I live in Hamburg."]
    assert await recalled(memories, "Where do I live?") == ["I moved to Lisbon."]
    back = await memories.remember(ANN, "I live in Hamburg.", kind="user")
    assert back.outcome == "replaced" and back.memory.id != old.id
    _, versions = await memories.get(ANN, back.memory.id)
    assert [version.text for version in versions] == ["I moved to Lisbon.", "I live in Hamburg."]


async def test_a_duplicate_becomes_one_with_what_is_there(memories):
    first = await memories.remember(ANN, "I live in Hamburg.", kind="user", importance=0.4)
    again = await memories.remember(ANN, "I'm based in Hamburg", kind="user", importance=0.7)
    assert (again.outcome, again.memory.id) == ("merged", first.memory.id)
    assert (again.memory.repeats, again.memory.importance) == (1, 0.7)
    assert await texts(memories) == ["I live in Hamburg."]


async def test_a_person_sees_their_own_and_nobody_elses(memories):
    kept = (await memories.remember(ANN, "I live in Hamburg.", kind="user")).memory
    for other in (BOB, NAMESAKE):
        assert await memories.recall(other, "Where do I live?") == []
        assert (await memories.page(other)).total == 0
        assert (await memories.export(other)).memories == []
        for attempt in (
            memories.get(other, kept.id),
            memories.edit(other, kept.id, text="x"),
            memories.forget(other, kept.id),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert (await memories.remember(other, "I live in Lisbon.", kind="user")).outcome == "added"
    assert await texts(memories) == ["I live in Hamburg."]


@pytest.mark.parametrize("scope", [Scope("local"), Scope("local", ())])
async def test_nobody_sees_everybodys(memories, scope):
    for attempt in (
        memories.recall(scope, "x"),
        memories.remember(scope, "x"),
        memories.page(scope),
        memories.export(scope),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_a_memory_is_corrected_in_its_place(memories):
    kept = (await memories.remember(ANN, "I live in Hamburg.", kind="user", by="rules")).memory
    changed = await memories.edit(ANN, kept.id, text="My dog is called Rex.", importance=0.2, kind="fact")
    assert (changed.id, changed.text, changed.importance, changed.kind, changed.by) == (
        kept.id, "My dog is called Rex.", 0.2, "fact", "person",
    )  # fmt: skip
    assert changed.attribute == "user: dog"
    assert await recalled(memories, "What is the name of my dog?") == ["My dog is called Rex."]
    with pytest.raises(InvalidParameter):
        await memories.edit(ANN, kept.id, text="  ")
    with pytest.raises(InvalidParameter):
        await memories.edit(ANN, kept.id, kind="summary")


async def test_forgetting_takes_the_versions_too(memories, database):
    await memories.remember(ANN, "I live in Hamburg.", kind="user")
    await memories.remember(ANN, "I moved to Lisbon.", kind="user")
    new = await memories.remember(ANN, "I moved to Oslo.", kind="user")
    other = await memories.remember(ANN, "My dog is called Rex.", kind="user")
    assert await memories.forget(ANN, new.memory.id) == 3
    left = await database.read(lambda c: c.execute(select(tables.memories.c.text)).all())
    assert [row.text for row in left] == [other.memory.text]
    with pytest.raises(NotFound):
        await memories.forget(ANN, new.memory.id)


async def test_a_superseded_version_is_forgotten_alone(memories):
    old = await memories.remember(ANN, "I live in Hamburg.", kind="user")
    await memories.remember(ANN, "I moved to Lisbon.", kind="user")
    assert await memories.forget(ANN, old.memory.id) == 1
    assert await texts(memories, superseded=True) == ["I moved to Lisbon."]


async def test_all_of_a_person_is_forgotten_and_nothing_of_others(memories, database):
    for scope in (ANN, BOB, NAMESAKE):
        await memories.remember(scope, "I live in Hamburg.", kind="user")
    assert await memories.forget_all("local", "user:ann") == 1
    assert [(await memories.page(scope)).total for scope in (ANN, BOB, NAMESAKE)] == [0, 1, 1]


async def test_what_was_forgotten_is_not_in_the_file(tmp_path, embedder):
    from guru.store.database import Database

    database = Database.in_home(tmp_path)
    await database.open()
    memories = Memories(database, embedder, MemorySettings())
    for text in ("I live in Xanadupolis.", "I moved to Quirmburgh."):
        last = await memories.remember(ANN, text, kind="user")
    vector = await database.read(lambda c: c.scalar(select(tables.memories.c.vector)))
    await memories.forget(ANN, last.memory.id)
    await database.close()  # the log is written into the file
    bytes_of = (tmp_path / "guru.db").read_bytes()
    assert b"Xanadupolis" not in bytes_of and b"Quirmburgh" not in bytes_of and vector not in bytes_of


async def test_there_are_at_most_so_many_and_what_goes_is_noted(database, embedder, clock):
    memories = Memories(database, embedder, MemorySettings(max_memories=5, half_life_days=10), clock=clock)
    await memories.remember(ANN, "I live in Hamburg.", kind="user", importance=0.9)
    await memories.remember(ANN, "I moved to Lisbon.", kind="user", importance=0.9)  # supersedes the first
    for number, name in enumerate(["Rex", "Bello", "Tina", "Momo"]):
        clock.now += DAY
        animal = ["dog", "cat", "horse", "parrot"][number]
        last = await memories.remember(ANN, f"My {animal} is called {name}.", kind="user", importance=0.5)
    assert last.pruned == 1  # the superseded one
    last = await memories.remember(ANN, "I play chess.", kind="user", importance=0.1)
    assert last.pruned == 1
    assert await texts(memories, superseded=True) == [
        "I play chess.", "My parrot is called Momo.", "My horse is called Tina.", "My cat is called Bello.",
        "I moved to Lisbon.",
    ]  # fmt: skip
    assert (await memories.pruned(ANN))[0] == 2
    assert await memories.pruned(BOB) == (0, None)


@pytest.mark.parametrize("text", ["", "   ", "\0", "x" * 1001])
async def test_what_is_empty_or_too_long_is_refused(memories, text):
    with pytest.raises(InvalidParameter):
        await memories.remember(ANN, text)


async def test_two_writers_at_once_keep_one_of_two(stores, tmp_path, embedder):
    """Two servers on one database: each decides on what the other has committed."""
    first, second = stores.database(tmp_path / "home"), stores.database(tmp_path / "home")
    await first.open()
    await second.open()
    try:
        both = [Memories(database, embedder, MemorySettings()) for database in (first, second)]
        cities = ["Hamburg", "Lisbon", "Oslo", "Rome", "Graz", "Bern"]
        said = [each.remember(ANN, f"I live in {city}.", kind="user") for city in cities for each in both]
        await asyncio.gather(*said)
        page = await both[0].page(ANN, superseded=True)
        holding = [memory for memory in page.memories if memory.superseded_at is None]
        assert len(holding) == 1
        assert sorted({memory.text for memory in page.memories}) == sorted(f"I live in {city}." for city in cities)
        ids = {memory.id for memory in page.memories}
        assert all(memory.superseded_by in ids for memory in page.memories if memory.superseded_at)
    finally:
        await first.close()
        await second.close()


async def test_a_source_names_only_what_is_the_persons_own(memories, database):
    now = time.time()
    row = {"tenant": "local", "created_at": now, "updated_at": now, "id": "conv_1", "owner": "user:ann"}
    said = {
        "id": "msg_1",
        "tenant": "local",
        "conversation_id": "conv_1",
        "role": "user",
        "content": "x",
        "status": "complete",
    }

    def make(connection):
        connection.execute(insert(tables.conversations).values(row))
        connection.execute(insert(tables.messages).values(said | {"created_at": now}))

    await database.write(make)
    source = Source(conversation="conv_1", message="msg_1", start=0, end=9, quote="I am Ann.")
    mine = (await memories.remember(ANN, "I live in Hamburg.", source=source)).memory
    assert mine.source == source
    theirs = (await memories.remember(BOB, "I live in Hamburg.", source=source)).memory
    assert (theirs.source.conversation, theirs.source.message, theirs.source.quote) == (None, None, "I am Ann.")
    await database.write(lambda c: c.execute(tables.conversations.delete()))
    mine, _ = await memories.get(ANN, mine.id)
    assert (mine.source.conversation, mine.source.quote) == (None, "I am Ann.")


async def test_a_message_teaches_what_it_says_word_for_word(memories):
    text = "Hi, my name is Ann and I live in Hamburg."
    kept = await memories.learn(ANN, Said(text=text))
    assert [item.memory.text for item in kept] == ["my name is Ann", "I live in Hamburg."]
    assert all(text[item.memory.source.start : item.memory.source.end] == item.memory.text for item in kept)
    assert {item.memory.by for item in kept} == {"rules"}


async def test_of_one_message_ten_things_are_kept(memories):
    text = " ".join(f"I like hobby number {number}." for number in range(30))
    assert len(await memories.learn(ANN, Said(text=text))) == 10


async def test_an_able_model_chooses_and_rules_do_where_it_fails(memories):
    kept = await memories.learn(ANN, Said(text="I collect stamps."), writer=Chooser(facts(1)))
    assert [(item.memory.text, item.memory.by) for item in kept] == [("I collect stamps.", "test/chooser")]
    for writer in (Chooser("no JSON"), Broken(), Small()):
        kept = await memories.learn(ANN, Said(text="I collect stamps. I live in Hamburg."), writer=writer)
        assert [(item.memory.text, item.outcome) for item in kept] in (
            [("I live in Hamburg.", "added")], [("I live in Hamburg.", "merged")],
        )  # fmt: skip


class Broken(Chooser):
    def __init__(self):
        super().__init__("")

    async def write(self, instruction, text, max_tokens, schema=None):
        raise ModelUnavailable("It is away.")


class Small(Chooser):
    small = True

    def __init__(self):
        super().__init__(facts(1, 2))


async def test_a_run_is_remembered_as_an_episode(memories):
    episode = Episode(asked="Book a table", done=["search", "book"], ended="failed", note="no table left", run="run_1")
    kept = (await memories.close_run(ANN, episode)).memory
    assert kept.text == "Asked: Book a table\nDone: search, book\nEnded: failed (no table left)"
    assert (kept.kind, kept.source.run) == ("episode", "run_1")
    assert await recalled(memories, "Did we book a table?") == [kept.text]
    long = await memories.close_run(ANN, Episode(asked="x" * 9000, done=["y"] * 5000, ended="answered"))
    assert len(long.memory.text) <= 1000


async def test_ten_thousand_memories_are_searched_exactly(database):
    words = WordEmbedder()
    memories = Memories(
        database, words, MemorySettings(max_memories=20_000, min_relevance=0.0, recency_weight=0, importance_weight=0)
    )
    random = np.random.default_rng(7)
    vectors = random.normal(size=(10_000, words.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shared = {
        "tenant": "local", "owner": "user:ann", "kind": "fact", "importance": 0.5, "made_by": "person", "source": {},
        "repeats": 0, "embedding_model": words.name, "created_at": 1.0, "updated_at": 1.0, "used_at": 1.0,
    }  # fmt: skip
    filled = [
        shared | {"id": f"mem_{at}", "text": f"fact {at}", "vector": rows.pack(vector)}
        for at, vector in enumerate(vectors)
    ]
    await database.write(lambda c: c.execute(insert(tables.memories), filled))
    query = (await words.embed(["needle in hay"]))[0]
    exact = np.argsort(-(vectors.astype(np.float16).astype(np.float32) @ query), kind="stable")[:10]
    found = await memories.recall(ANN, "needle in hay", k=10)
    assert [item.memory.id for item in found] == [f"mem_{at}" for at in exact]
    assert (await memories.page(ANN)).total == 10_000


async def test_another_model_embeds_anew_what_the_first_one_had(database, embedder):
    await Memories(database, embedder, MemorySettings()).remember(ANN, "I live in Hamburg.", kind="user")
    words = Memories(database, WordEmbedder(), MemorySettings())
    assert await recalled(words, "I live in Hamburg where?") == ["I live in Hamburg."]
    assert (await words.remember(ANN, "I live in Lisbon.", kind="user")).outcome == "replaced"


async def test_pages_of_a_list_have_everything_once(memories):
    animals = ["dog", "cat", "horse", "parrot", "goat"]
    for animal in animals:
        await memories.remember(ANN, f"My {animal} is called Rex.", kind="user")
    seen, before = [], None
    while True:
        page = await memories.page(ANN, limit=2, before=before)
        seen += [memory.text for memory in page.memories]
        if (before := page.next) is None:
            break
    assert seen == [f"My {animal} is called Rex." for animal in reversed(animals)]
    with pytest.raises(InvalidParameter):
        await memories.page(ANN, before="yesterday")
