"""Events that go on until the server stops, or whoever watches leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def until(closing: asyncio.Event, events: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """What `events` yields, until they end or `closing` is set. They are closed then, and when this is, even while the
    next one is waited for: a generator that runs cannot be closed."""
    ended = asyncio.ensure_future(closing.wait())
    step: asyncio.Future[T] | None = None
    try:
        while True:
            step = asyncio.ensure_future(anext(events))
            await asyncio.wait((step, ended), return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                return
            try:
                event = step.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        ended.cancel()
        if step is not None and not step.done():
            step.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await step
        await events.aclose()
