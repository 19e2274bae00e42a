"""A folder that models look into: every way out of it, and what is written."""

import os
import sys
import threading

import pytest

from agents.tools.boxes import CONTEXT
from guru.agents.tools.builtin.files import file_tools
from guru.agents.tools.builtin.folder import Folder
from guru.agents.tools.toolbox import Toolbox
from guru.config import FilesToolSettings
from guru.errors import ConfigurationError, GuruError, InvalidParameter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be opened safely there")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_text("one\ntwo\nThree\n", encoding="utf-8")
    (root / "sub" / "b.md").write_text("# Moon\nThe moon is there.\n", encoding="utf-8")
    (root / "sub" / "deep" / "c.bin").write_bytes(b"\0\1\2")
    (tmp_path / "secret.txt").write_text("secret moon", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    return root


def box(root, **settings):
    return Toolbox(file_tools("notes", FilesToolSettings(root=str(root), **settings)))


async def call(root, tool, _settings=None, **arguments):
    return await box(root, **(_settings or {"write": True})).call(f"notes_{tool}", arguments, CONTEXT)


async def test_what_is_there_is_listed(root):
    assert (await call(root, "list")).text == "a.txt (14 bytes)\nsub/"
    deep = await call(root, "list", deep=True)
    assert [item["path"] for item in deep.data] == ["a.txt", "sub", "sub/b.md", "sub/deep", "sub/deep/c.bin"]
    assert (await call(root, "list", path="sub/deep")).text == "sub/deep/c.bin (3 bytes)"
    (root / "empty").mkdir()
    assert (await call(root, "list", path="empty")).text == "It is empty."


async def test_a_file_is_read_by_lines(root):
    assert (await call(root, "read", path="a.txt")).text == "one\ntwo\nThree"
    part = await call(root, "read", path="./a.txt", start=1, lines=2)
    assert part.text == "one\ntwo\n(1 more lines: ask with start=3.)"
    assert part.data["lines"] == 3
    assert (await call(root, "read", path="a.txt", start=9)).text == "There is nothing."


async def test_a_text_is_found(root):
    found = await call(root, "search", text="MOON")
    assert found.text.startswith("sub/b.md:1: # Moon\nsub/b.md:2: The moon is there.")
    assert "(1 files were not searched" in found.text
    assert (await call(root, "search", text="xyzzy", path="sub/deep")).data == []


async def test_a_file_is_written_as_a_whole(root):
    result = await call(root, "write", path="new/er/d.txt", content="é\n")
    assert result.data == {"path": "new/er/d.txt", "bytes": 3, "changed": True}
    assert (root / "new/er/d.txt").read_text(encoding="utf-8") == "é\n"
    assert [path.name for path in (root / "new/er").iterdir()] == ["d.txt"]


async def test_a_file_that_is_there_is_not_replaced_unless_that_is_said(root):
    assert "is there already" in (await call(root, "write", path="a.txt", content="x")).text
    assert (root / "a.txt").read_text(encoding="utf-8") == "one\ntwo\nThree\n"
    assert not (await call(root, "write", path="a.txt", content="x", overwrite=True)).failed
    assert (root / "a.txt").read_text(encoding="utf-8") == "x"


async def test_the_same_write_once_more_after_a_crash_changes_nothing(root):
    await call(root, "write", path="new.txt", content="x")
    again = await call(root, "write", path="new.txt", content="x")
    assert (again.failed, again.data["changed"]) == (False, False)


def test_writing_is_offered_only_where_it_is_configured_and_wants_approval(root):
    assert "notes_write" not in box(root)
    spec = box(root, write=True).get("notes_write").spec
    assert (spec.effect, spec.approval) == ("write", True)


OUT = [
    "../secret.txt", "sub/../../secret.txt", "/etc/passwd", "..", "", ".", "/", "a.txt/../../secret.txt",
    "..\\secret.txt",
    "C:\\secret.txt", "sub/\0", "sub//..//..//secret.txt", "x" * 2000, "/".join(["a"] * 50), "link", "link/secret.txt",
    "sub/up/secret.txt", "absolute", "loop", "a.txt/x", "fifo", "socket", ".guru-writing-1",
]  # fmt: skip


@pytest.mark.parametrize("path", OUT)
async def test_nothing_outside_is_read_or_written(root, tmp_path, path):
    (root / "link").symlink_to(tmp_path)
    (root / "sub" / "up").symlink_to("../..")
    (root / "absolute").symlink_to(tmp_path / "secret.txt")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "socket")
    for tool, arguments in (("read", {}), ("write", {"content": "gone", "overwrite": True})):
        result = await call(root, tool, path=path, **arguments)
        assert result.failed, path
        assert "secret moon" not in result.text and str(tmp_path) not in result.text
    assert (tmp_path / "secret.txt").read_text(encoding="utf-8") == "secret moon"
    assert {item.name for item in tmp_path.iterdir()} == {"root", "secret.txt", "outside"}


async def test_links_are_neither_listed_nor_searched(root, tmp_path):
    (root / "link").symlink_to(tmp_path)
    (root / "secret").symlink_to(tmp_path / "secret.txt")
    listed = await call(root, "list", deep=True)
    assert "link" not in listed.text and "secret" not in listed.text
    assert "secret" not in (await call(root, "search", text="moon")).text
    for path in ("link", "../outside", "/etc", "link/outside"):
        assert (await call(root, "list", path=path)).failed
        assert (await call(root, "search", text="moon", path=path)).failed


def test_a_folder_that_is_swapped_for_a_link_meanwhile_leads_nowhere(root, tmp_path):
    """As fast as it can, `swap` is a folder, then a link to the folder with the secret."""
    folder, stop = Folder(root), threading.Event()
    (root / "real").mkdir()
    (root / "real" / "secret.txt").write_text("harmless", encoding="utf-8")

    def swap():
        link, place = root / "to-outside", root / "swap"
        while not stop.is_set():
            link.symlink_to(tmp_path)
            link.rename(place)
            place.unlink()
            (root / "real").rename(place)
            place.rename(root / "real")

    swapping = threading.Thread(target=swap)
    swapping.start()
    read = set()
    try:
        for _ in range(2000):
            try:
                read.add(folder.read("swap/secret.txt", 100))
            except GuruError:
                pass
    finally:
        stop.set()
        swapping.join()
    assert read <= {b"harmless"}


async def test_what_is_too_large_or_no_text_is_told(root):
    (root / "big").write_bytes(b"x" * 3000)
    small = {"max_file_kb": 1, "write": True}
    assert "3,000 bytes; the limit is 1,024" in (await call(root, "read", small, path="big")).text
    assert "limit is 1,024" in (await call(root, "write", small, path="new", content="x" * 2000)).text
    assert "not a text" in (await call(root, "read", path="sub/deep/c.bin")).text
    assert (
        "is not a file" in (await call(root, "read", path="sub")).text or (await call(root, "read", path="sub")).failed
    )
    assert "There is no 'none'" in (await call(root, "read", path="none")).text


async def test_many_files_are_listed_so_far(root):
    for number in range(600):
        (root / "sub" / f"{number:03}").write_text("moon\n")
    listed = await call(root, "list", path="sub")
    assert len(listed.data) == 500 and "(500 are shown" in listed.text
    assert len((await call(root, "search", text="moon")).data) == 100


def test_what_cannot_be_opened_is_left_out_of_a_search(root):
    folder = Folder(root)
    with pytest.raises(InvalidParameter):
        list(folder.walk("a.txt", 10, deep=True))


def test_a_root_that_is_no_folder_is_refused(root):
    for wrong in (root / "none", root / "a.txt"):
        with pytest.raises(ConfigurationError, match="There is no folder"):
            Folder(wrong)
