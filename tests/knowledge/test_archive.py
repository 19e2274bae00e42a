"""Archives as folders: ingested, skipped, pruned member by member."""

from pathlib import Path

import pytest

from guru.knowledge.archive import unpacked
from guru.knowledge.scan import Candidate
from guru.store.scope import Scope
from knowledge.parse.scanning import encoded, needs_tesseract, picture
from knowledge.parse.writing import package, pdf

TENANT = "local"
SCOPE = Scope(TENANT)
PARTS = {
    "report.pdf": pdf(text="The reactor is inspected every Monday."),
    "notes/tea.md": b"# Tea\n\nGreen tea is brewed at 75 degrees.",
}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "papers.zip"
    path.write_bytes(package(PARTS))
    return path


async def test_members_become_documents_named_by_archive_and_path(bench, archive):
    result = await bench.ingest(archive)
    assert (result["documents"], result["failed"]) == (2, [])
    assert await bench.names() == ["papers.zip/notes/tea.md", "papers.zip/report.pdf"]
    (hit, *_) = await bench.search("When is the reactor inspected?")
    assert (hit.document, hit.page) == ("papers.zip/report.pdf", 1)
    original = await bench.knowledge.documents.original(SCOPE, hit.document_id)
    assert original.read_bytes() == PARTS["report.pdf"]
    assert not list(bench.blobs.root.glob(".unpacked-*"))


async def test_unchanged_members_are_skipped_and_changed_ones_replaced(bench, archive):
    await bench.ingest(archive)
    archive.write_bytes(package(PARTS | {"notes/tea.md": b"# Tea\n\nBlack tea wants boiling water."}))
    result = await bench.ingest(archive)
    assert (result["documents"], result["skipped"]) == (1, 1)


async def test_prune_removes_members_that_are_gone(bench, archive):
    await bench.ingest(archive)
    archive.write_bytes(package({"report.pdf": PARTS["report.pdf"]}))
    assert (await bench.ingest(archive))["removed"] == 0
    assert (await bench.ingest(archive, prune=True))["removed"] == 1
    assert await bench.names() == ["papers.zip/report.pdf"]


async def test_prune_spares_what_cannot_be_read_this_time(bench, archive):
    await bench.ingest(archive)
    archive.write_bytes(package(PARTS | {"report.pdf": b""}))
    assert (await bench.ingest(archive, prune=True))["removed"] == 0
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-30])
    result = await bench.ingest(archive, prune=True)
    assert (result["removed"], result["failed"][0]["path"]) == (0, str(archive))
    archive.write_bytes(package({}))
    result = await bench.ingest(archive, prune=True)
    assert result["removed"] == 0
    assert "documents were kept" in result["failed"][0]["error"]
    assert len(await bench.names()) == 2


async def test_an_archive_in_a_folder_belongs_to_the_folder(bench, folder):
    (folder / "old").mkdir()
    (folder / "old" / "papers.ZIP").write_bytes(package(PARTS))
    result = await bench.ingest(folder)
    assert result["documents"] == 5
    assert "old/papers.ZIP/notes/tea.md" in await bench.names()
    (folder / "old" / "papers.ZIP").unlink()
    assert (await bench.ingest(folder, prune=True))["removed"] == 2


async def test_bad_members_are_named_and_the_others_go_on(bench, archive):
    archive.write_bytes(
        package(
            PARTS
            | {
                "../up.txt": b"evil",
                "bomb.txt": bytes(50_000_000),
                "inner.zip": package({}),
                "broken.pdf": b"%PDF-1.7 nothing",
                "run.exe": b"MZ",
            }
        )
    )
    result = await bench.ingest(archive)
    assert result["documents"] == 2
    failed = {item["path"].removeprefix(f"{archive}/") for item in result["failed"]}
    assert failed == {"../up.txt", "bomb.txt", "inner.zip", "broken.pdf"}
    assert [Path(item["path"]).name for item in result["ignored"]] == ["run.exe"]


async def test_progress_counts_members(bench, archive):
    job = await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(archive)])
    progress = (await bench.ended(job)).progress
    assert (progress["total"], progress["done"], progress["failed"]) == (2, 2, 0)


async def test_an_archive_over_the_limit_is_refused(open_bench, archive):
    archive.write_bytes(package(PARTS | {"big.bin": b""}) + bytes(1 << 20))
    async with open_bench(max_archive_mb=1) as bench:
        (failed,) = (await bench.ingest(archive))["failed"]
        assert "max_archive_mb" in failed["error"]


async def test_an_uploaded_archive_is_unpacked_and_pruned_when_asked(bench):
    async def upload(parts, *, prune):
        digest = bench.blobs.put(package(parts))
        job = await bench.knowledge.ingest.submit_uploads(TENANT, "c", [("in/papers.zip", digest)], prune=prune)
        return (await bench.ended(job)).result

    await upload(PARTS, prune=False)
    assert await bench.names() == ["in/papers.zip/notes/tea.md", "in/papers.zip/report.pdf"]
    fewer = {"report.pdf": PARTS["report.pdf"], "bad.pdf": b"%PDF-1.7 nothing"}
    result = await upload(fewer, prune=False)
    assert (result["skipped"], result["removed"]) == (1, 0)
    assert [item["path"] for item in result["failed"]] == ["in/papers.zip/bad.pdf"]
    assert (await upload(fewer, prune=True))["removed"] == 1


async def test_what_a_killed_process_left_unpacked_is_removed(bench, archive, monkeypatch):
    left = bench.blobs.root / ".unpacked-left"
    left.mkdir(parents=True)
    (left / "0").write_text("left")
    monkeypatch.setattr("guru.knowledge.archive._STALE", -1.0)
    async with unpacked(Candidate(archive, "papers.zip", "x"), bench.parser, bench.blobs.root) as found:
        assert len(found.files) == 2
    assert not list(bench.blobs.root.glob(".unpacked-*"))


@needs_tesseract
async def test_pictures_in_a_folder_are_read_and_those_without_text_passed_over(bench, folder, monkeypatch):
    (folder / "sign.png").write_bytes(encoded(picture("No entry beyond gate 5"), "PNG"))
    (folder / "sky.png").write_bytes(encoded(picture(paper="lightblue"), "PNG"))
    result = await bench.ingest(folder)
    assert (result["documents"], result["failed"]) == (4, [])
    (ignored,) = result["ignored"]
    assert ignored["path"].endswith("sky.png")
    assert "No text was recognised" in ignored["reason"]
    assert "sign.png" in await bench.names()
    parse = bench.parser.parse
    monkeypatch.setattr(bench.parser, "parse", pytest.fail)
    again = await bench.ingest(folder)
    assert (again["skipped"], again["ignored"]) == (4, result["ignored"])
    monkeypatch.setattr(bench.parser, "parse", parse)
    result = await bench.ingest(folder / "sky.png")
    assert result["failed"][0]["path"].endswith("sky.png")


async def test_without_tesseract_pictures_in_a_folder_are_named_with_what_to_do(bench, folder, monkeypatch):
    (folder / "sign.png").write_bytes(encoded(picture("No entry"), "PNG"))
    monkeypatch.setenv("PATH", str(folder))
    result = await bench.ingest(folder)
    (ignored,) = result["ignored"]
    assert "apt install tesseract-ocr" in ignored["reason"]
    result = await bench.ingest(folder / "sign.png")
    assert "apt install tesseract-ocr" in result["failed"][0]["error"]
