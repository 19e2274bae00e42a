"""What every kind of evaluation works with, and how it asks a model without giving up at the first trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from guru.errors import BudgetExceeded, Forbidden, GuruError, NotFound, Unauthorized
from guru.evaluate.corpus import Ask, Corpus, Support, Vectors
from guru.evaluate.store import Evaluation, EvaluationStore, Item
from guru.types import JSON, ChatRequest, Event

TRIES: Final = 5
PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
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

        async def patiently(request: ChatRequest) -> list[Event]:
            wait = PAUSE
            for _ in range(TRIES - 1):
                try:
                    return await self.ask(request)
                except GuruError as error:
                    if not error.retryable:
                        raise
                    await asyncio.sleep(min(max(wait, error.retry_after or 0.0), LONGEST_PAUSE))
                    wait *= 2
            return await self.ask(request)

        return patiently


Kind = Callable[[Work], Awaitable[JSON]]
"""Does the work of a kind of evaluation, from where it was left; returns the report."""
