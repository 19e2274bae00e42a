"""Small files are taken together, and stay as alone as they were."""

import hashlib

from guru.knowledge.scan import Candidate
from guru.knowledge.small import BYTES, MOST, grouped, read


def candidate(path, content=b"words"):
    if content is not None:
        path.write_bytes(content)
    return Candidate(path, path.name, str(path.parent), found=True)


def test_small_files_that_follow_each_other_are_a_group(tmp_path):
    small = [candidate(tmp_path / f"{number:03}.txt") for number in range(MOST + 2)]
    large = candidate(tmp_path / "large.txt", b"x" * (BYTES + 1))
    gone = candidate(tmp_path / "gone.txt", None)
    groups = grouped([small[0], large, *small[1:], gone])
    assert groups == [[small[0]], [large], small[1 : MOST + 1], [small[-1]], [gone]]


def test_what_is_read_has_its_digest_and_what_cannot_be_read_its_error(tmp_path):
    here, gone = candidate(tmp_path / "here.txt"), candidate(tmp_path / "gone.txt", None)
    (content,), ((failed, error),) = read([here, gone])
    assert (content.candidate, content.data) == (here, b"words")
    assert content.digest == hashlib.sha256(b"words").hexdigest()
    assert failed == gone
    assert isinstance(error, FileNotFoundError)


async def test_each_of_many_small_files_succeeds_and_fails_for_itself(bench, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.md").write_text(f"# Pump {number}\n\nPump {number} stands in hall {number + 100}.\n")
    (folder / "07.md").write_bytes(b"")
    (folder / "11.md").write_bytes(b"\x7fELF" + bytes(range(256)) * 20)
    (folder / "13.md").write_text("---\nguru_access: nonsense\n---\nWords.\n")
    (folder / "17.md").unlink()
    (folder / "17.md").symlink_to(folder / "nowhere.md")
    (folder / "big.md").write_text("# Big\n\n" + "The big file has many words. " * 2000)
    result = await bench.ingest(folder)
    failed = {item["path"].rsplit("/", 1)[-1]: item["error"] for item in result["failed"]}
    assert "empty" in failed["07.md"]
    assert "11.md" in failed
    assert "guru_access" in failed["13.md"]
    assert result["documents"] == 41 - len({*failed, "17.md"})
    assert sorted(await bench.names()) == sorted(
        path.name for path in folder.iterdir() if path.name not in {*failed, "17.md"}
    )
    for number in (0, 16, 39):
        hits = await bench.search(f"In which hall stands pump {number}?", k=1)
        assert hits[0].document == f"{number:02}.md"
        assert f"hall {number + 100}" in hits[0].text
    (folder / "20.md").write_text("# Pump 20\n\nPump 20 was sold.\n")
    again = await bench.ingest(folder)
    assert (again["documents"], again["skipped"]) == (1, result["documents"] - 1)
    assert (await bench.search("Was pump 20 sold?", k=1))[0].document == "20.md"


async def test_the_same_content_under_many_names_is_kept_once_and_found_under_each(bench, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.txt").write_text("The valve is made of bronze.\n")
    assert (await bench.ingest(folder))["documents"] == 20
    hits = await bench.search("What is the valve made of?", k=30)
    assert len({hit.document for hit in hits}) == 20
    assert len(list(bench.blobs.root.glob("??/*"))) == 1
