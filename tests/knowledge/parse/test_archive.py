import io
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import UnreadableDocument
from guru.knowledge.parse import Limits
from guru.knowledge.parse.archive import unpack
from knowledge.parse.writing import package, word


@pytest.fixture
def read(tmp_path):
    """Unpack an archive: its members by name, and the bytes of those that were unpacked."""
    count = iter(range(1000))

    def read(data, **limits):
        number = next(count)
        path, folder = tmp_path / f"{number}.zip", tmp_path / f"{number}"
        path.write_bytes(data)
        folder.mkdir()
        members = unpack(path, folder, Limits(**limits))
        held = {member.name: (folder / member.file).read_bytes() for member in members if member.file}
        assert {path.name for path in folder.iterdir()} == {member.file for member in members if member.file}
        return {member.name: member for member in members}, held

    return read


def encrypted(name):
    """An archive that says that its member is encrypted, as the flag does."""
    data = bytearray(package({name: b"secret"}, zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def test_members_are_unpacked_by_number_and_folders_left_out(read):
    members, held = read(package({"a.txt": b"A", "in/": b"", "in/b.md": b"B"}))
    assert held == {"a.txt": b"A", "in/b.md": b"B"}
    assert not any(member.refused or member.ignored for member in members.values())


@pytest.mark.parametrize(
    "name", ["../up.txt", "/etc/passwd.txt", "a/../../b.txt", "C:/a.txt", "..\\up.txt", "bad\x01.txt", "x" * 2000]
)
def test_a_name_that_leads_elsewhere_is_refused_and_the_others_go_on(read, name):
    members, held = read(package({name: b"evil", "good.txt": b"good"}))
    assert held == {"good.txt": b"good"}
    (refused,) = [member for member in members.values() if member.refused]
    assert "leads out" in refused.refused


def test_a_bomb_is_refused_and_the_others_go_on(read):
    members, held = read(package({"bomb.txt": bytes(50_000_000), "good.txt": b"good"}))
    assert list(held) == ["good.txt"]
    assert "zip bomb" in members["bomb.txt"].refused


def test_members_beyond_what_an_archive_may_unpack_to_are_refused(read):
    parts = {f"{number}.txt": bytes([65 + number]) * 400 for number in range(4)}
    members, held = read(package(parts, zipfile.ZIP_STORED), archive_bytes=1000)
    assert list(held) == ["0.txt", "1.txt"]
    assert all("unpacks to more than" in members[name].refused for name in ("2.txt", "3.txt"))


def test_a_member_cannot_unpack_to_more_than_it_says(read):
    data = bytearray(package({"lie.txt": b"x" * 100_000, "good.txt": b"good"}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = (10).to_bytes(4, "little")
    members, held = read(bytes(data))
    assert held == {"good.txt": b"good"}
    assert "damaged" in members["lie.txt"].refused


def test_members_beyond_the_number_are_counted(read):
    members, held = read(package({f"{number}.txt": b"text" for number in range(9)}), entries=5)
    assert len(held) == 5
    assert "more than 5 members" in members["4 further members"].refused


def test_encrypted_members_nested_archives_and_links_are_refused(read):
    assert "encrypted" in read(encrypted("a.txt"))[0]["a.txt"].refused
    members, held = read(package({"inner.zip": package({"a.txt": b"A"}), "b.txt": b"B"}))
    assert list(held) == ["b.txt"]
    assert "archive in an archive" in members["inner.zip"].refused
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "link" in read(package({link: b"/etc/passwd"}))[0]["link.txt"].refused


def test_a_damaged_member_is_refused_and_the_others_go_on(read):
    data = bytearray(package({"a.txt": b"AAAAAAAA", "b.txt": b"BBBBBBBB"}, zipfile.ZIP_STORED))
    data[data.index(b"AAAAAAAA")] = 0x42
    members, held = read(bytes(data))
    assert held == {"b.txt": b"BBBBBBBB"}
    assert "CRC" in members["a.txt"].refused


def test_the_second_member_of_a_name_is_refused(read):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("a.txt", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("a.txt", b"second")
    members, held = read(out.getvalue())
    assert "two members" in members["a.txt"].refused
    assert held == {"a.txt": b"first"}


def test_what_is_no_document_is_passed_over_as_in_a_folder(read):
    names = [".hidden", "__MACOSX/._a.txt", "node_modules/x.js", ".git/config.txt", "run.exe", "sub/.b.txt"]
    members, held = read(package(dict.fromkeys([*names, "a.txt"], b"data")))
    assert list(held) == ["a.txt"]
    assert all(members[name].ignored for name in names)


@pytest.mark.parametrize("flagged", [True, False])
def test_names_in_utf8_are_read_with_and_without_the_flag(read, flagged):
    name = "U\u0308bung.txt"  # decomposed, as macOS writes it
    data = package({name: b"text"})
    if not flagged:
        data = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
            data[data.index(signature) + offset] &= ~0x08
    assert list(read(bytes(data))[1]) == ["Übung.txt"]


def test_an_office_document_named_zip_says_so(read):
    with pytest.raises(UnreadableDocument, match="is a document") as caught:
        read(word(lambda document: document.add_paragraph("Words")))
    assert ".docx" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"no archive", package({"a.txt": b"A"})[:-10], b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive_says_so(read, data):
    with pytest.raises(UnreadableDocument, match="damaged"):
        read(data)


GOOD = package({"a.txt": b"alpha " * 50, "b/c.md": b"# Beta", "d.csv": b"x,y\n1,2"})


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_anywhere_is_told_and_nothing_is_written_elsewhere(tmp_path_factory, changes):
    data = bytearray(GOOD)
    for place, value in changes:
        data[place] = value
    root = tmp_path_factory.mktemp("fuzz")
    (root / "a.zip").write_bytes(data)
    (root / "out").mkdir()
    try:
        members = unpack(root / "a.zip", root / "out", Limits())
    except UnreadableDocument:
        members = []
    assert {path.name for path in root.iterdir()} == {"a.zip", "out"}
    assert {path.name for path in (root / "out").iterdir()} == {member.file for member in members if member.file}
