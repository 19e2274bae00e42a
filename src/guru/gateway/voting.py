"""Self-consistency as a model around a model: asks several times at once, and gives the answer that most agree on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from guru.gateway.whole import collect
from guru.gateway.wrapped import WrappedModel
from guru.observe import names
from guru.prompts.techniques.self_consistency import vote
from guru.protocols import ChatModel
from guru.types import ChatRequest, Completed, Delta, Event, SelfConsistency, Usage


class VotingModel(WrappedModel):
    """A `ChatModel`. A request costs as much as all of its samples; one that fails fails the request."""

    def __init__(self, inner: ChatModel, settings: SelfConsistency, record: Callable[[str, Any], None]) -> None:
        """`record` is told how the vote ended, for the trace."""
        super().__init__(inner)
        self._settings = settings
        self._record = record

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """The events of the sample that won, once all are there; its usage is that of all."""
        samples = await self._ask([self._sample(request, number) for number in range(self._settings.samples)])
        said = vote([text_of(events) for events in samples], self._settings.marker)
        votes = {"votes": said.votes, "samples": said.answers}
        self._record(names.PROMPT_VOTES, votes)
        usage = total([events[-1].usage for events in samples if isinstance(events[-1], Completed)])
        for event in samples[said.chosen]:
            if isinstance(event, Completed):
                guru = event.extra.get("guru", {}) | {"prompt": votes}
                event = msgspec.structs.replace(event, usage=usage, extra=event.extra | {"guru": guru})
            yield event

    def _sample(self, request: ChatRequest, number: int) -> ChatRequest:
        temperature = self._settings.temperature if request.temperature is None else request.temperature
        seed = None if request.seed is None else request.seed + number
        return msgspec.structs.replace(request, temperature=temperature, seed=seed)

    async def _ask(self, requests: list[ChatRequest]) -> list[list[Event]]:
        """All answers. When one fails the others are cancelled, and its error is raised."""
        tasks = [asyncio.ensure_future(collect(self._inner.chat(request))) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def total(usages: list[Usage]) -> Usage:
    """The sum of all counts; estimated where one is."""
    added = Usage()
    for name in Usage.__struct_fields__:
        counts = [getattr(usage, name) for usage in usages]
        setattr(added, name, any(counts) if name == "estimated" else sum(counts))
    return added
