"""Topics, maps and anomalies of collections, for whoever asks: of what they may see, computed beside the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, func, select

from guru.knowledge.around.anomalies import LIMIT, Outliers, measure
from guru.knowledge.around.cluster import Clusters
from guru.knowledge.around.layout import lay_out
from guru.knowledge.around.oddities import READ, Reason, odd_text, other_language, short_text
from guru.knowledge.around.points import AT_ONCE, Points, Unit, read_points
from guru.knowledge.around.topics import Topic, Topics, describe, find_topics, read_topics
from guru.knowledge.filters import compile_filter
from guru.knowledge.index import Views
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, document_texts
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")
MOST_DOTS: Final = 2_000
"""Documents on a map."""
TEXTS_READ: Final = 20_000
"""Documents whose beginnings are read to see whether they are odd; of more, only those that are far from the others."""
CLOSEST: Final = 3
"""Neighbours that are named."""


class Near(Struct):
    """A document that is among the nearest to another, and their cosine."""

    id: str
    name: str
    similarity: float


class Anomaly(Struct, kw_only=True):
    """A document that is unlike the others."""

    id: str
    name: str
    title: str | None
    language: str | None
    score: float
    """The local outlier factor: how many times sparser it is around it than around its neighbours. About 1 is usual."""
    deviation: float
    """How far this is above the median of the collection, in robust standard deviations."""
    reasons: list[Reason]
    nearest: list[Near]


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


class Around:
    """Answers what a collection is about as a whole."""

    def __init__(self, database: Database, views: Views, embedding_model: str) -> None:
        self._database = database
        self._views = views
        self._embedding_model = embedding_model
        self._one = asyncio.Lock()

    async def topics(
        self, scope: Scope, collection: str, *, unit: Unit = "documents", count: int | None = None, seed: int = 0,
        typical: int = 3, filter: JSON | None = None,
    ) -> Topics:  # fmt: skip
        """What the documents, or passages, are about. `count`: how many topics; None: as many as the data has.

        Raises `NotFound`, `InvalidParameter` for the filter, `Conflict` for a collection of another embedding model.
        """
        points = await self._points(scope, collection, unit, filter)
        return (await self._topics(points, count, seed, typical))[0]

    async def anomalies(
        self, scope: Scope, collection: str, *, limit: int = 20, seed: int = 0, filter: JSON | None = None
    ) -> Anomalies:
        """Documents that are unlike the others, with reasons. Raises as `topics`."""
        points = await self._points(scope, collection, "documents", filter)
        found, sampled = await self._anomalies(points, seed)
        return Anomalies(
            count=len(points), empty=points.without, sampled=sampled, threshold=LIMIT,
            note="Too few documents to call one unusual." if len(points) and sampled == 0 else None,
            anomalies=[found[place] for place in sorted(found, key=lambda at: order(found[at]))][:limit],
        )  # fmt: skip

    async def map(
        self, scope: Scope, collection: str, *, count: int | None = None, seed: int = 0, filter: JSON | None = None
    ) -> Map:
        """Documents on a plane, by topic. Raises as `topics`."""
        points = await self._points(scope, collection, "documents", filter)
        topics, clusters, near = await self._topics(points, count, seed, 3)
        odd, _ = await self._anomalies(points, seed)
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

    async def _points(self, scope: Scope, collection: str, unit: Unit, filter: JSON | None) -> Points:
        accepts = compile_filter(filter) if filter else None
        return await self._database.read(
            lambda connection: read_points(
                connection, self._views, scope, collection,
                unit=unit, accepts=accepts, embedding_model=self._embedding_model,
            )
        )  # fmt: skip

    async def _topics(
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

    async def _anomalies(self, points: Points, seed: int) -> tuple[dict[int, Anomaly], int | None]:
        """What is unusual, by point, and the size of the sample that was compared with; 0: nothing was."""
        outliers = await self._compute(lambda: measure(points.vectors, seed))
        if outliers is None:
            return {}, 0
        far = [int(place) for place in outliers.unusual.nonzero()[0]]
        looked = list(range(len(points))) if len(points) <= TEXTS_READ else far
        beginnings, lengths = await self._database.read(
            lambda connection: read_beginnings(connection, [points.owners[place].id for place in looked])
        )
        found = await self._compute(lambda: explain(points, outliers, looked, beginnings, lengths))
        return found, outliers.sampled

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


def order(anomaly: Anomaly) -> tuple[float, str]:
    return -anomaly.deviation, anomaly.name


def choose_dots(count: int, odd: dict[int, Anomaly], seed: int) -> list[int]:
    """The points that are shown: all, or what is unusual and a sample of the others."""
    import numpy as np

    if count <= MOST_DOTS:
        return list(range(count))
    first = sorted(odd, key=lambda at: order(odd[at]))[: MOST_DOTS // 4]
    rest = np.setdiff1d(np.arange(count), first)
    chosen = np.random.default_rng(seed).choice(rest, MOST_DOTS - len(first), replace=False)
    return [int(place) for place in np.sort(np.concatenate([np.array(first, np.int64), chosen]))]


def read_beginnings(connection: Connection, ids: Sequence[str]) -> tuple[dict[str, str], dict[str, int]]:
    """The beginnings of documents, from their first passages, and how many characters they have."""
    beginnings: dict[str, str] = {}
    lengths: dict[str, int] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        texts = select(document_texts.c.document_id, func.length(document_texts.c.text))
        lengths |= {row[0]: row[1] for row in connection.execute(texts.where(document_texts.c.document_id.in_(some)))}
        first = select(chunks.c.document_id, chunks.c.text).where(chunks.c.document_id.in_(some), chunks.c.ordinal < 8)
        for document, text in connection.execute(first.order_by(chunks.c.document_id, chunks.c.ordinal)):
            beginnings[document] = f"{beginnings.get(document, '')}\n{text}"[: READ + 1]
    return beginnings, lengths


def explain(
    points: Points, outliers: Outliers, looked: Sequence[int], beginnings: dict[str, str], lengths: dict[str, int]
) -> dict[int, Anomaly]:
    """Of the points that were looked at, those that are far from the others or whose text is odd, with reasons."""
    languages = Counter(about.language for about in points.owners if about.language)
    usual, times = languages.most_common(1)[0] if languages else (None, 0)
    known = sorted(lengths.values())
    median = known[len(known) // 2] if len(looked) == len(points) and known else 0
    unusual = outliers.unusual
    found = {}
    for place in looked:
        about = points.owners[place]
        reasons = odd_text(beginnings.get(about.id, ""))
        if not unusual[place] and not reasons:
            continue
        plain = [
            short_text(lengths.get(about.id, 0), median),
            other_language(about.language, usual, times / max(languages.total(), 1)),
        ]
        reasons += [reason for reason in plain if reason is not None]
        near = [
            Near(points.owners[at].id, points.owners[at].name, round(float(cosine), 4))
            for at, cosine in zip(outliers.neighbours[place, :CLOSEST], outliers.similarity[place], strict=False)
        ]
        if unusual[place]:
            reasons.append(far_away(near[0], float(outliers.factor[place])))
        found[place] = Anomaly(
            id=about.id, name=about.name, title=about.title, language=about.language,
            score=round(float(outliers.factor[place]), 4), deviation=round(float(outliers.deviation[place]), 2),
            reasons=reasons, nearest=near,
        )  # fmt: skip
    return found


def far_away(nearest: Near, factor: float) -> Reason:
    return Reason(
        "far",
        f"The most similar document, {nearest.name}, has a cosine of {nearest.similarity:.2f}; its neighbours lie "
        f"{factor:.2f} times closer together than it does to them.",
    )
