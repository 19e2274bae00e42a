"""Which stores there are, how one is opened, and what is wrong with its settings."""

from __future__ import annotations

import ipaddress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, cast
from urllib.parse import urlsplit

from msgspec import Struct

from guru.config.knowledge import KnowledgeSettings, VectorStoreSettings
from guru.errors import ConfigurationError
from guru.knowledge.index.external.base import VectorStore


class Vendor(Struct, frozen=True):
    """A store and its official client."""

    title: str
    module: str
    """Of the client; the extra is called as the store is."""
    store: str
    """Module and class, here."""
    local: str | None = None
    """What has to be installed for it to run in this process; None: it cannot."""
    example: str = "http://HOST:PORT"
    needs_key: bool = False


_HERE: Final = "guru.knowledge.index.external"
VENDORS: Final = {
    "qdrant": Vendor(
        "Qdrant", "qdrant_client", f"{_HERE}.qdrant:QdrantStore", "qdrant_client", example="http://HOST:6333"
    ),
    "milvus": Vendor("Milvus", "pymilvus", f"{_HERE}.milvus:MilvusStore", "milvus_lite", example="http://HOST:19530"),
    "weaviate": Vendor("Weaviate", "weaviate", f"{_HERE}.weaviate:WeaviateStore", example="http://HOST:8080"),
    "pinecone": Vendor(
        "Pinecone", "pinecone", f"{_HERE}.pinecone:PineconeStore",
        example="https://INDEX-PROJECT.svc.REGION.pinecone.io", needs_key=True,
    ),
    "chroma": Vendor("Chroma", "chromadb", f"{_HERE}.chroma:ChromaStore", "chromadb_rust_bindings", "http://HOST:8000"),
}  # fmt: skip
PACKAGES: Final = {"milvus_lite": "milvus-lite", "chromadb_rust_bindings": "chromadb", "qdrant_client": "qdrant-client"}


def settings_of(kind: str, settings: KnowledgeSettings) -> VectorStoreSettings:
    """Checked: what can be known to be wrong without asking anybody. Raises `ConfigurationError`."""
    vendor, place = VENDORS[kind], f"knowledge.{kind}"
    found: VectorStoreSettings | None = getattr(settings, kind)
    if found is None or (found.url is None and found.path is None):
        raise ConfigurationError(
            f"Nothing says where {vendor.title} is.", hint=f'Write [{place}] url = "{vendor.example}".', param=place
        )
    if found.path is not None and (vendor.local is None or found.url is not None):
        wrong = f"{vendor.title} does not run in this process" if vendor.local is None else "It has an address, too"
        raise ConfigurationError(f"{wrong}.", hint=f"Take [{place}] path out.", param=place)
    for name in ("url", "grpc_url"):
        if (url := getattr(found, name)) is not None:
            check_address(url, has_key=found.api_key is not None, place=f"{place}.{name}", example=vendor.example)
    if vendor.needs_key and not found.api_key:
        raise ConfigurationError(f"{vendor.title} wants a key.", hint=f'Write [{place}] api_key = "env:NAME".')
    needed = [(vendor.module, f"pip install 'guru[{kind}]'")]
    if found.path is not None:
        needed.append((str(vendor.local), f"pip install {PACKAGES[str(vendor.local)]}"))
    for module, install in needed:
        if not is_installed(module):
            raise ConfigurationError(f"{vendor.title} needs a package that is not installed.", hint=install)
    return found


def open_store(kind: str, settings: KnowledgeSettings) -> VectorStore:
    """A store, which some clients ask something while they are made: blocks. Raises `ConfigurationError`, and what the
    client raises."""
    found = settings_of(kind, settings)
    module, _, name = VENDORS[kind].store.partition(":")
    return cast(VectorStore, getattr(import_module(module), name)(found))


def is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def check_address(url: str, *, has_key: bool, place: str, example: str) -> None:
    """Raises `ConfigurationError` for what is no address, has a password in it, or would carry a key in the open."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good, parts = False, urlsplit("")
    if not good or parts.query or parts.fragment:
        raise ConfigurationError("That is not the address of a server.", hint=f"Write {example}.", param=place)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The address has a name or a password in it.", hint="Write the key as api_key, beside it.", param=place
        )
    if has_key and parts.scheme == "http" and not is_near(parts.hostname or ""):
        raise ConfigurationError(
            "The key would be sent where anybody between can read it.", hint="Write https:// in the address.",
            param=place,
        )  # fmt: skip


def is_near(host: str) -> bool:
    """Whether a host is this machine or one of a private network; a name without dots is one there."""
    try:
        address: Any = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan", ".corp", ".home.arpa"))
    return bool(address.is_private or address.is_loopback or address.is_link_local)
