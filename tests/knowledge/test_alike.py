"""Documents that say nearly the same, and documents that are about the same."""

import pytest

from guru.errors import NotFound
from guru.store.scope import Scope

TENANT = "local"
TEXT = " ".join(
    f"Part {n} weighs {n * 3} grams, is painted {('red', 'blue', 'green')[n % 3]} and lies on shelf {n + 4}."
    for n in range(40)
)


@pytest.fixture
def copies(folder):
    """Besides the three documents, three that are nearly one, and one that shares a part with them."""
    (folder / "a.md").write_text(f"# Parts\n\n{TEXT}")
    (folder / "b.txt").write_text(TEXT.replace("shelf 9.", "shelf 99.").replace(". ", ".\n\n"))
    (folder / "part.txt").write_text(TEXT[: len(TEXT) // 3])
    return folder


async def test_nearly_equal_documents_are_grouped_under_the_oldest(bench, copies):
    await bench.ingest(copies)
    (copies / "c.md").write_text(TEXT)
    await bench.ingest(copies)
    count, (group,) = await bench.knowledge.duplicates.find(Scope(TENANT), "c", 0.8)
    assert count == 7
    assert {group.name, *(item.name for item in group.duplicates)} == {"a.md", "b.txt", "c.md"}
    assert group.name != "c.md"
    similarities = [item.similarity for item in group.duplicates]
    assert similarities == sorted(similarities, reverse=True)
    assert 0.9 < min(similarities) < 1


async def test_the_threshold_decides(bench, copies):
    await bench.ingest(copies)
    assert (await bench.knowledge.duplicates.find(Scope(TENANT), "c", 1.0))[1] == []
    (copies / "same.md").write_text((copies / "a.md").read_text())
    await bench.ingest(copies)
    _, (group,) = await bench.knowledge.duplicates.find(Scope(TENANT), "c", 1.0)
    assert [item.similarity for item in group.duplicates] == [1.0]


async def test_a_document_that_is_changed_is_compared_anew(bench, copies):
    await bench.ingest(copies)
    assert len((await bench.knowledge.duplicates.find(Scope(TENANT), "c", 0.8))[1]) == 1
    (copies / "b.txt").write_text("Something else altogether, about boats and the harbour of Flensburg.")
    await bench.ingest(copies)
    assert (await bench.knowledge.duplicates.find(Scope(TENANT), "c", 0.8))[1] == []


async def test_many_copies_are_one_group(bench, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.txt").write_text("The valve is opened in spring, closed in autumn and oiled in between.")
    await bench.ingest(folder)
    count, (group,) = await bench.knowledge.duplicates.find(Scope(TENANT), "c", 0.9)
    assert (count, len(group.duplicates)) == (120, 119)


async def test_more_like_this_finds_what_is_about_the_same(bench, folder):
    (folder / "coffee.md").write_text("# Coffee\n\nCoffee grows on hills. The beans are roasted and brewed hot.")
    (folder / "machines.md").write_text("# Machines\n\nThe water pump and its motor need grease every spring.")
    await bench.ingest(folder)
    documents, _ = await bench.knowledge.documents.list(Scope(TENANT), "c")
    ids = {document.name: document.id for document in documents}
    for name, expected in (("plants/tea.md", "coffee.md"), ("pumps.md", "machines.md")):
        found = await bench.knowledge.similar.find(Scope(TENANT), ids[name], 3)
        assert found[0].name == expected
        assert name not in [item.name for item in found]
        assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
        first = found[0]
        assert await bench.knowledge.documents.text(Scope(TENANT), first.id, first.start, first.end) == first.text
    assert len(await bench.knowledge.similar.find(Scope(TENANT), ids["pumps.md"], 100)) == 4


async def test_a_copy_is_the_most_similar_of_all(bench, copies):
    await bench.ingest(copies)
    documents, _ = await bench.knowledge.documents.list(Scope(TENANT), "c")
    ids = {document.name: document.id for document in documents}
    found = await bench.knowledge.similar.find(Scope(TENANT), ids["a.md"], 2)
    assert {item.name for item in found} == {"b.txt", "part.txt"}
    assert found[0].score > 0.9


async def test_one_document_alone_has_nothing_like_it(bench, folder):
    await bench.ingest(folder / "pumps.md")
    (document,), _ = await bench.knowledge.documents.list(Scope(TENANT), "c")
    assert await bench.knowledge.similar.find(Scope(TENANT), document.id, 5) == []
    assert await bench.knowledge.duplicates.find(Scope(TENANT), "c", 0.8) == (1, [])


async def test_another_tenant_sees_nothing(bench, folder):
    await bench.ingest(folder)
    (document, *_), _ = await bench.knowledge.documents.list(Scope(TENANT), "c")
    with pytest.raises(NotFound):
        await bench.knowledge.similar.find(Scope("other"), document.id, 5)
    with pytest.raises(NotFound):
        await bench.knowledge.duplicates.find(Scope("other"), "c", 0.8)
