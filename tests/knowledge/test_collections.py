import pytest

from guru.errors import Conflict, InvalidParameter, NotFound
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)


async def test_a_collection_counts_what_is_in_it(bench, folder):
    await bench.ingest(folder)
    collection = await bench.knowledge.collections.get(SCOPE, "c")
    assert (collection.documents, collection.chunks) == (3, 3)
    assert collection.bytes == sum(path.stat().st_size for path in folder.rglob("*.*"))
    assert collection.embedding_model == "local/all-minilm-l6-v2"


async def test_collections_are_listed_by_name_and_belong_to_their_tenant(bench):
    for name in ("beta", "alpha"):
        await bench.knowledge.collections.create(TENANT, name)
    assert [found.name for found in await bench.knowledge.collections.list(SCOPE)] == ["alpha", "beta"]
    assert await bench.knowledge.collections.list(Scope("other")) == []
    with pytest.raises(NotFound):
        await bench.knowledge.collections.get(Scope("other"), "alpha")


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a/b", "a" * 65, "ü"])
async def test_a_bad_name_is_refused(bench, name):
    with pytest.raises(InvalidParameter):
        await bench.knowledge.collections.create(TENANT, name)


async def test_a_name_is_taken_once(bench):
    await bench.knowledge.collections.create(TENANT, "alpha")
    with pytest.raises(Conflict):
        await bench.knowledge.collections.create(TENANT, "alpha")
    assert (await bench.knowledge.collections.create("other", "alpha")).documents == 0


async def test_deleting_a_collection_leaves_nothing(bench, folder, forget_grace):
    await bench.ingest(folder)
    await bench.ingest(folder / "pumps.md", collection="kept")
    await bench.knowledge.collections.delete(SCOPE, "c")
    with pytest.raises(NotFound):
        await bench.search("tea")
    assert len(list(bench.blobs.root.glob("??/*"))) == 1
    assert await bench.search("feed pump", collection="kept")


async def test_a_collection_whose_model_is_not_there_is_not_searched(bench):
    await bench.knowledge.collections.create(TENANT, "c", embedding_model="other/model")
    with pytest.raises(Conflict, match="embedded with other/model, which is not available any more") as caught:
        await bench.search("tea")
    assert "guru collections reembed c" in caught.value.hint
