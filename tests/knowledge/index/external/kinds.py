"""Every store as tests reach it: a server that speaks its protocol on the loopback, or the real thing in a folder."""

import contextlib

import pytest

from guru.config.sections import KnowledgeSettings, VectorStoreSettings
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
LOCAL = ["qdrant-local", "chroma-local", "milvus-local"]
NEEDED = {
    "qdrant": "qdrant_client", "chroma": "chromadb", "pinecone": "pinecone", "weaviate": "weaviate",
    "milvus": "pymilvus", "chroma-local": "chromadb.api.rust", "milvus-local": "milvus_lite",
}  # fmt: skip
FILES = {"qdrant": "qdrant", "chroma": "chroma", "milvus": "milvus.db"}
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


def make_external(place, database, store=None):
    """The index of a store. Several may share one that is open already."""
    seconds = getattr(place.settings, place.kind).timeout_seconds
    secret = getattr(place.settings, place.kind).api_key
    client = StoreClient(place.vendor.title, (lambda: store) if store else place.open, seconds=seconds, secret=secret)
    return ExternalIndex(place.kind, database, client, EmbeddedIndex(words_only=True), belongs=lambda own: True)
