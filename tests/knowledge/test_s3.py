"""Buckets of a store that checks signatures and answers in pages."""

import sys

import pytest

from guru.config import S3Settings
from guru.errors import InvalidParameter
from guru.knowledge.s3 import normalise, split
from guru.store.scope import Scope
from knowledge.parse.writing import package, pdf
from knowledge.s3_server import ACCESS_KEY, REGION, SECRET_KEY, serving_store

SCOPE = Scope("local")


@pytest.fixture
async def store(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    async with serving_store() as store:
        store.objects = {
            "plants/tea.md": b"# Tea\n\nGreen tea is brewed at 75 degrees.",
            "plants/more/M\u00e4rz + 1.txt": b"In March the greenhouse is cleaned.",
            "plants/report.pdf": pdf(text="The reactor is inspected every Monday."),
            "plants2/other.txt": b"Another prefix altogether.",
        }
        yield store


@pytest.fixture
async def bench(open_bench, store):
    async with open_bench(s3=S3Settings(endpoint_url=store.url, region=REGION)) as bench:
        yield bench


async def test_objects_below_a_prefix_become_documents_named_by_their_addresses(bench, store):
    result = await bench.ingest("s3://papers/plants/")
    assert (result["documents"], result["failed"]) == (3, [])
    assert await bench.names() == [
        "s3://papers/plants/more/M\u00e4rz + 1.txt", "s3://papers/plants/report.pdf", "s3://papers/plants/tea.md",
    ]  # fmt: skip
    (hit, *_) = await bench.search("When is the reactor inspected?")
    assert (hit.document, hit.page) == ("s3://papers/plants/report.pdf", 1)
    document = (await bench.knowledge.documents.list(SCOPE, "c"))[0][2]
    assert document.modified == "2024-03-04T05:06:07+00:00"
    assert len([query for _, query in store.asked if "list-type" in query]) == 2


async def test_a_whole_bucket_and_a_single_object(bench):
    assert (await bench.ingest("s3://papers"))["documents"] == 4
    assert (await bench.ingest("s3://papers/plants/tea.md", collection="d"))["documents"] == 1


async def test_unchanged_objects_are_not_fetched_again(bench, store):
    await bench.ingest("s3://papers/plants")
    store.objects["plants/tea.md"] = b"# Tea\n\nBlack tea wants boiling water."
    before = len(store.gets)
    result = await bench.ingest("s3://papers/plants")
    assert (result["documents"], result["skipped"]) == (1, 2)
    assert store.gets[before:] == ["/papers/plants/tea.md"]


async def test_prune_drops_objects_that_are_gone(bench, store):
    await bench.ingest("s3://papers/plants")
    del store.objects["plants/tea.md"]
    assert (await bench.ingest("s3://papers/plants"))["removed"] == 0
    assert (await bench.ingest("s3://papers/plants", prune=True))["removed"] == 1


async def test_what_cannot_be_taken_is_named_and_the_others_go_on(open_bench, store):
    store.objects = {
        "a.txt": b"Good words.", "big.txt": b"x" * (2 << 20), "in.zip": package({}), ".hidden": b"h",
        "x/.git/c.txt": b"g", "run.exe": b"MZ", "folder/": b"", "bad.pdf": b"%PDF-1.7 nothing",
    }  # fmt: skip
    settings = S3Settings(endpoint_url=store.url, region=REGION)
    async with open_bench(s3=settings, max_file_mb=1) as bench:
        result = await bench.ingest("s3://papers")
    assert result["documents"] == 1
    failed, ignored = ({item["path"][len("s3://papers/") :] for item in result[kind]} for kind in ("failed", "ignored"))
    assert failed == {"big.txt", "in.zip", "bad.pdf"}
    assert ignored == {".hidden", "x/.git/c.txt", "run.exe"}
    assert "/papers/big.txt" not in store.gets


async def test_objects_beyond_the_limit_are_left_out_and_that_is_said(open_bench, store):
    settings = S3Settings(endpoint_url=store.url, region=REGION, max_objects=2)
    async with open_bench(s3=settings) as bench:
        result = await bench.ingest("s3://papers", prune=True)
    assert result["documents"] == 2
    assert "max_objects" in result["failed"][0]["error"]


async def test_a_wrong_secret_an_absent_bucket_and_an_empty_prefix_are_told(bench, store):
    assert "There is nothing there" in (await bench.ingest("s3://papers/none"))["failed"][0]["error"]
    assert "NoSuchBucket" in (await bench.ingest("s3://absent"))["failed"][0]["error"]
    store.secret = "another"
    assert "SignatureDoesNotMatch" in (await bench.ingest("s3://papers"))["failed"][0]["error"]


async def test_trouble_with_the_listing_prunes_nothing(bench, store):
    await bench.ingest("s3://papers/plants")
    store.secret = "another"
    assert (await bench.ingest("s3://papers/plants", prune=True))["removed"] == 0
    assert len(await bench.names()) == 3


async def test_without_credentials_it_says_so(bench, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = (await bench.ingest("s3://papers"))["failed"][0]["error"]
    assert "AWS_ACCESS_KEY_ID" in error


async def test_without_botocore_it_says_how_to_get_it(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert "guru[s3]" in (await bench.ingest("s3://papers"))["failed"][0]["error"]


async def test_a_store_that_is_not_there_is_told(open_bench, store):
    async with open_bench(s3=S3Settings(endpoint_url="http://127.0.0.1:9", region=REGION)) as bench:
        assert "cannot be reached" in (await bench.ingest("s3://papers"))["failed"][0]["error"]


@pytest.mark.parametrize("address", ["s3://", "s3://A/b", "s3://x", "s3:///key", "s3://bad_name/x"])
def test_addresses_that_name_no_bucket_are_refused(address):
    with pytest.raises(InvalidParameter):
        split(address)


def test_one_place_has_one_address():
    assert normalise("S3://papers/") == normalise("s3://papers") == "s3://papers"
    assert normalise("s3://papers/a/b/") == "s3://papers/a/b"
