"""What is done with a prompt that does not fit the model: `[models.NAME.context]`.

The default is to say so, with numbers. The other ways change what the model sees, so they are chosen per alias, and
every answer that was given after one of them says so, in its member `guru.context`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.agents.memory.turns import window
from guru.config import ContextSettings, Settings
from guru.errors import ContextTooLong
from guru.gateway.context import mapreduce
from guru.gateway.context.asking import Asker, add
from guru.gateway.context.summarize import Summaries
from guru.gateway.cost.tokens import count_message, count_prompt, estimate_tokens, vocabulary
from guru.gateway.whole import answer, collect
from guru.gateway.wrapped import WrappedModel
from guru.observe import names
from guru.protocols import ChatModel
from guru.types import ChatRequest, Completed, Delta, Event, Message, TextRequest, Usage

RESERVE: Final = 1024
"""Tokens kept free for the answer when nobody says how many; at most a quarter of the context."""
SAFE: Final = 2
"""A prompt whose quick estimate is so many times under the limit is not counted."""
SLACK: Final = 1.1
"""How far a count that is no exact one may be over the limit before it is said to be too long."""
SHRINK: Final = 0.75
"""Of the prompt that a provider refused, where it is not known how much it holds."""
TRIES: Final = 3
"""Times that a prompt is made to fit, each time shorter, before the refusal is shown."""
PLAIN: Final = ContextSettings()

Larger = Callable[[str], ChatModel]
Record = Callable[[str, Any], None]
"""Is told the name and the value of what the trace says."""


def nowhere(name: str, value: Any) -> None:
    """A `Record` that is not kept."""


class Change(Struct):
    """What was done to a prompt."""

    request: ChatRequest
    note: dict[str, Any]
    used: Usage
    """What the model was asked besides."""


class Context:
    """One for the server. `model` puts it around the model that answers one request."""

    def __init__(self, settings: Settings) -> None:
        self._summaries = Summaries()
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._aliases = {name: alias.context for name, alias in settings.models.items()}

    def model(
        self,
        inner: ChatModel,
        name: str,
        larger: Larger,
        tenant: str,
        *,
        tokens: int | None = None,
        record: Record = nowhere,
    ) -> ChatModel:
        """`inner`, with what the alias `name` says of prompts that are too long; `larger` finds a model by name.

        A summary that was made for one `tenant` is shown to no other. `record` is told what was done to a prompt.

        `tokens` are those of the prompt, by `estimate_tokens`, where they are known and the prompt stays as it is.
        """
        return FittingModel(
            inner, self._aliases.get(name, PLAIN), larger, self._summaries, tenant, tokens=tokens, record=record
        )


class FittingModel(WrappedModel):
    """A `ChatModel` whose prompts fit, or which says why not."""

    def __init__(
        self,
        inner: ChatModel,
        settings: ContextSettings,
        larger: Larger,
        summaries: Summaries,
        tenant: str,
        *,
        tokens: int | None,
        record: Record,
    ) -> None:
        super().__init__(inner)
        self._tenant = tenant
        self._record = record
        self._tokens = tokens
        self._settings = settings
        self._larger = larger
        self._summaries = summaries

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        limit = self._inner.context_length
        return self._inner.chat(request) if self._far(request, limit) else self._fit(request, limit)

    def _far(self, request: ChatRequest, limit: int) -> bool:
        """Whether the prompt is far from the limit, and so takes no detour."""
        tokens = estimate_tokens(request) if self._tokens is None else self._tokens
        return limit > 0 and tokens * SAFE + self._reserved(request, limit) <= limit

    async def whole(self, request: ChatRequest | TextRequest) -> list[Event]:
        """See `guru.gateway.whole`."""
        if isinstance(request, TextRequest) or self._far(request, self._inner.context_length):
            return await answer(self._inner, request)
        return await collect(self._fit(request, self._inner.context_length))

    async def _fit(self, request: ChatRequest, limit: int) -> AsyncGenerator[Event]:
        tokens = count_prompt(self.name, request) if limit else 0
        room = limit - self._reserved(request, limit)
        if not limit or tokens <= room or (self._settings.policy == "error" and not self._settings.larger):
            slack = 1.0 if vocabulary(self.name)[1] == 1.0 else SLACK
            if limit and tokens > limit * slack:
                raise self._too_long(request, tokens, limit)
            # The provider counts better than we do; what it refuses is made to fit below.
            begun = False
            try:
                async with aclosing(self._inner.chat(request)) as events:  # type: ignore[type-var]
                    async for event in events:
                        begun = begun or isinstance(event, Delta)
                        yield event
                return
            except ContextTooLong:
                if begun or (self._settings.policy == "error" and not self._settings.larger):
                    raise
            tokens = tokens or count_prompt(self.name, request)
            room = min(room, int(tokens * SHRINK)) if limit else int(tokens * SHRINK)
        model: ChatModel = self._inner
        used = Usage()
        for tries in range(TRIES):
            begun = False
            try:
                if self._settings.larger and (other := self._larger_for(request)) is not None:
                    note, model = {"policy": "larger", "model": self._settings.larger}, other
                    change = Change(request, note, Usage())
                else:
                    change = await self._change(request, tokens, room, limit)
                add(used, change.used)
                self._record(names.CONTEXT_CHANGE, change.note)
                async with aclosing(model.chat(change.request)) as events:  # type: ignore[type-var]
                    async for event in events:
                        begun = begun or isinstance(event, Delta)
                        if isinstance(event, Completed):
                            add(event.usage, used)
                            event.extra = event.extra | {"guru": {"context": change.note}}
                        yield event
                return
            except ContextTooLong:  # counted too low: not every model's tokens are known exactly
                if begun or model is not self._inner or tries == TRIES - 1:
                    raise
                room = int(room * SHRINK)

    def _reserved(self, request: ChatRequest, limit: int) -> int:
        """Tokens kept free for the answer."""
        return min(request.max_tokens or self._settings.reserve or RESERVE, max(limit // 4, 1))

    def _larger_for(self, request: ChatRequest) -> ChatModel | None:
        """The larger model, if the prompt fits it as far as is known."""
        assert self._settings.larger is not None
        model = self._larger(self._settings.larger)
        limit = model.context_length
        fits = not limit or count_prompt(model.name, request) + self._reserved(request, limit) <= limit
        return model if fits else None

    async def _change(self, request: ChatRequest, tokens: int, room: int, limit: int) -> Change:
        """The request, made to fit into `room` tokens. Raises `ContextTooLong` when that cannot be."""
        besides = tokens - sum(map(self._count, request.messages))
        change: Change | None = None
        match self._settings.policy:
            case "window":
                change = self._window(request, room - besides)
            case "summarize":
                change = await self._summarize(request, room - besides)
            case "map-reduce":
                change = await self._map_reduce(request, room - besides)
            case _:
                pass
        if change is None:
            raise self._too_long(request, tokens, limit)
        return change

    def _window(self, request: ChatRequest, room: int) -> Change | None:
        fitted = window(request.messages, room, self._count)
        if fitted is None:
            return None
        note = {"policy": "window", "dropped_messages": len(fitted.dropped)}
        return Change(msgspec.structs.replace(request, messages=fitted.kept), note, Usage())

    async def _summarize(self, request: ChatRequest, room: int) -> Change | None:
        size = max(64, room // 4)
        fitted = window(request.messages, room - size - 32, self._count)
        if fitted is None or not fitted.dropped:
            return self._window(request, room)
        asker = Asker(self._inner, request)
        summary = await self._summaries.of(self._tenant, fitted.dropped, asker, size, room - 128)
        instructions = next(
            (place for place, message in enumerate(fitted.kept) if message.role not in {"system", "developer"}), 0
        )
        messages = [*fitted.kept[:instructions], summary, *fitted.kept[instructions:]]
        if sum(map(self._count, messages)) > room:
            return self._window(request, room)  # a summary that is longer than was asked for
        note = {"policy": "summarize", "summarized_messages": len(fitted.dropped)}
        return Change(msgspec.structs.replace(request, messages=messages), note, asker.used)

    async def _map_reduce(self, request: ChatRequest, room: int) -> Change | None:
        *before, last = request.messages or [Message(role="user")]
        found = mapreduce.longest_text(last) if last.role == "user" else None
        rest = [message for message in before if message.role in {"system", "developer"}]
        if found is None or self._count(last) <= room // 2:
            return self._window(request, room)
        question, text = found
        free = room - sum(map(self._count, rest)) - self._count(mapreduce.replaced(last, text, "")) - 32
        if free < 64:
            return None
        asker = Asker(self._inner, request)
        noted = await mapreduce.take_notes(question, text, asker, room=room, target=int(free * 0.9))
        if noted is None:
            return None
        notes, parts = noted
        messages = [*before, mapreduce.replaced(last, text, notes)]
        fitted = window(messages, room, self._count)
        if fitted is None:
            return None
        note: dict[str, Any] = {"policy": "map-reduce", "parts": parts}
        if fitted.dropped:
            note["dropped_messages"] = len(fitted.dropped)
        return Change(msgspec.structs.replace(request, messages=fitted.kept), note, asker.used)

    def _count(self, message: Message) -> int:
        return count_message(self.name, message)

    def _too_long(self, request: ChatRequest, tokens: int, limit: int) -> ContextTooLong:
        exact = "" if vocabulary(self.name)[1] == 1.0 else "about "
        holds = f"{self.name} holds {limit:,}" if limit else f"{self.name} holds less"
        kept = f", and {self._reserved(request, limit):,} are kept for the answer" if limit else ""
        return ContextTooLong(
            f"The prompt has {exact}{tokens:,} tokens; {holds}{kept}.",
            hint="Send less, ask a model with a larger context, or choose a policy under [models.NAME.context].",
            param="messages",
        )
