"""What a tuning has found: every setting with its measures, the front, and the recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from guru.evaluate.intervals import bootstraps
from guru.evaluate.options import Metric, TuneOptions
from guru.evaluate.recommend import Recommendation, against, front, recommend
from guru.evaluate.retrieval import latency
from guru.evaluate.settings import Setting, configuration
from guru.evaluate.store import Item
from guru.evaluate.work import Work
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Trial(Struct, omit_defaults=True):
    """One setting on one question. One that `failed` says why, and measures nothing."""

    seconds: float = 0.0
    characters: int = 0
    """Of the passages together."""
    recall: float = 0.0
    ndcg: float = 0.0
    hit_rate: float = 0.0
    mrr: float = 0.0
    precision: float = 0.0
    failed: str | None = None


METRICS: tuple[Metric, ...] = ("recall", "ndcg", "hit_rate", "mrr", "precision")


def report(
    work: Work, settings: Sequence[Setting], current: Setting, own: Sequence[str], items: Sequence[Item]
) -> JSON:
    """All that there is to say, as JSON. `own` are the keys of the cut that the collection has of its own."""
    options = msgspec.convert(work.evaluation.options, TuneOptions)
    trials = [msgspec.convert(item.searched, dict[str, Trial]) for item in items]
    columns = [[row[setting.name] for row in trials] for setting in settings]
    made: JSON = {
        "kind": "tune",
        "collection": work.collection,
        "own": list(own),
        "options": msgspec.to_builtins(options),
        "questions": len(items),
        "settings": [],
        "recommendation": None,
    }
    if items:
        compared = Compared(settings, columns, options, settings.index(current))
        made["settings"] = [compared.told(number) for number in range(len(settings))]
        made["recommendation"] = compared.recommendation()
    return dict(msgspec.to_builtins(made))


class Compared:
    """The settings that worked for every question, beside each other: the others have other questions."""

    def __init__(
        self, settings: Sequence[Setting], columns: Sequence[Sequence[Trial]], options: TuneOptions, current: int
    ) -> None:
        """`columns` are the trials of every setting, in the order of the questions."""
        import numpy as np

        self._settings, self._columns, self._options, self._current = settings, columns, options, current
        self._whole = [number for number, column in enumerate(columns) if not any(one.failed for one in column)]
        whole = [columns[number] for number in self._whole]
        self._values = np.array([[getattr(one, options.metric) for one in column] for column in whole], float).T
        self._seconds = np.array([[one.seconds for one in column] for column in whole], float).T
        self._gains = dict[int, Any]()
        if current in self._whole:
            gains = against(self._values, self._whole.index(current), options.seed)
            self._gains = dict(zip(self._whole, gains, strict=True))
        self._front: set[int] = set()
        if whole:
            best = front(self._values.mean(axis=0).tolist(), np.median(self._seconds, axis=0).tolist())
            self._front = {self._whole[place] for place in best}

    def told(self, number: int) -> JSON:
        """One setting in the report. Its measures are of the questions for which it worked."""
        setting, column = self._settings[number], self._columns[number]
        worked = [one for one in column if not one.failed]
        measured = bootstraps(measures_of(worked), seed=self._options.seed) if worked else []
        return {
            **msgspec.to_builtins(setting),
            "name": setting.name,
            "current": number == self._current,
            "on_front": number in self._front,
            "metrics": dict(zip(METRICS, measured, strict=True)) if worked else None,
            "gain": self._gains.get(number),
            "latency": latency([one.seconds for one in worked]),
            "characters": sum(one.characters for one in worked) / len(worked) if worked else None,
            "failed": len(column) - len(worked),
            "problem": next((one.failed for one in column if one.failed), None),
        }

    def recommendation(self) -> Recommendation:
        current = self._settings[self._current]
        if self._current not in self._whole:
            failed = sum(one.failed is not None for one in self._columns[self._current])
            reason = (
                f"The current setting failed for {failed} of {len(self._columns[self._current])} questions, so there "
                "is nothing to compare with."
            )
            return Recommendation(setting=current, change=False, reason=reason, gain=None)
        found = recommend(
            [self._settings[number] for number in self._whole], self._values, self._seconds,
            current=self._whole.index(self._current), margin=self._options.margin, seed=self._options.seed,
        )  # fmt: skip
        found.configuration = configuration(found.setting, current)
        return found


def measures_of(column: Sequence[Trial]) -> NDArray[Any]:
    """Every measure of one setting, shape (questions, measures)."""
    import numpy as np

    return np.array([[getattr(one, name) for name in METRICS] for one in column], float)
