"""What somebody may not see does not exist for them, by any way into the knowledge base."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from guru.errors import Forbidden, InvalidParameter, NotFound
from guru.knowledge.access import check_access, may_see, split_access
from guru.store.scope import Scope
from guru.store.tables import document_access

TENANT = "local"
ADMIN = Scope(TENANT)
ANNA = Scope(TENANT, ("user:anna", "key:k1"), ("team:legal",))
BEN = Scope(TENANT, ("user:ben", "key:k2"), ("team:sales",))
NOBODY = Scope(TENANT, ("owner",))
ELSEWHERE = Scope("other")
MODES = ("hybrid", "dense", "sparse")


@pytest.fixture
async def papers(bench, tmp_path):
    """`open.md` for everybody, `legal.md` for the team, `anna.md` for one person, `key.md` for one key."""
    lists = {"open": None, "legal": ["team:legal"], "anna": ["user:anna"], "key": ["key:k2"]}
    for name, access in lists.items():
        path = tmp_path / f"{name}.md"
        path.write_text(f"# The {name} paper\n\nThe settlement of the {name} case is worth 9000 francs.\n")
        await submit(bench, [path], access=access)
    return {document.name: document for document in (await bench.knowledge.documents.list(ADMIN, "c"))[0]}


async def submit(bench, paths, *, by=ADMIN, **options):
    paths = [str(path) for path in paths]
    job = await bench.knowledge.ingest.submit_paths(TENANT, "c", paths, by=by, **options)
    return (await bench.ended(job)).result


SEES = {
    ADMIN: {"open.md", "legal.md", "anna.md", "key.md"},
    ANNA: {"open.md", "legal.md", "anna.md"},
    BEN: {"open.md", "key.md"},
    NOBODY: {"open.md"},
}


@pytest.mark.parametrize(("scope", "mode"), list(itertools.product(SEES, MODES)))
async def test_a_search_finds_what_its_caller_may_see(bench, papers, scope, mode):
    search = bench.knowledge.search
    assert {hit.document for hit in await search(scope, "c", "settlement of the case", mode=mode)} == SEES[scope]
    hidden = {"or": [{"document": name} for name in papers]}
    assert {hit.document for hit in await search(scope, "c", "settlement", mode=mode, filter=hidden)} == SEES[scope]
    for name in papers.keys() - SEES[scope]:
        assert await search(scope, "c", "settlement", mode=mode, filter={"document": name}) == []


@pytest.mark.parametrize("scope", SEES)
async def test_scores_tell_nothing_of_what_is_hidden(bench, papers, scope):
    """They are those of a collection that never had the hidden documents."""
    shown = await bench.knowledge.search(scope, "c", "legal case worth 9000 francs", explain=True)
    for name in papers.keys() - SEES[scope]:
        await bench.knowledge.documents.delete(ADMIN, papers[name].id)
    alone = await bench.knowledge.search(scope, "c", "legal case worth 9000 francs", explain=True)
    assert [(hit.document, hit.score, hit.stages) for hit in shown] == [
        (hit.document, hit.score, hit.stages) for hit in alone
    ]


@pytest.mark.parametrize("scope", SEES)
async def test_lists_and_counts_have_what_one_may_see(bench, papers, scope):
    documents, _ = await bench.knowledge.documents.list(scope, "c")
    assert {document.name for document in documents} == SEES[scope]
    for collection in (
        await bench.knowledge.collections.get(scope, "c"),
        *await bench.knowledge.collections.list(scope),
    ):
        assert (collection.documents, collection.chunks) == (len(documents), len(documents))
        assert collection.bytes == sum(document.bytes for document in documents)


@pytest.mark.parametrize("scope", [*SEES, ELSEWHERE])
async def test_one_document_is_read_by_whom_its_list_names(bench, papers, scope):
    documents = bench.knowledge.documents
    for name, document in papers.items():
        for method in (documents.get, documents.text, documents.chunks, documents.original):
            if name in SEES.get(scope, ()):
                assert await method(scope, document.id)
            else:
                with pytest.raises(NotFound):
                    await method(scope, document.id)
    hidden = [document for name, document in papers.items() if name not in SEES.get(scope, ())]
    for document in hidden:
        for method in (documents.delete, lambda *named: documents.set_access(*named, [])):
            with pytest.raises(NotFound):
                await method(scope, document.id)
    assert len((await documents.list(ADMIN, "c"))[0]) == 4


async def test_a_list_is_changed_later_and_holds_at_once(bench, papers):
    documents = bench.knowledge.documents
    generation = (await bench.knowledge.collections.get(ADMIN, "c")).generation
    changed = await documents.set_access(ADMIN, papers["open.md"].id, ["user:anna", "team:sales", "user:anna"])
    assert changed.access == (await documents.get(ADMIN, changed.id)).access == ["team:sales", "user:anna"]
    assert (await bench.knowledge.collections.get(ADMIN, "c")).generation > generation
    found = {s: {hit.document for hit in await bench.knowledge.search(s, "c", "settlement")} for s in SEES}
    assert ["open.md" in found[scope] for scope in SEES] == [True, True, True, False]
    await documents.set_access(ADMIN, changed.id, [])
    assert {hit.document for hit in await bench.knowledge.search(NOBODY, "c", "settlement")} == {"open.md"}


async def test_a_document_that_is_replaced_keeps_its_list(bench, papers, tmp_path):
    (tmp_path / "legal.md").write_text("The settlement is worth 1 franc.")
    await submit(bench, [tmp_path / "legal.md"])
    (document,) = [d for d in (await bench.knowledge.documents.list(ADMIN, "c"))[0] if d.name == "legal.md"]
    assert (document.id != papers["legal.md"].id, document.access) == (True, ["team:legal"])
    assert "legal.md" not in {hit.document for hit in await bench.knowledge.search(BEN, "c", "1 franc")}


async def test_a_list_goes_with_its_document(bench, papers):
    rows = select(document_access.c.name)
    assert len(await bench.database.read(lambda connection: connection.scalars(rows).all())) == 3
    await bench.knowledge.collections.delete(ADMIN, "c")
    assert await bench.database.read(lambda connection: connection.scalars(rows).all()) == []


async def test_nobody_replaces_what_they_may_not_see_or_learns_whether_it_is_the_same(bench, papers, tmp_path):
    same = await submit(bench, [tmp_path / "anna.md"], by=BEN)
    assert (same["documents"], same["skipped"]) == (0, 0)
    (tmp_path / "anna.md").write_text("Nothing.")
    other = await submit(bench, [tmp_path / "anna.md"], by=BEN)
    assert [item["error"] for item in other["failed"]] == [item["error"] for item in same["failed"]]
    assert "may not see" in other["failed"][0]["error"]
    assert "francs" in await bench.knowledge.documents.text(ANNA, papers["anna.md"].id)
    # A job that says nothing of who asked for it sees what everybody does.
    job = await bench.ended(await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(tmp_path / "anna.md")]))
    assert (job.result["documents"], len(job.result["failed"])) == (0, 1)


async def test_a_collection_with_hidden_documents_is_not_deleted_by_whom_they_are_hidden_from(bench, papers):
    with pytest.raises(Forbidden, match="may not see"):
        await bench.knowledge.collections.delete(ANNA, "c")
    assert len(await bench.names()) == 4


async def test_only_an_administrator_opens_what_has_a_list(bench, papers, tmp_path):
    for access in ([], ["team:legal", "team:sales"]):
        result = await submit(bench, [tmp_path / "legal.md"], by=ANNA, access=access)
        assert "administrator" in result["failed"][0]["error"]
    (tmp_path / "legal.md").write_text("---\nguru_access: team:sales\n---\n\nThe settlement is worth 2 francs.")
    assert "administrator" in (await submit(bench, [tmp_path / "legal.md"], by=ANNA))["failed"][0]["error"]
    assert (await submit(bench, [tmp_path / "legal.md"], by=ADMIN))["documents"] == 1
    assert "legal.md" in {hit.document for hit in await bench.knowledge.search(BEN, "c", "2 francs")}


async def test_unchanged_files_get_the_list_that_an_ingest_names(bench, papers, tmp_path):
    result = await submit(bench, [tmp_path / "open.md"], access=["user:ben"])
    assert (result["documents"], result["skipped"]) == (0, 1)
    assert (await bench.knowledge.documents.get(ADMIN, papers["open.md"].id)).access == ["user:ben"]
    await submit(bench, [tmp_path / "open.md"], access=[])
    assert (await bench.knowledge.documents.get(ADMIN, papers["open.md"].id)).access == []


async def test_a_document_brings_its_own_list(bench, tmp_path):
    (tmp_path / "one.md").write_text("---\nguru_access: [user:anna, team:legal]\n---\n\nThe vault is in Basel.")
    (tmp_path / "two.md").write_text("---\nguru_access: anna\n---\n\nThe vault is in Bern.")
    result = await submit(bench, [tmp_path / "one.md", tmp_path / "two.md"])
    assert (result["documents"], len(result["failed"])) == (1, 1)
    assert "guru_access" in result["failed"][0]["error"]
    assert await bench.knowledge.search(BEN, "c", "Where is the vault?") == []
    assert len(await bench.knowledge.search(ANNA, "c", "Where is the vault?")) == 1
    # What the command says holds for all of it.
    await submit(bench, [tmp_path / "one.md"], access=["user:ben"])
    assert len(await bench.knowledge.search(BEN, "c", "Where is the vault?")) == 1


async def test_a_pruned_folder_keeps_what_whoever_asks_may_not_see(bench, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("open", "secret", "kept"):
        (folder / f"{name}.md").write_text(f"The {name} note.")
    await submit(bench, [folder])
    documents = {document.name: document for document in (await bench.knowledge.documents.list(ADMIN, "c"))[0]}
    await bench.knowledge.documents.set_access(ADMIN, documents["secret.md"].id, ["user:anna"])
    (folder / "open.md").unlink()
    (folder / "secret.md").unlink()
    assert (await submit(bench, [folder], by=BEN, prune=True))["removed"] == 1
    assert await bench.names() == ["kept.md", "secret.md"]


@pytest.mark.parametrize(
    "wrong", ["anna", "user:", "role:admin", "user: anna", "user:a,b", "user:a\nb", 7, "key:" + "x" * 200]
)
def test_a_name_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidParameter, match="user:NAME"):
        check_access([wrong])


def test_a_list_in_one_line():
    assert split_access(" team:legal, user:Anna Berg ,team:legal") == ["team:legal", "user:Anna Berg"]
    assert split_access("") == []
    with pytest.raises(InvalidParameter):
        split_access("everybody")


NAMES = st.sampled_from(["user:a", "user:b", "team:t", "key:k"])


@given(listed=st.sets(NAMES), mine=st.sets(NAMES))
def test_somebody_sees_what_names_them_or_nobody(listed, mine):
    scope = Scope("t", tuple(mine))
    assert may_see(scope, listed) == (not listed or bool(listed & mine))
    assert may_see(Scope("t"), listed)
