"""Every store as tests reach it: a server that speaks its protocol on the loopback, or the real thing in a folder."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from guru.config.knowledge import KnowledgeSettings, VectorStoreSettings
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.index.external import vendors
from guru.knowledge.index.external.client import StoreClient
from guru.knowledge.index.external.index import ExternalIndex
from knowledge.index.external.chroma_server import ChromaApi
from knowledge.index.external.pinecone_server import PineconeApi
from knowledge.index.external.qdrant_server import QdrantApi
from knowledge.index.external.shelf import Shelf, serving_http
from knowledge.index.external.weaviate_server import serving_weaviate

HTTP = {"qdrant": QdrantApi, "chroma": ChromaApi, "pinecone": PineconeApi}
WIRE = ["qdrant", "chroma", "pinecone", "weaviate"]
LOCAL = ["qdrant-local", "chroma-local", "milvus-local", "chroma-server", "milvus-server"]
"""The real things: in this process, or as processes of their own. Two of them need packages that are large."""
NEEDED = {
    "qdrant": "qdrant_client", "chroma": "chromadb", "pinecone": "pinecone", "weaviate": "weaviate",
    "milvus": "pymilvus", "chroma-local": "chromadb_rust_bindings", "milvus-local": "milvus_lite",
    "chroma-server": "chromadb_rust_bindings", "milvus-server": "milvus_lite",
}  # fmt: skip
FILES = {"qdrant": "qdrant", "chroma": "chroma", "milvus": "milvus.db"}
COMMANDS = {
    "chroma": ["-c", "from chromadb.cli.cli import app; app()", "run", "--path"],
    "milvus": ["-m", "milvus_lite", "server", "--data-dir"],
}
KEYS = {"pinecone": "pc-secret-of-a-test"}


class Place:
    """Where a store is, and what a test may do to it."""

    def __init__(self, kind, settings, shelf=None):
        self.kind, self.shelf = kind, shelf
        self.settings = KnowledgeSettings(index=kind, **{kind: settings})
        self.vendor = vendors.VENDORS[kind]

    def open(self):
        return vendors.open_store(self.kind, self.settings)


@contextlib.contextmanager
def place_of(name, folder):
    """A store of a kind, empty. `folder` is for those that keep files."""
    kind, _, how = name.partition("-")
    if not vendors.is_installed(needed := NEEDED.get(name, NEEDED[kind])):
        pytest.skip(f"{needed} is not installed")
    if how == "local":
        yield Place(kind, VectorStoreSettings(path=str(folder / FILES[kind])))
    elif how == "server":
        with running(COMMANDS[kind], folder / "served") as url:
            yield Place(kind, VectorStoreSettings(url=url))
    elif kind in HTTP:
        shelf = Shelf()
        shelf.key = KEYS.get(kind)
        api = HTTP[kind](shelf)
        with serving_http(api) as url:
            yield Place(kind, VectorStoreSettings(url=url, api_key=shelf.key), shelf)
    else:
        shelf = Shelf()
        with serving_weaviate(shelf) as (url, grpc_url):
            yield Place(kind, VectorStoreSettings(url=url, grpc_url=grpc_url), shelf)


@contextlib.contextmanager
def running(command, folder):
    """The address of a real server that keeps its files in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [sys.executable, *command, str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "it has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def make_external(place, database, store=None):
    """The index of a store. Several may share one that is open already."""
    seconds = getattr(place.settings, place.kind).timeout_seconds
    secret = getattr(place.settings, place.kind).api_key
    client = StoreClient(place.vendor.title, (lambda: store) if store else place.open, seconds=seconds, secret=secret)
    return ExternalIndex(place.kind, database, client, EmbeddedIndex(words_only=True), belongs=lambda own: True)
