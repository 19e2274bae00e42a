"""What an evaluation is told to do: as it comes over the API, as it is kept, and as its report repeats it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from guru.config.base import Chunking, Share
from guru.types import JSON, SIDE_WEIGHT, Fusion, SearchMode

Names = list[Annotated[str, Meta(min_length=1, max_length=200)]]
K = Annotated[int, Meta(ge=1, le=200)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Metric = Literal["recall", "ndcg", "hit_rate", "mrr", "precision"]


class RetrievalOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Measure a search, and with `answers` the answers too."""

    k: K = 10
    """How many passages are looked at."""
    mode: SearchMode | None = None
    """As `[knowledge] mode` says when None."""
    filter: JSON | None = None
    seed: Seed = 0
    """Of the intervals: the same seed gives the same ones."""
    answers: bool = False
    """Whether every question is also answered, and the answer measured."""
    model: str = "default"
    """Which model answers."""
    judge: str | None = None
    """A model that judges the answers; without one the local measures are taken."""
    passages: Annotated[int, Meta(ge=1, le=100)] | None = None
    """How many passages an answer draws on; the configuration's when None."""
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Confidence under which an answer is declined; the configuration's when None."""
    at_once: Annotated[int, Meta(ge=1, le=32)] = 2
    """Answers that are asked for at the same time."""


class QuestionOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Make questions from the documents of a collection."""

    count: Annotated[int, Meta(ge=1, le=2000)] = 50
    seed: Seed = 0
    model: str | None = None
    """A chat model that writes them; without one they are sentences with a gap, and headings."""


class TuneOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Try settings of search on questions."""

    modes: Annotated[list[SearchMode], Meta(min_length=1)] = field(
        default_factory=lambda: ["hybrid", "dense", "sparse"]
    )
    ks: Annotated[list[K], Meta(min_length=1, max_length=20)] = field(default_factory=lambda: [1, 3, 6, 10, 20])
    """Numbers of passages; the configuration's own is always tried too."""
    fusions: Annotated[list[Fusion], Meta(min_length=1)] = field(default_factory=lambda: ["learned", "rrf", "weighted"])
    """How scores become one, in hybrid search."""
    dense_weights: Annotated[list[Share], Meta(min_length=1, max_length=9)] = field(
        default_factory=lambda: [SIDE_WEIGHT]
    )
    """Of the dense side in `rrf` and `weighted`; the sparse one has the rest of 1."""
    reranks: Annotated[Names, Meta(max_length=5)] = []
    """Models that reorder what was found, besides none of them: each is asked once for every question and way to
    search, or more often."""
    rerank_tops: Annotated[list[K], Meta(max_length=5)] = []
    """How many passages they read; as configured where it is empty."""
    chunkings: list[Chunking] = []
    """Ways to cut documents besides the present one: each is tried on a copy of the collection, which takes an
    ingest."""
    chunk_tokens: Annotated[list[Annotated[int, Meta(ge=16, le=8192)]], Meta(max_length=5)] = []
    """Sizes of chunks besides the present one, likewise, for every way to cut."""
    metric: Metric = "recall"
    """What is to be high, at each number of passages."""
    margin: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """A gain that is worth a dearer setting, and a loss that a cheaper one may have."""
    filter: JSON | None = None
    seed: Seed = 0
