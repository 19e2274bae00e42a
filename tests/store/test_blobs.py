import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import NotFound
from guru.store.blobs import BlobStore, hash_file


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
