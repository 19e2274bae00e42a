import ctypes
import errno
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import NotFound
from guru.store.blobs import BlobStore, hash_file
from guru.store.durable import FEW, make_durable


@given(st.binary(max_size=4096))
def test_what_goes_in_comes_out(tmp_path_factory, data):
    blobs = BlobStore(tmp_path_factory.mktemp("home"))
    digest = blobs.put(data)
    assert digest == hashlib.sha256(data).hexdigest() == hash_file(blobs.path(digest))
    assert blobs.path(digest).read_bytes() == data


def test_the_same_content_is_kept_once(tmp_path):
    blobs = BlobStore(tmp_path)
    assert blobs.put(b"same") == blobs.put(b"same")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_missing_blob_is_an_error_with_a_way_out(tmp_path):
    blobs = BlobStore(tmp_path)
    digest = blobs.put(b"data")
    blobs.remove(digest)
    with pytest.raises(NotFound, match="Ingest the document again"):
        blobs.path(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_a_digest_names_a_blob(tmp_path, digest):
    with pytest.raises(ValueError, match="not a SHA-256"):
        BlobStore(tmp_path).path(digest)


@given(st.lists(st.binary(max_size=20), max_size=30))
def test_many_are_kept_as_each_alone(tmp_path_factory, contents):
    blobs = BlobStore(tmp_path_factory.mktemp("home"))
    if contents:
        blobs.put(contents[0])
    digests = blobs.put_all(contents)
    assert digests == [hashlib.sha256(data).hexdigest() for data in contents]
    assert [blobs.path(digest).read_bytes() for digest in digests] == contents
    assert len([path for path in blobs.root.rglob("*") if path.is_file()]) == len(set(digests))


def test_what_was_left_unfinished_goes_in_time(tmp_path):
    blobs = BlobStore(tmp_path)
    digest = blobs.put(b"whole")
    old, new, folder = (blobs.root / name for name in (".old", ".new", ".unpacked-x"))
    for path in (old, new):
        path.touch()
    folder.mkdir()
    for path in (old, folder, blobs.path(digest)):
        os.utime(path, (1, 1))
    blobs.remove_unfinished(60)
    assert sorted(path.name for path in blobs.root.glob(".*")) == [".new", ".unpacked-x"]
    assert blobs.path(digest).read_bytes() == b"whole"


def test_none_has_its_name_before_all_are_durable(tmp_path, monkeypatch):
    blobs = BlobStore(tmp_path)
    contents = [b"%d" % number for number in range(20)]

    def check(files):
        assert sorted(path.read_bytes() for path in files) == sorted(contents)
        assert not list(blobs.root.glob("??/*"))
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        make_durable(files)

    monkeypatch.setattr("guru.store.blobs.make_durable", check)
    blobs.put_all(contents)
    assert len(list(blobs.root.glob("??/*"))) == 20


def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(files):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("guru.store.blobs.make_durable", fail)
    blobs = BlobStore(tmp_path)
    with pytest.raises(OSError, match="No space"):
        blobs.put_all([b"one", b"two"])
    assert not [path for path in blobs.root.rglob("*") if path.is_file()]
    monkeypatch.undo()
    assert blobs.path(blobs.put(b"one")).read_bytes() == b"one"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1])
def test_files_are_made_durable_together_and_one_by_one(tmp_path, monkeypatch, together, count):
    if not together:
        monkeypatch.setattr("guru.store.durable._syncfs", lambda: None)
    files = [tmp_path / str(number) for number in range(count)]
    for file in files:
        file.write_bytes(b"data")
    make_durable(files)
    with pytest.raises(FileNotFoundError):
        make_durable([tmp_path / "gone", *files])


def test_what_the_disk_says_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.store.durable._syncfs", lambda: lambda descriptor: ctypes.set_errno(errno.EIO) or -1)
    files = [tmp_path / str(number) for number in range(FEW + 1)]
    for file in files:
        file.touch()
    with pytest.raises(OSError, match="Input/output error"):
        make_durable(files)
