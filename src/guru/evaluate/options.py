"""What an evaluation is told to do: as it comes over the API, as it is kept, and as its report repeats it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from guru.types import JSON, SearchMode

K = Annotated[int, Meta(ge=1, le=200)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Metric = Literal["recall", "ndcg", "hit_rate", "mrr", "precision"]


class RetrievalOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Measure a search, and with `answers` the answers too."""

    k: K = 10
    """How many passages are looked at."""
    mode: SearchMode = "hybrid"
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
    chunk_tokens: Annotated[list[Annotated[int, Meta(ge=16, le=8192)]], Meta(max_length=5)] = []
    """Sizes of chunks besides the present one: each is tried on a copy of the collection, which takes an ingest."""
    metric: Metric = "recall"
    """What is to be high, at each number of passages."""
    margin: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """A gain that is worth a dearer setting, and a loss that a cheaper one may have."""
    filter: JSON | None = None
    seed: Seed = 0
