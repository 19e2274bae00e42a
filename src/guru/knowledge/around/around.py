"""Topics, maps and anomalies of collections, for whoever asks: of what they may see, computed beside the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from guru.knowledge.around.anomalies import LIMIT, measure
from guru.knowledge.around.cluster import Clusters
from guru.knowledge.around.layout import lay_out
from guru.knowledge.around.oddities import Reason
from guru.knowledge.around.points import Points, Unit, read_points
from guru.knowledge.around.topics import Topic, Topics, describe, find_topics, read_topics
from guru.knowledge.around.unusual import Anomaly, explain, order, read_beginnings
from guru.knowledge.collections import find_collection
from guru.knowledge.filters import compile_filter
from guru.store.database import Database
from guru.store.scope import Scope
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")
MOST_DOTS: Final = 2_000
"""Documents on a map."""
TEXTS_READ: Final = 5_000
"""Documents whose beginnings are read to see whether they are odd; of more, only those that are far from the others."""
FEW: Final = "Too few documents to call one unusual."
MANY: Final = "Among so many documents, the texts of those alone were looked at that are far from the others."
KEPT: Final = 64
"""Results that are kept until their collection changes."""


class Anomalies(Struct, kw_only=True):
    count: int
    """Documents that were looked at."""
    empty: int
    """Documents without a passage, which cannot be compared."""
    sampled: int | None
    """Among how many documents neighbours were looked for, where there are too many for all."""
    threshold: float
    """The deviation from which a document is listed."""
    note: str | None
    anomalies: list[Anomaly]
    """The most unusual first."""


class Dot(Struct, kw_only=True):
    """A document on the map."""

    id: str
    name: str
    title: str | None
    topic: int
    x: float
    y: float
    """Each within -1 to 1."""
    similarity: float
    """Cosine with the middle of its topic."""
    anomaly: list[Reason] | None
    """Why it is unlike the others, if it is."""


class Map(Struct, kw_only=True):
    topics: Topics
    dots: list[Dot]
    anomalies: int


class Odd(Struct, frozen=True):
    """What is unusual among some points."""

    count: int
    empty: int
    found: dict[int, Anomaly]
    """By point."""
    sampled: int | None
    note: str | None


class Asked(Struct, frozen=True):
    """Who asks about which documents."""

    scope: Scope
    collection: str
    unit: Unit
    filter: JSON | None


class Around:
    """Answers what a collection is about as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one = asyncio.Lock()
        self._results: OrderedDict[Any, Any] = OrderedDict()

    async def topics(
        self, scope: Scope, collection: str, *, unit: Unit = "documents", count: int | None = None, seed: int = 0,
        typical: int = 3, filter: JSON | None = None,
    ) -> Topics:  # fmt: skip
        """What the documents, or passages, are about. `count`: how many topics; None: as many as the data has.

        Raises `NotFound`, and `InvalidParameter` for the filter.
        """
        asked = Asked(scope, collection, unit, filter)
        what = ("topics", count, seed, typical)
        found: Topics = await self._kept(asked, what, lambda points: self._topics(points, count, seed, typical))
        return found

    async def anomalies(
        self, scope: Scope, collection: str, *, limit: int = 20, seed: int = 0, filter: JSON | None = None
    ) -> Anomalies:
        """Documents that are unlike the others, with reasons. Raises as `topics`."""
        asked = Asked(scope, collection, "documents", filter)
        odd: Odd = await self._kept(asked, ("odd", seed), lambda points: self._odd(points, seed))
        listed = sorted(odd.found.values(), key=order)[:limit]
        return Anomalies(
            count=odd.count, empty=odd.empty, sampled=odd.sampled, threshold=LIMIT, note=odd.note, anomalies=listed
        )

    async def map(
        self, scope: Scope, collection: str, *, count: int | None = None, seed: int = 0, filter: JSON | None = None
    ) -> Map:
        """Documents on a plane, by topic. Raises as `topics`."""
        asked = Asked(scope, collection, "documents", filter)
        found: Map = await self._kept(asked, ("map", count, seed), lambda points: self._map(points, count, seed))
        return found

    async def _kept(
        self, asked: Asked, what: tuple[Any, ...], make: Callable[[Points], Coroutine[Any, Any, Any]]
    ) -> Any:
        """What `make` makes of the points, or the result from before, of the same for the same person and an
        unchanged collection."""
        accepts = compile_filter(asked.filter) if asked.filter else None

        def look(connection: Connection) -> tuple[str, int]:
            row = find_collection(connection, asked.scope.tenant, asked.collection)
            return str(row.id), int(row.generation)

        mark = await self._database.read(look)
        key = (mark, asked.unit, asked.scope.names, msgspec.json.encode(asked.filter, order="sorted"), what)
        if key not in self._results:
            points = await self._database.read(
                lambda connection: read_points(connection, asked.scope, asked.collection, asked.unit, accepts)
            )
            self._results[key] = await make(points)
        self._results.move_to_end(key)
        while len(self._results) > KEPT:
            self._results.popitem(last=False)
        return self._results[key]

    async def _topics(self, points: Points, count: int | None, seed: int, typical: int) -> Topics:
        return (await self._clustered(points, count, seed, typical))[0]

    async def _map(self, points: Points, count: int | None, seed: int) -> Map:
        topics, clusters, near = await self._clustered(points, count, seed, 3)
        odd = (await self._odd(points, seed)).found
        if clusters is None or near is None:
            return Map(topics=topics, dots=[], anomalies=0)
        shown = await self._compute(lambda: choose_dots(len(points), odd, seed))
        places = await self._compute(lambda: lay_out(points.vectors[shown], clusters.labels[shown], clusters.centres))
        dots = [
            Dot(
                id=about.id, name=about.name, title=about.title, topic=int(clusters.labels[at]), x=round(float(x), 4),
                y=round(float(y), 4), similarity=round(float(near[at]), 4),
                anomaly=odd[at].reasons if at in odd else None,
            )
            for at, (x, y) in zip(shown, places, strict=True)
            for about in [points.owners[at]]
        ]  # fmt: skip
        return Map(topics=topics, dots=dots, anomalies=len(odd))

    async def _clustered(
        self, points: Points, count: int | None, seed: int, typical: int
    ) -> tuple[Topics, Clusters | None, NDArray[Any] | None]:
        about: JSON = {"unit": points.unit, "count": len(points), "empty": points.without}
        if not len(points):
            return Topics(**about, silhouette=None, sampled=None, topics=[]), None, None
        clusters, near = await self._compute(lambda: find_topics(points, count, seed))
        texts, examples = await self._database.read(
            lambda connection: read_topics(connection, points, clusters, near, typical)
        )
        found: list[Topic] = await self._compute(lambda: describe(clusters, near, texts, examples))
        score = None if clusters.silhouette is None else round(clusters.silhouette, 4)
        return Topics(**about, silhouette=score, sampled=clusters.sampled, topics=found), clusters, near

    async def _odd(self, points: Points, seed: int) -> Odd:
        outliers = await self._compute(lambda: measure(points.vectors, seed))
        if outliers is None:
            return Odd(len(points), points.without, {}, None, FEW if len(points) else None)
        far = [int(place) for place in outliers.unusual.nonzero()[0]]
        every = len(points) <= TEXTS_READ
        looked = list(range(len(points))) if every else far
        beginnings, lengths = await self._database.read(
            lambda connection: read_beginnings(connection, [points.owners[place].id for place in looked])
        )
        found = await self._compute(lambda: explain(points, outliers, looked, beginnings, lengths))
        return Odd(len(points), points.without, found, outliers.sampled, None if every else MANY)

    async def _compute(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread, one at a time: what a caller who has gone began runs to its end, and does not pile
        up."""
        async with self._one:
            running = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait((running,))
                raise


def choose_dots(count: int, odd: dict[int, Anomaly], seed: int) -> list[int]:
    """The points that are shown: all, or what is unusual and a sample of the others."""
    import numpy as np

    if count <= MOST_DOTS:
        return list(range(count))
    first = sorted(odd, key=lambda at: order(odd[at]))[: MOST_DOTS // 4]
    rest = np.setdiff1d(np.arange(count), first)
    chosen = np.random.default_rng(seed).choice(rest, MOST_DOTS - len(first), replace=False)
    return [int(place) for place in np.sort(np.concatenate([np.array(first, np.int64), chosen]))]
