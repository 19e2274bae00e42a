"""What every kind of evaluation works with, and how it asks a model without giving up at the first trouble."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from guru.errors import BudgetExceeded, Forbidden, NotFound, Unauthorized
from guru.evaluate.corpus import Ask, Corpus, Support, Vectors
from guru.evaluate.store import Evaluation, EvaluationStore, Item
from guru.patience import patiently
from guru.types import JSON, ChatRequest, Event

WAITS: Final = (1.0, 2.0, 4.0, 8.0)
LONGEST_WAIT: Final = 60.0
AFFECTS_ALL: Final = (BudgetExceeded, Forbidden, NotFound, Unauthorized)
"""An error that every other question would meet too: the evaluation ends with it."""


class Work(Struct, kw_only=True):
    """One run of one evaluation."""

    evaluation: Evaluation
    store: EvaluationStore
    corpus: Corpus
    ask: Ask
    support: Support
    vectors: Vectors
    passages: int
    """How many passages an answer draws on, by the configuration."""
    progress: Callable[..., None]
    made: JSON
    """The progress that a run before this one had reported when its process died; else empty."""

    @property
    def tenant(self) -> str:
        return self.evaluation.tenant

    @property
    def collection(self) -> str:
        return self.evaluation.collection

    async def items(self) -> Sequence[Item]:
        return await self.store.items(self.tenant, self.evaluation.id)

    async def keep(self, column: str, results: dict[int, Any]) -> None:
        await self.store.keep(self.tenant, self.evaluation.id, column, results)

    def asking(self) -> Ask:
        """As `ask`, again and later where that makes sense: a limit of requests, a model that is not there just now."""

        def ask(request: ChatRequest) -> Awaitable[list[Event]]:
            return patiently(lambda: self.ask(request), WAITS, LONGEST_WAIT)

        return ask


Kind = Callable[[Work], Awaitable[JSON]]
"""Does the work of a kind of evaluation, from where it was left; returns the report."""
