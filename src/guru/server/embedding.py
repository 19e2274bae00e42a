"""The embedding models of a server, for its knowledge base: of this machine, and of providers, over the road."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from guru.gateway.identity import Caller
from guru.gateway.tasks import Host, perform
from guru.models.remote_embedder import RemoteEmbedder
from guru.protocols import Embedder
from guru.server.library import Library
from guru.store.ids import new_id
from guru.tasks import EmbeddingRequest, Embeddings

ROUTE: Final = "knowledge.embed"
"""What documents and queries cost is found under this route in the usage of an organisation."""
REMEMBERED: Final = 1000


class LibraryEmbedders:
    """Implements `guru.knowledge.embedders.EmbedderSource`."""

    def __init__(self, library: Library, *, counter: Embedder, host: Callable[[], Host]) -> None:
        """`counter` counts tokens for providers' models; `host` is the road, which is there when the first is asked."""
        self._library = library
        self._counter = counter
        self._host = host
        self._remote: dict[tuple[str, str], RemoteEmbedder] = {}

    def default(self) -> str:
        return self._library.resolve("embedding")

    def resolve(self, name: str) -> str:
        return self._library.resolve(name)

    def embedder(self, tenant: str, name: str) -> Embedder:
        if not self._library.is_remote(name):
            return self._library.embedder(name)
        self._library.embedding_model(name)  # raises where the provider has none
        key = (tenant, name)
        if key not in self._remote:
            if len(self._remote) >= REMEMBERED:
                self._remote.clear()
            self._remote[key] = RemoteEmbedder(name, self._ask_for(tenant), self._counter)
        return self._remote[key]

    def _ask_for(self, tenant: str) -> Callable[[EmbeddingRequest], Awaitable[Embeddings]]:
        async def ask(request: EmbeddingRequest) -> Embeddings:
            # The knowledge base has a cache of its own. More people see a trace than may see a document.
            caller = Caller(tenant=tenant, route=ROUTE, trace_id=new_id("tr"), cache="off")
            result: Embeddings = await perform(self._host(), "embeddings", request, caller, preview=False)
            return result

        return ask
