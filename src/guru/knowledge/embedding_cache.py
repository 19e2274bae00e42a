"""Vectors of texts that were embedded before, so that no model is asked twice for the same text.

A document that changes in one paragraph, a collection that is cut anew or copied, a page that stands in two documents:
what is the same is read from the database. Organisations are apart, as are models and their revisions, and documents
with different access lists: how long it takes to embed a text, and how many were reused, tells nothing of what one may
not see.

A row can only be read by who has its text. Its key is a hash of organisation, model and text, and its vector is masked
by another hash of the same, as texts can be guessed back from vectors. What is left of a document that was deleted
tells nothing but to somebody who has exactly that sentence and asks whether it was here; rows that are not used go in
time.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, select, update

from guru.knowledge.rows import dimension_of_fine, fine_type, pack_fine
from guru.patience import patiently
from guru.protocols import Embedder
from guru.store.bulk import insert_rows
from guru.store.database import Database
from guru.store.tables import embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH: Final = 512
"""Texts embedded and kept at once."""
LOOKED_UP: Final = 2048
"""Texts looked up at once."""
DAY: Final = 86_400.0
TOUCH: Final = DAY
"""Seconds. That a row was used is noted when the last note is older: a hit is to cost no write."""
OVERHEAD: Final = 160
"""Bytes of a row beside its vector: the key, and its places in three indexes."""
SPARE: Final = 0.9
"""What a sweep leaves of the limit, so that the next job does not sweep again."""
_THESE: Final = embeddings.c.key.in_(bindparam("keys", expanding=True))
_KEPT: Final = select(embeddings.c.key, embeddings.c.vector, embeddings.c.used_at).where(
    _THESE, embeddings.c.tenant == bindparam("tenant")
)
_REMOVE: Final = delete(embeddings).where(_THESE)
WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts with a model that is busy or away."""


class Embedded(Struct, frozen=True):
    """Vectors of texts, and where they came from."""

    packed: NDArray[Any]
    """As they are stored, see `rows.pack_fine`: one that was kept and one that was made are the same."""
    embedded: int
    """Different texts that the model was asked for."""
    reused: int
    """Different texts that had been embedded before."""
    seconds: float
    """That the model took."""


class CacheSize(Struct, frozen=True):
    """What is kept of an organisation's texts."""

    texts: int
    bytes: int


class EmbeddingCache:
    """Embeds texts of jobs, each once."""

    def __init__(self, database: Database, *, megabytes: float, days: float) -> None:
        """Keeps up to `megabytes` for all organisations together, 0 for none, and what was used in the last `days`."""
        self._database = database
        self._limit = megabytes * 1e6
        self._seconds = days * DAY

    async def embed(
        self, tenant: str, embedder: Embedder, texts: Sequence[str], readers: Sequence[str] | None = None
    ) -> Embedded:
        """The vectors of `texts`. Waits, a minute at most, for a model that is busy. Raises what the model raises.

        `readers` says for each text who may see it, as `readers_of` writes it; None: everybody.
        """
        items = [*map(Item, texts, readers or [""] * len(texts))]
        unique = list(dict.fromkeys(items))  # a passage of one sentence, a line that every page has
        found: dict[Item, bytes] = {}
        work = Work()
        for start in range(0, len(unique), LOOKED_UP):
            found |= await self._portion(tenant, embedder, unique[start : start + LOOKED_UP], work)
        if len(set(map(len, found.values()))) > 1:  # the model was exchanged under its name: nothing kept is its
            found = await self._made(tenant, embedder, unique, work)
        packed = await asyncio.to_thread(_join, [found[item] for item in items], embedder.dimension)
        return Embedded(packed, work.embedded, max(0, len(unique) - work.embedded), work.seconds)

    async def size(self, tenant: str) -> CacheSize:
        """What is kept of one organisation."""
        mine = embeddings.c.tenant == tenant
        return await self._database.read(lambda connection: CacheSize(*_measure(connection, mine)))

    async def sweep(self) -> int:
        """Remove what was not used for long, and the oldest of what is too much; returns how many rows."""
        return await self._database.write(self._sweep)

    async def _portion(self, tenant: str, embedder: Embedder, items: list[Item], work: Work) -> dict[Item, bytes]:
        """Packed vectors of different texts."""
        known = await self._known(tenant, embedder, items) if self._limit else {}
        missing = [item for item in items if item not in known]
        if not missing:
            return known
        made = await self._made(tenant, embedder, missing, work)
        if known and len({len(blob) for blob in (*known.values(), *made.values())}) > 1:
            return made | await self._made(tenant, embedder, list(known), work)
        return known | made

    async def _known(self, tenant: str, embedder: Embedder, items: list[Item]) -> dict[Item, bytes]:
        """Those that were kept, in one query."""
        now = time.time()

        def look(connection: Connection) -> tuple[dict[Item, bytes], list[bytes]]:
            names = {name_of(tenant, embedder, item): item for item in items}
            found, old = {}, []
            for key, vector, used_at in connection.execute(_KEPT, {"keys": list(names), "tenant": tenant}):
                if embedder.dimension in (0, dimension_of_fine(vector)):
                    found[names[key]] = masked(vector, tenant, embedder, names[key])
                    if used_at < now - TOUCH:
                        old.append(key)
            return found, old

        found, old = await self._database.read(look)
        if old:
            touch = update(embeddings).where(embeddings.c.key.in_(old)).values(used_at=now)
            await self._database.write(lambda connection: connection.execute(touch))
        return found

    async def _made(self, tenant: str, embedder: Embedder, items: list[Item], work: Work) -> dict[Item, bytes]:
        """Those that the model makes now; they are kept."""
        made: dict[Item, bytes] = {}
        for start in range(0, len(items), BATCH):
            portion = items[start : start + BATCH]
            began = time.monotonic()
            vectors = await patiently(partial(embedder.embed, [item.text for item in portion]), WAITS, WAITS[-1])
            work.seconds += time.monotonic() - began
            work.embedded += len(portion)
            packed = pack_fine(vectors)
            fresh = {item: packed[row].tobytes() for row, item in enumerate(portion)}
            if self._limit:
                await self._keep(tenant, embedder, fresh)
            made |= fresh
        return made

    async def _keep(self, tenant: str, embedder: Embedder, made: dict[Item, bytes]) -> None:
        now = time.time()

        def rows() -> list[dict[str, Any]]:
            return [
                {"key": name_of(tenant, embedder, item), "tenant": tenant, "used_at": now,
                 "vector": masked(blob, tenant, embedder, item)}
                for item, blob in made.items()
            ]  # fmt: skip

        fresh = await asyncio.to_thread(rows)

        def write(connection: Connection) -> None:
            connection.execute(_REMOVE, {"keys": [row["key"] for row in fresh]})
            insert_rows(connection, embeddings, fresh)

        await self._database.write(write)

    def _sweep(self, connection: Connection) -> int:
        old = embeddings.c.used_at < time.time() - self._seconds
        removed = connection.execute(delete(embeddings).where(old)).rowcount
        texts, size = _measure(connection)
        if size > self._limit:
            surplus = math.ceil((size - self._limit * SPARE) * texts / size)
            oldest = select(embeddings.c.key).order_by(embeddings.c.used_at).limit(surplus)
            removed += connection.execute(delete(embeddings).where(embeddings.c.key.in_(oldest))).rowcount
        return removed


class Item(NamedTuple):
    """A text, and who may see it."""

    text: str
    readers: str = ""


class Work(Struct):
    """What a model was asked for."""

    embedded: int = 0
    seconds: float = 0.0


def readers_of(names: Iterable[str]) -> str:
    """An access list as part of a key."""
    return "\n".join(sorted(names))


def name_of(tenant: str, embedder: Embedder, item: Item) -> bytes:
    """The key of a text's row."""
    return hashlib.sha256(_said("key", tenant, embedder, item)).digest()


def masked(vector: bytes, tenant: str, embedder: Embedder, item: Item) -> bytes:
    """A packed vector, masked; or, of a masked one, the vector."""
    mask = hashlib.shake_256(_said("vector", tenant, embedder, item)).digest(len(vector))
    return (int.from_bytes(vector, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(vector), "big")


def _said(purpose: str, tenant: str, embedder: Embedder, item: Item) -> bytes:
    return "\0".join((purpose, tenant, embedder.name, embedder.revision, item.readers, item.text)).encode(
        "utf-8", "surrogatepass"
    )


def _join(blobs: Sequence[bytes], dimension: int) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(b"".join(blobs), fine_type(dimension_of_fine(blobs[0]) if blobs else dimension))


def _measure(connection: Connection, *mine: Any) -> tuple[int, int]:
    """How many rows there are, and about how many bytes they take."""
    query = select(func.count(), func.coalesce(func.sum(func.length(embeddings.c.vector)), 0)).where(*mine)
    texts, size = connection.execute(query).one()
    return texts, int(size) + texts * OVERHEAD
