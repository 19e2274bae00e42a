"""The running summary of a conversation: made once for what fell out of the window, and carried on from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from guru.agents.memory import rows
from guru.agents.memory.base import Memory, Source, Writer
from guru.agents.memory.scoring import DAY
from guru.agents.memory.summarise import summarise
from guru.agents.memory.turns import Count
from guru.agents.memory.window import digests, fit, with_summary
from guru.config import MemorySettings
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.store.tables import memories
from guru.types import Message

IMPORTANCE: Final = 0.1
"""Of a summary, beside memories that last: it is the first to go, and can be made again."""


class RunningSummary:
    """The summaries of every tenant's conversations, each one row that grows."""

    def __init__(
        self, database: Database, embedder: Embedder, settings: Callable[[], MemorySettings], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._settings = settings
        self._clock = clock

    async def window(
        self, scope: Scope, messages: Sequence[Message], budget: int, *, conversation: str | None,
        writer: Writer | None, count: Count,
    ) -> list[Message]:  # fmt: skip
        """See `Memories.window`."""
        fitted, room = fit(messages, budget, count)
        if not fitted.dropped or room <= 0:
            return fitted.kept
        hashed = digests(fitted.dropped)
        kept = await self._database.read(lambda c: latest(c, scope, hashed))
        done = 0 if kept is None else hashed.index(str(kept.attribute)) + 1
        if kept is not None and done == len(hashed):
            return with_summary(fitted.kept, kept.text)
        before = kept.text if kept is not None else ""
        summary = await summarise(before, fitted.dropped[done:], room, self._embedder, writer)
        if not summary.text:
            return fitted.kept
        source = Source(conversation=conversation)
        settings, now = self._settings(), self._clock()
        values = {
            "text": summary.text, "attribute": hashed[-1], "made_by": summary.by, "updated_at": now, "used_at": now
        }  # fmt: skip

        def save(connection: Connection) -> None:
            memory_id = store(connection, scope, kept, values, source)
            half_life = settings.half_life_days * DAY
            rows.prune(connection, scope, settings.max_memories, kept=memory_id, now=now, half_life=half_life)

        await self._database.write(save)
        return with_summary(fitted.kept, summary.text)


def latest(connection: Connection, scope: Scope, hashed: Sequence[str]) -> Memory | None:
    """The summary of the longest beginning of what has these digests."""
    places = {digest: place for place, digest in enumerate(hashed)}
    found: list[tuple[str, str]] = []
    for start in range(0, len(hashed), rows.AT_ONCE):
        part = hashed[start : start + rows.AT_ONCE]
        query = select(memories.c.id, memories.c.attribute).where(rows.mine(scope), memories.c.kind == "summary")
        found += [(row.id, row.attribute) for row in connection.execute(query.where(memories.c.attribute.in_(part)))]
    if not found:
        return None
    memory_id, _ = max(found, key=lambda item: places[item[1]])
    return rows.find(connection, scope, memory_id)


def store(connection: Connection, scope: Scope, kept: Memory | None, values: dict[str, Any], source: Source) -> str:
    """Let a summary go on in its row, or begin one; its id. One that was forgotten meanwhile begins anew."""
    if kept is not None and rows.by_ids(connection, scope, [kept.id]):
        rows.change(connection, scope, [kept.id], **values)
        return kept.id
    first = {"id": new_id("mem"), "kind": "summary", "importance": IMPORTANCE, "created_at": values["updated_at"]}
    return rows.add(connection, scope, values | first, source).id
