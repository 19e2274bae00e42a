"""A local model as a `guru.protocols.ChatModel`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

import msgspec

from guru.errors import InvalidParameter
from guru.models.local import gguf
from guru.models.local.body import chat_body, text_body
from guru.models.local.machine import choose_settings
from guru.models.local.protocol import Admitted, WorkerSettings
from guru.models.local.supervisor import Supervisor, Timeouts
from guru.models.local.tools import ToolCallParser, plan_tools
from guru.models.wire.openai_chat import ChunkDecoder
from guru.models.wire.openai_text import TextChunkDecoder, shift
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Sampling, TextRequest

JSON = dict[str, Any]

SMALL = 500_000_000
"""Bytes. Below about half a billion parameters, models imitate examples but do not follow instructions."""


class LocalChatModel:
    """A GGUF file that answers through a supervised llama.cpp worker.

    The worker starts with the first request and stops when nobody asked for a while. Threads, slots and context are
    chosen from the machine where None.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        threads: int | None = None,
        slots: int | None = None,
        context_length: int | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Reads the header of the file at `path`. Raises `ModelError` when that is no good GGUF."""
        self.name = name
        self.path = path
        metadata = gguf.read_metadata(path)
        self._native_tools = "tools" in gguf.chat_template(metadata)
        self._settings = choose_settings(
            name, path, metadata, threads=threads, slots=slots, context_length=context_length
        )
        self.context_length = self._settings.context_length
        self.small = path.stat().st_size < SMALL
        self._supervisor = Supervisor(lambda: self._settings, timeouts)

    @property
    def settings(self) -> WorkerSettings:
        """What the worker is started with."""
        return self._settings

    @property
    def failures(self) -> int:
        """Workers of this model that died or did not start, since the server's start."""
        return self._supervisor.failures

    @property
    def pid(self) -> int | None:
        """The worker's process id, while the model is loaded."""
        return self._supervisor.pid

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Stream the answer. Closing the iterator cancels the work and frees the slot.

        Raises `InvalidParameter`, `ContextTooLong` and other `BadRequest`s; `ModelUnavailable` when the worker dies.
        """
        plan = plan_tools(request, native=self._native_tools)
        body = chat_body(request, plan, native_tools=self._native_tools)
        parsers: dict[int, ToolCallParser] = {}
        try:
            async with aclosing(self._stream("chat", request, body)) as events:
                async for event in events:
                    if plan.kind in ("call", "choice"):
                        for parsed in _parse_tools(event, parsers, marked=plan.kind == "choice"):
                            yield parsed
                    else:
                        yield event
        except InvalidParameter as error:
            if plan.kind != "none" and error.param == "response_format":
                error.param = "tools"
            raise

    async def complete(self, request: TextRequest) -> AsyncGenerator[Event, None]:
        """Stream the continuation of a prompt. Errors as `chat`."""
        body = text_body(request)
        if request.echo and isinstance(request.prompt, str):
            for index in range(request.n):
                yield Delta(index=index, text=request.prompt)
        async with aclosing(self._stream("text", request, body)) as events:
            async for event in events:
                yield event

    async def load(self) -> None:
        """Start the worker now instead of with the first request."""
        await self._supervisor.load()

    async def unload(self) -> None:
        """Stop the worker; the next request starts it again."""
        await self._supervisor.unload()

    async def aclose(self) -> None:
        await self._supervisor.aclose()

    async def _stream(
        self, kind: Literal["chat", "text"], request: Sampling, body: JSON
    ) -> AsyncGenerator[Event, None]:
        """Run `request.n` choices, as many at once as there are slots, and sum them up."""
        began = time.monotonic()
        clock = _Clock(began)
        decoder = ChunkDecoder() if kind == "chat" else TextChunkDecoder()
        for first in range(0, request.n, self._settings.slots):
            part = body | {"n": min(self._settings.slots, request.n - first)}
            if first and "seed" in body:
                part["seed"] = (body["seed"] + first) & 0xFFFFFFFF
            async with aclosing(self._supervisor.run(kind, part)) as replies:
                async for reply in replies:
                    if isinstance(reply, Admitted):
                        clock.admitted(reply)
                        continue
                    for event in decoder.events(reply.data):
                        clock.seen(event)
                        yield shift(_trim_logprobs(event, request), first)
        timings = clock.timings()
        if decoder.tokens_per_second is not None:
            timings["tokens_per_second"] = round(decoder.tokens_per_second, 2)
        yield Completed(model=self.name, usage=decoder.usage, timings=timings)


class _Clock:
    """Seconds since the request came in."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._queue: float | None = None
        self._first: float | None = None

    def admitted(self, reply: Admitted) -> None:
        """Waiting for the model to load counts as waiting."""
        if self._queue is None:
            self._queue = time.monotonic() - self._began

    def seen(self, event: Event) -> None:
        if self._first is None and isinstance(event, Delta):
            self._first = time.monotonic() - self._began

    def timings(self) -> dict[str, float]:
        timings = {"queue": self._queue or 0.0, "total": time.monotonic() - self._began}
        if self._first is not None:
            timings["first_token"] = self._first
        return timings


def _trim_logprobs(event: Event, request: Sampling) -> Event:
    """llama.cpp gives at least one alternative; OpenAI gives as many as were asked for."""
    if isinstance(event, Delta) and event.logprobs is not None:
        for entry in event.logprobs:
            entry.top_logprobs = entry.top_logprobs[: request.top_logprobs or 0]
    return event


def _parse_tools(event: Event, parsers: dict[int, ToolCallParser], *, marked: bool) -> list[Event]:
    """Text that is a constrained tool call becomes one."""
    if isinstance(event, Delta):
        parser = parsers.setdefault(event.index, ToolCallParser(marked=marked))
        text, calls = parser.feed(event.text)
        if not text and not calls and event.logprobs is None:
            return []
        return [msgspec.structs.replace(event, text=text, tool_calls=calls)]
    if isinstance(event, Finished) and (known := parsers.get(event.index)):
        held = [Delta(index=event.index, text=rest)] if (rest := known.rest()) else []
        reason = "tool_calls" if known.called and event.reason == "stop" else event.reason
        return [*held, Finished(reason, event.index)]
    return [event]
