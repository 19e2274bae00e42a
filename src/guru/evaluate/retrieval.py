"""One question, searched: which hits were right, how long it took; and what many of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from guru.evaluate import metrics
from guru.evaluate.corpus import Find
from guru.evaluate.dataset import Question
from guru.evaluate.intervals import Interval, bootstrap, bootstraps
from guru.evaluate.places import Resolver, needs_met
from guru.types import JSON, SearchMode, SearchOptions

CUTOFFS: Final = (1, 3, 5, 10, 20, 50, 100)
SHOWN: Final = 200
"""Characters of a hit that a report shows."""


class HitSeen(Struct, kw_only=True):
    """A hit, and which needs of its question it meets."""

    rank: int
    score: float
    document: str
    page: int | None
    start: int
    end: int
    text: str
    """Its beginning."""
    met: list[int]


class Searched(Struct, kw_only=True):
    """What a search found for a question."""

    seconds: float
    needs: int
    """0 for a question that the documents do not answer."""
    hits: list[HitSeen]
    warning: str | None = None
    notes: list[str] = []
    """What a model should have done for the search and has not."""
    reranked: bool = False
    """Whether a model has reordered the hits."""

    @property
    def found(self) -> list[frozenset[int]]:
        return [frozenset(hit.met) for hit in self.hits]


class Latency(Struct):
    """Seconds."""

    p50: float
    p99: float
    mean: float


async def search(
    find: Find, resolver: Resolver, collection: str, question: Question, *,
    k: int, mode: SearchMode, filter: JSON | None, options: SearchOptions, to_read: bool = False,
) -> Searched:  # fmt: skip
    """Search for a question and say which hits are right. Raises what searching raises."""
    found = await find(collection, question.question, k=k, mode=mode, filter=filter, options=options, to_read=to_read)
    needs, warning = [], None
    if not question.impossible:
        resolved = await resolver.resolve(question)
        needs, warning = resolved.needs, resolved.warning
    seen = [
        HitSeen(
            rank=hit.rank, score=hit.score, document=hit.document, page=hit.page, start=hit.start, end=hit.end,
            text=hit.text[:SHOWN], met=sorted(needs_met(hit, needs)),
        )
        for hit in found.hits
    ]  # fmt: skip
    return Searched(
        seconds=found.seconds, needs=len(needs), hits=seen, warning=warning, notes=list(found.notes),
        reranked=any("rerank" in hit.stages for hit in found.hits),
    )  # fmt: skip


def measure(searched: Searched, k: int) -> dict[str, float]:
    """Every measure of one question, at every usual cutoff up to `k`. Not for one without needs."""
    found, needs = searched.found, searched.needs
    measured: dict[str, float] = {}
    for cutoff in cutoffs(k):
        measured |= {
            f"precision@{cutoff}": metrics.precision(found, cutoff),
            f"recall@{cutoff}": metrics.recall(found, needs, cutoff),
            f"hit_rate@{cutoff}": metrics.hit(found, cutoff),
            f"ndcg@{cutoff}": metrics.ndcg(found, needs, cutoff),
        }
    return measured | {f"mrr@{k}": metrics.reciprocal_rank(found, k)}


def cutoffs(k: int) -> list[int]:
    return sorted({cutoff for cutoff in CUTOFFS if cutoff < k} | {k})


def summarise(searched: Sequence[Searched], k: int, seed: int) -> dict[str, Interval]:
    """The mean of each measure over the questions that have an answer, with its interval."""
    import numpy as np

    measured = [measure(item, k) for item in searched if item.needs]
    if not measured:
        return {}
    intervals = bootstraps(np.array([list(row.values()) for row in measured], float), seed=seed)
    return dict(zip(measured[0], intervals, strict=True))


def means(values: dict[str, list[float]], seed: int) -> dict[str, Interval]:
    """Those that have values, each with its interval."""
    found = {name: bootstrap(row, seed=seed) for name, row in values.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


def latency(seconds: Sequence[float]) -> Latency | None:
    """Of some requests; None where there were none."""
    import numpy as np

    if not seconds:
        return None
    p50, p99 = np.percentile(seconds, [50, 99])
    return Latency(float(p50), float(p99), float(np.mean(seconds)))
