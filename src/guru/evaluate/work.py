"""What every kind of evaluation works with, and how it asks a model without giving up at the first trouble."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from guru.config import KnowledgeSettings
from guru.errors import BudgetExceeded, Forbidden, NotFound, Unauthorized
from guru.evaluate.corpus import Ask, Corpus, Find, Found, Support, Vectors
from guru.evaluate.store import Evaluation, EvaluationStore, Item
from guru.patience import patiently
from guru.types import JSON, ChatRequest, Event, SearchMode, SearchOptions

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
    find: Find
    support: Support
    vectors: Vectors
    knowledge: KnowledgeSettings
    """How documents are searched and answered from where nothing else is said."""
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

    def finding(self) -> Find:
        """As `find`, again and later likewise. Its time is that of the search that was made in the end, not of the
        waiting for it."""

        async def find(
            collection: str, query: str, *,
            k: int, mode: SearchMode, filter: JSON | None = None, options: SearchOptions, to_read: bool = False,
        ) -> Found:  # fmt: skip
            async def once() -> Found:
                began = time.perf_counter()
                found = await self.find(
                    collection, query, k=k, mode=mode, filter=filter, options=options, to_read=to_read
                )
                return replace(found, seconds=time.perf_counter() - began)

            return await patiently(once, WAITS, LONGEST_WAIT)

        return find


Kind = Callable[[Work], Awaitable[JSON]]
"""Does the work of a kind of evaluation, from where it was left; returns the report."""
