"""Topics: what the documents of a collection are about, each with its words and its most typical documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.around.cluster import Clusters, find_clusters
from guru.knowledge.around.labels import NAMED, Text, name_topics
from guru.knowledge.around.points import AT_ONCE, Points, Unit
from guru.store.tables import chunks, documents

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ: Final = 200
"""Passages of a topic that are read for its words: the nearest to its documents, in turns."""
EXAMPLES: Final = 400
"""Documents of a topic whose passages are read: the most typical."""
EXCERPT: Final = 300
"""Characters."""


class Typical(Struct, kw_only=True):
    """A document, or a passage of one, that is near the middle of its topic."""

    id: str
    """Of the document."""
    name: str
    title: str | None
    similarity: float
    """Cosine with the middle of the topic."""
    page: int | None
    start: int
    """Of the passage that is most like it, in the stored text; so `end`."""
    end: int
    text: str
    """The beginning of this passage."""


class Topic(Struct, kw_only=True):
    number: int
    label: str
    words: list[str]
    """That tell it from the others, the most telling first."""
    size: int
    """Documents, or passages, in it."""
    share: float
    cohesion: float
    """The mean cosine of its members with its middle."""
    typical: list[Typical]


class Topics(Struct, kw_only=True):
    unit: Unit
    count: int
    """Documents, or passages, that were looked at."""
    empty: int
    """Documents without a passage, which are in no topic."""
    silhouette: float | None
    """How well the topics are apart, -1 to 1. None for one topic."""
    sampled: int | None
    """How many the topics were found with, where there are too many for all; the others were put to the nearest."""
    topics: list[Topic]
    """The largest first."""


def find_topics(points: Points, count: int | None, seed: int) -> tuple[Clusters, NDArray[Any]]:
    """The clusters of some points, at least one, and how near each point is to the middle of its own."""
    clusters = find_clusters(points.vectors, count, seed)
    near = (points.vectors * clusters.centres[clusters.labels]).sum(axis=1)
    return clusters, near


def most_typical(clusters: Clusters, near: NDArray[Any], number: int, most: int) -> list[int]:
    """The points of a cluster nearest to its middle, the nearest first."""
    import numpy as np

    mine = np.flatnonzero(clusters.labels == number)
    return [int(place) for place in mine[np.lexsort((mine, -near[mine]))[:most]]]


def read_topics(
    connection: Connection, points: Points, clusters: Clusters, near: NDArray[Any], typical: int
) -> tuple[list[list[Text]], list[list[Typical]]]:
    """Of each cluster the texts that its words are taken from, and its most typical members.

    Passages that have gone since the points were read are left out.
    """
    texts, examples = [], []
    for number in range(len(clusters.centres)):
        members = most_typical(clusters, near, number, EXAMPLES)
        found = read_texts(connection, points.chunks_of(members, READ))
        by_passage = points.unit == "passages"
        texts.append([Text(str(row.id) if by_passage else row.document_id, row.language, row.text) for row in found])
        examples.append([item for place in members[:typical] if (item := example(connection, points, near, place))])
    return texts, examples


def read_texts(connection: Connection, ids: Sequence[int]) -> list[Any]:
    """The passages of these ids that are still there, in the order of the ids."""
    found: list[Any] = []
    for start in range(0, len(ids), AT_ONCE):
        query = (
            select(chunks.c.id, chunks.c.document_id, chunks.c.text, documents.c.language)
            .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
            .where(chunks.c.id.in_(ids[start : start + AT_ONCE]))
        )
        found += connection.execute(query.order_by(chunks.c.id)).all()
    return found


def example(connection: Connection, points: Points, near: NDArray[Any], place: int) -> Typical | None:
    """One point, with its passage that is most like it; None when it has gone."""
    first = points.chunks_of([place], 1)
    columns = [chunks.c[name] for name in ("page", "start", "end", "text")]
    row = connection.execute(select(*columns).where(chunks.c.id.in_(first))).one_or_none()
    if row is None:
        return None
    about = points.owners[place]
    return Typical(
        id=about.id, name=about.name, title=about.title, similarity=round(float(near[place]), 4), page=row.page,
        start=row.start, end=row.end, text=row.text[:EXCERPT],
    )  # fmt: skip


def describe(
    clusters: Clusters, near: NDArray[Any], texts: Sequence[Sequence[Text]], examples: Sequence[list[Typical]]
) -> list[Topic]:
    """The topics in words and numbers, from what was read of them."""
    named, made = name_topics(texts), []
    for number, (words, typical) in enumerate(zip(named, examples, strict=True)):
        mine = clusters.labels == number
        made.append(
            Topic(
                number=number,
                label=", ".join(words[:NAMED]) or f"Topic {number + 1}",
                words=words,
                size=int(mine.sum()),
                share=round(float(mine.mean()), 4),
                cohesion=round(float(near[mine].mean()), 4),
                typical=typical,
            )
        )
    return made
