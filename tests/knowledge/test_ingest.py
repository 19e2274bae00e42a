import asyncio
import os
import unicodedata
from pathlib import Path

import pytest

from guru.errors import InvalidParameter
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)


async def test_a_folder_becomes_documents_named_by_their_paths_in_it(bench, folder):
    result = await bench.ingest(folder)
    assert (result["documents"], result["chunks"], result["skipped"], result["failed"]) == (3, 3, 0, [])
    assert await bench.names() == ["leave.txt", "plants/tea.md", "pumps.md"]


async def test_a_single_file_is_named_by_its_name(bench, folder):
    await bench.ingest(folder / "plants" / "tea.md")
    assert await bench.names() == ["tea.md"]


async def test_unchanged_files_are_skipped_and_changed_ones_replaced(bench, folder):
    await bench.ingest(folder)
    (folder / "pumps.md").write_text("# Pumps\n\nThe feed pump was replaced by P-202.\n")
    result = await bench.ingest(folder)
    assert (result["documents"], result["skipped"]) == (1, 2)
    assert len(await bench.names()) == 3
    hits = await bench.search("feed pump", mode="sparse")
    assert "P-202" in hits[0].text
    assert not any("P-101" in hit.text for hit in hits)


async def test_other_settings_make_documents_anew(open_bench, folder):
    async with open_bench() as bench:
        await bench.ingest(folder)
    async with open_bench(chunk_tokens=20) as bench:
        assert (await bench.ingest(folder))["documents"] == 3


async def test_prune_removes_what_is_gone_from_the_folder_and_nothing_else(bench, folder, tmp_path):
    other = tmp_path / "other.md"
    other.write_text("# Other\n\nFrom elsewhere.")
    await bench.ingest(folder)
    await bench.ingest(other)
    (folder / "leave.txt").unlink()
    assert (await bench.ingest(folder))["removed"] == 0
    assert (await bench.ingest(folder, prune=True))["removed"] == 1
    assert await bench.names() == ["other.md", "plants/tea.md", "pumps.md"]


async def test_prune_does_not_empty_a_collection_when_the_folder_is_suddenly_empty(bench, folder):
    await bench.ingest(folder)
    for path in folder.rglob("*.*"):
        path.unlink()
    result = await bench.ingest(folder, prune=True)
    assert result["removed"] == 0
    assert "kept" in result["failed"][0]["error"]
    assert len(await bench.names()) == 3


async def test_a_bad_file_fails_alone_and_keeps_the_document_it_had(bench, folder):
    await bench.ingest(folder)
    (folder / "pumps.md").write_bytes(b"")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    result = await bench.ingest(folder, prune=True)
    assert {Path(item["path"]).name for item in result["failed"]} == {"pumps.md", "broken.pdf"}
    assert (result["skipped"], result["removed"]) == (2, 0)
    assert await bench.search("feed pump")


async def test_what_is_no_document_is_passed_over_and_named(bench, folder):
    (folder / ".hidden").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.txt").write_text("[core]")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "dangling.md").symlink_to(folder / "nowhere")
    result = await bench.ingest(folder)
    assert (result["documents"], result["failed"]) == (3, [])
    ignored = {Path(item["path"]).name for item in result["ignored"]}
    assert ignored == {".hidden", ".git", "picture.png", "pipe", "loop", "dangling.md"}


async def test_a_path_given_twice_is_one_document(bench, folder):
    result = await bench.ingest(folder, folder, folder / "pumps.md")
    assert (result["documents"], result["failed"]) == (3, [])


async def test_two_files_of_one_name_are_told_apart_from_one_given_twice(bench, folder, tmp_path):
    twin = tmp_path / "pumps.md"
    twin.write_text("Another file altogether.")
    result = await bench.ingest(folder, twin)
    assert result["documents"] == 3
    assert "is taken by" in result["failed"][0]["error"]


async def test_the_same_content_under_two_names_is_two_documents_and_one_blob(bench, folder):
    (folder / "copy.md").write_text((folder / "pumps.md").read_text())
    await bench.ingest(folder)
    assert len(await bench.names()) == 4
    assert len(list(bench.blobs.root.glob("??/*"))) == 3


async def test_files_that_nothing_needs_are_removed(bench, folder, forget_grace):
    await bench.ingest(folder)
    (folder / "pumps.md").write_text("# Pumps\n\nAll new.")
    await bench.ingest(folder)
    bench.blobs.put(b"left by a process that was killed")
    documents, _ = await bench.knowledge.documents.list(SCOPE, "c")
    await bench.knowledge.documents.delete(SCOPE, documents[0].id)
    await bench.ingest(folder / "pumps.md")
    assert len(list(bench.blobs.root.glob("??/*"))) == 2


async def test_names_are_composed_unicode(bench, tmp_path):
    path = tmp_path / unicodedata.normalize("NFD", "Übergröße.md")
    path.write_text("Ein Satz über Größen.")
    await bench.ingest(path)
    assert await bench.names() == [unicodedata.normalize("NFC", "Übergröße.md")]


async def test_uploads_are_ingested_from_their_blobs(bench):
    digest = bench.blobs.put(b"# Tea\n\nTea grows on slopes.")
    job = await bench.knowledge.ingest.submit_uploads(TENANT, "c", [("a/tea.md", digest), ("gone.md", "0" * 64)])
    result = (await bench.ended(job)).result
    assert (result["documents"], [item["path"] for item in result["failed"]]) == (1, ["gone.md"])
    assert await bench.names() == ["a/tea.md"]
    document = (await bench.knowledge.documents.list(SCOPE, "c"))[0][0]
    assert (await bench.knowledge.documents.original(SCOPE, document.id)).read_bytes().startswith(b"# Tea")


@pytest.mark.parametrize("paths", [[], ["relative.md"], ["/tmp/a\0b"]])
async def test_paths_are_checked_before_a_job_is_made(bench, paths):
    with pytest.raises(InvalidParameter):
        await bench.knowledge.ingest.submit_paths(TENANT, "c", paths)


async def test_a_missing_path_is_a_failure_of_its_own(bench, folder):
    result = await bench.ingest(folder / "nothing.md", folder)
    assert result["documents"] == 3
    assert result["failed"][0]["path"].endswith("nothing.md")


async def test_a_cancelled_job_keeps_what_it_finished(bench, tmp_path, monkeypatch):
    embed, runs, go_on = MiniLMEmbedder.embed, [], asyncio.Event()

    async def held(self, texts):
        runs.append(len(texts))
        if len(runs) > 2:
            await go_on.wait()
        return await embed(self, texts)

    monkeypatch.setattr(MiniLMEmbedder, "embed", held)
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(60):
        (folder / f"{n:03}.md").write_text(f"Part {n} weighs {n} grams. It has {n} holes. Its price is {n} euros.")
    job = await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(folder)])
    async for seen in bench.jobs.watch(TENANT, job.id):
        if seen.progress.get("done"):
            await bench.jobs.cancel(TENANT, job.id)
            break
    go_on.set()
    ended = await bench.ended(job)
    assert ended.status == "cancelled"
    collection = await bench.knowledge.collections.get(SCOPE, "c")
    assert 0 < collection.documents < 60
    assert (await bench.ingest(folder))["documents"] == 60 - collection.documents


async def test_progress_adds_up(bench, folder):
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    job = await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(folder)])
    progress = (await bench.ended(job)).progress
    assert progress == {
        "total": 4, "done": 3, "skipped": 0, "failed": 1, "removed": 0, "chunks": 3, "current": None
    }  # fmt: skip


async def test_two_processes_may_fill_one_collection(open_bench, folder):
    async with open_bench() as one, open_bench() as two:
        results = await asyncio.gather(one.ingest(folder / "plants"), two.ingest(folder / "pumps.md", folder))
        assert sum(result["documents"] for result in results) == 4
        assert await one.names() == await two.names() == ["leave.txt", "plants/tea.md", "pumps.md", "tea.md"]
