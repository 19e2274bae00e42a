"""Unusual documents, each with what can be said of why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, select

from guru.knowledge.around.anomalies import Outliers
from guru.knowledge.around.oddities import READ, Reason, odd_text, other_language, short_text
from guru.knowledge.around.points import AT_ONCE, Points
from guru.store.tables import chunks, document_texts

CLOSEST: Final = 3
"""Neighbours that are named."""
FIRST: Final = 8
"""Passages that the beginning of a document is taken from."""


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


def order(anomaly: Anomaly) -> tuple[float, str]:
    return -anomaly.deviation, anomaly.name


def read_beginnings(connection: Connection, ids: Sequence[str]) -> tuple[dict[str, str], dict[str, int]]:
    """The beginnings of documents, from their first passages, and how many characters they have."""
    beginnings: dict[str, str] = {}
    lengths: dict[str, int] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        texts = select(document_texts.c.document_id, func.length(document_texts.c.text))
        lengths |= {row[0]: row[1] for row in connection.execute(texts.where(document_texts.c.document_id.in_(some)))}
        first = select(chunks.c.document_id, chunks.c.text).where(
            chunks.c.document_id.in_(some), chunks.c.ordinal < FIRST
        )
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
