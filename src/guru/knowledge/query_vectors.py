"""Queries are embedded by the model of the collection that is searched, also while that is being changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, Row, bindparam, select

from guru.errors import Conflict, GuruError
from guru.knowledge.collections import find_collection
from guru.knowledge.embedders import Embedders
from guru.knowledge.kept import Kept
from guru.knowledge.rows import dimension_of
from guru.knowledge.vectors import VECTOR
from guru.store.database import Database
from guru.store.tables import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")
CHANGES: Final = 10
"""How often a collection may change its model while one query is embedded."""
REMEMBERED: Final = 10_000
"""Collections whose model and dimension are known without asking."""
ANY_VECTOR: Final = select(VECTOR).where(chunks.c.collection_id == bindparam("collection")).limit(1)


class OtherModel(Exception):
    """The collection has another model than the one that embedded the query."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model


class Vectors(Struct, frozen=True):
    """Queries, embedded."""

    model: str
    vectors: NDArray[Any]
    """float32, unit length, shape (n, dimension)."""
    dimensions: Kept[int | None]
    """Of the vectors of each generation of a collection; None: it has none."""

    def check(self, connection: Connection, collection: Row[Any]) -> None:
        """See that a collection is of the same model.

        Raises `OtherModel`, and `Conflict` for a model that has other vectors now under its old name.
        """
        if collection.embedding_model != self.model:
            raise OtherModel(collection.embedding_model)
        generation = (collection.id, collection.generation, self.model)
        dimension = self.dimensions.get(generation, lambda: read_dimension(connection, collection.id))
        if dimension not in (None, self.vectors.shape[1]):
            raise Conflict(
                f"{self.model} gives vectors of {self.vectors.shape[1]} dimensions; those of the collection "
                f"{collection.name!r} have {dimension}: it is another model by the same name.",
                hint="Give the new one a name of its own, by another [providers] table, and embed the collection anew: "
                f"guru collections reembed {collection.name} --model NAME",
            )


def read_dimension(connection: Connection, collection_id: str) -> int | None:
    """Of the vectors of a collection; None for an empty one."""
    one = connection.scalar(ANY_VECTOR, {"collection": collection_id})
    return None if one is None else dimension_of(one)


class QueryEmbedder:
    """Embeds queries for collections. Knows their models from the search before, and is told when one has changed."""

    def __init__(self, database: Database, embedders: Embedders) -> None:
        self._database = database
        self._embedders = embedders
        self._models: dict[tuple[str, str], str] = {}
        self._dimensions: Kept[int | None] = Kept(REMEMBERED)

    async def embedded(
        self, tenant: str, collection: str, texts: Sequence[str], search: Callable[[Vectors], Awaitable[Result]]
    ) -> Result:
        """What `search` makes of the vectors of `texts`; it calls `Vectors.check` in its transaction.

        Raises what the model raises, `NotFound`, and `Conflict` where the model is not available any more.
        """
        key = (tenant, collection)
        for _ in range(CHANGES):
            known = self._models.get(key)
            model = known or await self._ask(tenant, collection)
            try:
                vectors = await self._embed(tenant, collection, model, texts)
            except GuruError:
                # The old model may be gone because all were changed to a new one, on another server.
                self._models.pop(key, None)
                if known is None or await self._ask(tenant, collection) == known:
                    raise
                continue
            try:
                found = await search(vectors)
            except OtherModel as other:
                self._remember(key, other.model)
                continue
            self._remember(key, model)
            return found
        raise Conflict(f"The collection {collection!r} changes its model again and again.", hint="Try again.")

    async def _embed(self, tenant: str, collection: str, model: str, texts: Sequence[str]) -> Vectors:
        embedder = self._embedders.of(tenant, collection, model)
        return Vectors(model, await embedder.embed_queries(texts), self._dimensions)

    async def _ask(self, tenant: str, collection: str) -> str:
        row = await self._database.read(lambda connection: find_collection(connection, tenant, collection))
        return str(row.embedding_model)

    def _remember(self, key: tuple[str, str], model: str) -> None:
        if len(self._models) >= REMEMBERED:
            self._models.clear()
        self._models[key] = model
