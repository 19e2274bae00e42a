"""What a vendor's file does: seven calls that block, and run in threads.

A store is given numbers, vectors and the ids of documents. No text and no name leaves this machine. Vectors have
unit length, so that every store compares by the inner product, and no other distance is asked of one.

Clients that are made for threads are used, not those for event loops: the local modes of some block whatever they are
called, and one way serves all.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from guru.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH: Final = 200
"""Passages in one call. Pinecone takes 2 MB at most, which 200 vectors of 768 dimensions are as JSON."""
FILTER: Final = 1000
"""Documents that one search is narrowed to, or keeps out. Every vendor takes as many, and none is slow with them."""
MOST: Final = 10_000
"""Passages that a search is asked for at most: Weaviate and Pinecone give no more."""


class StoreAway(StoreError):
    """A store that does not answer, refuses, or answers what it should not."""


class Entry(Struct, frozen=True):
    """A passage as a store has it."""

    document: str
    vector: NDArray[Any]
    """Float32."""


class VectorStore(Protocol):
    """The collections of one installation on one server. Any thread may call. All may raise what the client raises."""

    def ping(self) -> str:
        """What answers, with its version. Raises where the key is refused."""

    def ensure(self, name: str, dimension: int) -> bool:
        """See that the collection is there; True where it had to be made. One of another dimension is removed and made
        anew: its name is ours."""

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        """Put passages in, in place of those of the same ids. A search sees them when this returns."""

    def delete(self, name: str, ids: Sequence[int]) -> None:
        """Take passages out, those that are there."""

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        """The `k` passages with the greatest product, with it; of the documents `only`, and of none of `never`."""

    def count(self, name: str) -> int:
        """How many passages are there; 0 where there is no such collection."""

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        """Those of the passages that are there."""

    def drop(self, name: str) -> None:
        """Remove the collection, if it is there."""

    def close(self) -> None:
        """Let go of connections."""


def name_of(collection_id: str, model: str) -> str:
    """What a collection is called on other servers: a letter, digits and an underscore, as all of them allow.

    It is made of the collection's id, which is random, and so belongs to one tenant of one installation; and of the
    model, as vectors of different models are not compared.
    """
    return f"guru_{blake2b(f'{collection_id}/{model}'.encode(), digest_size=16).hexdigest()}"


def document_filter(only: Sequence[str] | None, never: Sequence[str], contains: str, lacks: str) -> Any:
    """The filter of those vendors who write it as in MongoDB; None for none."""
    if only is not None:
        return {"document": {contains: list(only)}}
    return {"document": {lacks: list(never)}} if never else None
