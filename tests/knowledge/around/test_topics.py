"""Topics, maps and anomalies of real documents, as whoever asks may see them."""

import asyncio
import time

import pytest

from guru.errors import InvalidParameter, NotFound
from guru.knowledge.around import around
from guru.store.scope import Scope

TENANT = "local"
ADMIN = Scope(TENANT)
NOBODY = Scope(TENANT, ("owner",))
ABOUT = {
    "tea": "Tea {n} grows on slopes in Assam. The tea leaves are picked by hand, withered, rolled and dried. Green tea "
    "is brewed at {t} degrees, and black tea wants boiling water.",
    "pump": "Feed pump P-{n} delivers {t} litres per minute. The bearings of the pump are greased every March, and the "
    "motor of the pump is checked for leaks and noise.",
    "leave": "Every employee of site {n} has {t} days of annual leave. Requests for leave are sent to the manager of "
    "the employee two weeks ahead, and leave that is not taken expires.",
}


@pytest.fixture
def papers(tmp_path):
    """Five documents on each of three subjects, and one that is like none of them."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for subject, text in ABOUT.items():
        for n in range(5):
            (folder / f"{subject}-{n}.md").write_text(f"# {subject} {n}\n\n{text.format(n=n, t=20 + 7 * n)}\n")
    (folder / "noise.txt").write_text("qzx vvk jrw pplk " * 60)
    return folder


async def test_documents_about_the_same_are_a_topic_with_its_words(bench, papers):
    (papers / "noise.txt").unlink()
    await bench.ingest(papers)
    found = await bench.knowledge.around.topics(ADMIN, "c")
    assert (found.unit, found.count, found.empty, found.sampled) == ("documents", 15, 0, None)
    assert [topic.size for topic in found.topics] == [5, 5, 5]
    for topic in found.topics:
        (subject,) = {item.name.partition("-")[0] for item in topic.typical}
        assert subject in topic.words
        assert subject in topic.label
        assert [item.similarity for item in topic.typical] == sorted(
            (i.similarity for i in topic.typical), reverse=True
        )
        first = topic.typical[0]
        assert first.text == await bench.knowledge.documents.text(ADMIN, first.id, first.start, first.end)
    assert found == await bench.knowledge.around.topics(ADMIN, "c")


async def test_passages_are_put_together_too_and_the_number_can_be_said(bench, papers):
    await bench.ingest(papers)
    found = await bench.knowledge.around.topics(ADMIN, "c", unit="passages", count=2, typical=1)
    collection = await bench.knowledge.collections.get(ADMIN, "c")
    assert found.count == collection.chunks == sum(topic.size for topic in found.topics)
    assert [len(topic.typical) for topic in found.topics] == [1, 1]


async def test_a_filter_chooses_the_documents(bench, papers):
    await bench.ingest(papers)
    only = {"document": {"prefix": "tea"}}
    found = await bench.knowledge.around.topics(ADMIN, "c", filter=only, count=1)
    assert (found.count, len(found.topics)) == (5, 1)
    assert not {"pump", "leave"} & set(found.topics[0].words)
    assert {dot.name for dot in (await bench.knowledge.around.map(ADMIN, "c", filter=only)).dots} == {
        f"tea-{n}.md" for n in range(5)
    }
    nothing = await bench.knowledge.around.topics(ADMIN, "c", filter={"document": "none"})
    assert (nothing.count, nothing.topics) == (0, [])
    with pytest.raises(InvalidParameter):
        await bench.knowledge.around.topics(ADMIN, "c", filter={"colour": "red"})


async def test_what_somebody_may_not_see_is_in_no_topic_no_label_and_on_no_map(bench, papers):
    await bench.ingest(papers)
    for document in (await bench.knowledge.documents.list(ADMIN, "c"))[0]:
        if document.name.startswith(("pump", "noise")):
            await bench.knowledge.documents.set_access(ADMIN, document.id, ["team:works"])
    tools = bench.knowledge.around
    seen = await tools.topics(NOBODY, "c")
    assert (seen.count, sorted(topic.size for topic in seen.topics)) == (10, [5, 5])
    assert "pump" not in str(seen)
    drawn = await tools.map(NOBODY, "c")
    assert {dot.name.partition("-")[0] for dot in drawn.dots} == {"tea", "leave"}
    unusual = await tools.anomalies(NOBODY, "c")
    assert (unusual.count, unusual.anomalies) == (10, [])
    assert "pump" not in str(unusual)
    assert (await tools.topics(Scope(TENANT, ("owner",), ("team:works",)), "c")).count == 16


async def test_what_is_unlike_the_rest_is_named_with_reasons(bench, papers):
    (papers / "german.txt").write_text(
        "Der Leuchtturm am Ende der Mole wurde im letzten Jahrhundert gebaut und leuchtet noch immer jede Nacht."
    )
    await bench.ingest(papers)
    found = await bench.knowledge.around.anomalies(ADMIN, "c")
    assert (found.count, found.note) == (17, None)
    names = [item.name for item in found.anomalies]
    assert "noise.txt" in names
    assert not [name for name in names if name.startswith(("tea", "pump", "leave"))]
    deviations = [item.deviation for item in found.anomalies]
    assert deviations == sorted(deviations, reverse=True)
    noise = next(item for item in found.anomalies if item.name == "noise.txt")
    kinds = [reason.kind for reason in noise.reasons]
    assert kinds[0] in ("garbled", "repeated")
    assert [item.similarity for item in noise.nearest] == sorted((n.similarity for n in noise.nearest), reverse=True)
    if "german.txt" in names:
        assert "language" in [reason.kind for reason in found.anomalies[names.index("german.txt")].reasons]
    assert len((await bench.knowledge.around.anomalies(ADMIN, "c", limit=1)).anomalies) == 1


async def test_a_map_shows_every_document_once_the_same_way_each_time(bench, papers):
    await bench.ingest(papers)
    drawn = await bench.knowledge.around.map(ADMIN, "c")
    assert len({dot.id for dot in drawn.dots}) == 16
    assert all(-1 <= value <= 1 for dot in drawn.dots for value in (dot.x, dot.y))
    assert {dot.topic for dot in drawn.dots} == {topic.number for topic in drawn.topics.topics}
    assert [dot.name for dot in drawn.dots if dot.anomaly] == ["noise.txt"]
    assert drawn.anomalies == 1
    assert drawn == await bench.knowledge.around.map(ADMIN, "c")


async def test_a_map_of_many_shows_a_sample_with_all_that_is_unusual(bench, papers, monkeypatch):
    await bench.ingest(papers)
    monkeypatch.setattr(around, "MOST_DOTS", 8)
    drawn = await bench.knowledge.around.map(ADMIN, "c")
    assert (len(drawn.dots), drawn.topics.count) == (8, 16)
    assert "noise.txt" in [dot.name for dot in drawn.dots]


async def test_one_document_and_none(bench, folder):
    await bench.ingest(folder / "pumps.md")
    found = await bench.knowledge.around.topics(ADMIN, "c")
    assert [(topic.size, topic.share, topic.typical[0].name) for topic in found.topics] == [(1, 1.0, "pumps.md")]
    unusual = await bench.knowledge.around.anomalies(ADMIN, "c")
    assert (unusual.anomalies, unusual.note) == ([], "Too few documents to call one unusual.")
    assert len((await bench.knowledge.around.map(ADMIN, "c")).dots) == 1
    await bench.knowledge.collections.create(TENANT, "empty")
    assert (await bench.knowledge.around.topics(ADMIN, "empty")).topics == []
    assert (await bench.knowledge.around.map(ADMIN, "empty")).dots == []
    assert (await bench.knowledge.around.anomalies(ADMIN, "empty")).anomalies == []


async def test_another_tenant_has_none(bench, folder):
    await bench.ingest(folder)
    for ask in (bench.knowledge.around.topics, bench.knowledge.around.map, bench.knowledge.around.anomalies):
        with pytest.raises(NotFound):
            await ask(Scope("other"), "c")


async def test_the_event_loop_goes_on_while_topics_are_found(bench, papers, monkeypatch):
    await bench.ingest(papers)
    found = around.find_topics

    def slowly(*arguments):
        time.sleep(0.5)
        return found(*arguments)

    monkeypatch.setattr(around, "find_topics", slowly)
    work = asyncio.create_task(bench.knowledge.around.topics(ADMIN, "c"))
    ticks = 0
    while not work.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 20


async def test_who_goes_away_leaves_one_computation_and_the_next_waits_for_it(bench, papers, monkeypatch):
    await bench.ingest(papers)
    found, running, most = around.find_topics, 0, 0

    def counted(*arguments):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.3)
        running -= 1
        return found(*arguments)

    monkeypatch.setattr(around, "find_topics", counted)
    gone = [asyncio.create_task(bench.knowledge.around.topics(ADMIN, "c")) for _ in range(3)]
    await asyncio.sleep(0.15)
    for task in gone:
        task.cancel()
    assert (await bench.knowledge.around.topics(ADMIN, "c")).count == 16
    assert most == 1


async def test_what_was_found_is_kept_until_the_collection_changes(bench, papers, monkeypatch):
    await bench.ingest(papers)
    found, times = around.find_topics, 0

    def counted(*arguments):
        nonlocal times
        times += 1
        return found(*arguments)

    monkeypatch.setattr(around, "find_topics", counted)
    ask = bench.knowledge.around.topics
    assert await ask(ADMIN, "c") == await ask(ADMIN, "c")
    assert times == 1
    await ask(ADMIN, "c", count=2)
    await ask(NOBODY, "c")
    await ask(ADMIN, "c", filter={"document": {"prefix": "tea"}})
    assert times == 4
    (tea, *_) = [item for item in (await bench.knowledge.documents.list(ADMIN, "c"))[0] if item.name.startswith("tea")]
    await bench.knowledge.documents.set_access(ADMIN, tea.id, ["team:works"])
    assert ((await ask(NOBODY, "c")).count, (await ask(ADMIN, "c")).count) == (15, 16)
    await bench.knowledge.documents.delete(ADMIN, tea.id)
    assert (await ask(ADMIN, "c")).count == 15
