"""What is remembered of people: found, kept, corrected and forgotten. Implements `base.PersonalMemory`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from guru.agents.memory import rows
from guru.agents.memory.base import (
    LASTING,
    NOWHERE,
    PERSON,
    RULES,
    Episode,
    Kind,
    Memory,
    Recalled,
    Remembered,
    Said,
    Source,
    Vector,
    Writer,
    person_of,
)
from guru.agents.memory.extract import Found, find_facts, weigh_text
from guru.agents.memory.finding import choose_facts
from guru.agents.memory.keeping import keep
from guru.agents.memory.running import RunningSummary
from guru.agents.memory.scoring import best, explain, score, scores_of
from guru.agents.memory.turns import Count
from guru.agents.memory.window import about
from guru.config import MemorySettings
from guru.errors import GuruError, InvalidParameter
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.scope import Scope
from guru.types import Message

log = logging.getLogger(__name__)
MOST: Final = 10
"""Facts that are kept of one message: each is compared with all that is remembered."""
EPISODE: Final = {"answered": 0.3, "stopped": 0.3, "failed": 0.4}
"""How much a run matters afterwards: a little more where something went wrong."""


class Export(Struct, kw_only=True):
    """All that is remembered of a person."""

    person: str
    exported_at: datetime
    memories: list[Memory]
    """The oldest first, superseded ones too."""


class Memories:
    """The memories of every tenant. There is no copy of them in memory: what is forgotten is gone."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        settings: MemorySettings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._database = database
        self._embedder = embedder
        self._clock = clock
        self._summary = RunningSummary(database, embedder, lambda: self.settings, clock)

    # ------------------------------------------------------------------ recall

    async def recall(
        self, scope: Scope, text: str, *, k: int | None = None, kinds: Collection[Kind] = LASTING, touch: bool = True
    ) -> list[Recalled]:
        """What is remembered and matters to `text`, the best first. `touch`: it counts as used."""
        person_of(scope)
        if not text.strip():
            return []
        vector = (await self._embedder.embed_queries([text]))[0]
        wanted = self.settings.recalled if k is None else k
        now = self._clock()
        search = partial(self._search, scope=scope, vector=vector, k=wanted, kinds=kinds, now=now)
        found, stale = await self._database.read(search)
        if stale:
            await self.refresh(scope)
            found, _ = await self._database.read(search)
        if touch and found:
            ids = [item.memory.id for item in found]
            await self._database.write(lambda c: rows.change(c, scope, ids, used_at=now))
        return found

    def _search(
        self, connection: Connection, scope: Scope, vector: Vector, *, k: int, kinds: Collection[Kind], now: float
    ) -> tuple[list[Recalled], bool]:
        """Every vector is compared: exact, and with nothing to keep in step. And whether some are of another model."""
        loaded = rows.load(connection, scope, kinds, self._embedder.name)
        if not loaded.ids:
            return [], loaded.stale
        scores = score(loaded.matrix @ vector, loaded.used_at, loaded.importance, now, self.settings)
        places = best(scores, k, self.settings.min_relevance)
        found = rows.by_ids(connection, scope, [loaded.ids[place] for place in places])
        recalled = []
        for place in places:
            said = scores_of(scores[:, place])
            why = explain(said, now - loaded.used_at[place], self.settings.min_relevance)
            recalled.append(Recalled(memory=found[loaded.ids[place]], scores=said, why=why))
        return recalled, loaded.stale

    async def refresh(self, scope: Scope) -> None:
        """Embed anew what another model has embedded."""
        name = self._embedder.name
        stale = await self._database.read(lambda c: rows.stale(c, scope, LASTING, name))
        ids = list(stale)
        for start in range(0, len(ids), 256):
            part = ids[start : start + 256]
            vectors = await self._embedder.embed([stale[memory_id] for memory_id in part])
            await self._database.write(partial(rows.embed_anew, scope=scope, ids=part, vectors=vectors, model=name))

    # ------------------------------------------------------------------ remember

    async def remember(
        self,
        scope: Scope,
        text: str,
        *,
        kind: Kind = "fact",
        by: str = PERSON,
        source: Source = NOWHERE,
        importance: float | None = None,
    ) -> Remembered:
        """Keep something; what says the same becomes one with it, what it contradicts is superseded.

        Raises `InvalidParameter` for what is empty or too long.
        """
        person_of(scope)
        text = self.checked(text)
        if kind == "summary":
            raise InvalidParameter("A summary is made of a conversation.", param="kind", hint="Take `user` or `fact`.")
        vector = (await self._embedder.embed([text]))[0]
        await self.refresh(scope)
        weight = weigh_text(text) if importance is None else min(max(importance, 0.0), 1.0)
        values = {
            "kind": kind,
            "text": text,
            "importance": weight,
            "made_by": by,
            "embedding_model": self._embedder.name,
        }
        now, settings = self._clock(), self.settings
        return await self._database.write(
            lambda c: keep(c, scope, values, vector, source=source, now=now, settings=settings)
        )

    async def learn(self, scope: Scope, said: Said, *, writer: Writer | None = None) -> list[Remembered]:
        """Keep what a person's own message says that is worth it, ten things at most: its sentences, word for word."""
        facts, by = await self._find(said, writer)
        kept = []
        for fact in facts[:MOST]:
            if fact.text != said.text[fact.start : fact.end] or len(fact.text) > self.settings.max_characters:
                continue
            source = Source(
                conversation=said.conversation, message=said.message, start=fact.start, end=fact.end, quote=fact.text
            )
            options: dict[str, Any] = {"kind": fact.kind, "importance": fact.importance}
            kept.append(await self.remember(scope, fact.text, by=by, source=source, **options))
        return kept

    async def _find(self, said: Said, writer: Writer | None) -> tuple[list[Found], str]:
        if writer is not None and not writer.small:
            try:
                chosen = await choose_facts(said, writer)
            except GuruError as error:
                log.warning("%s chose nothing to remember, so that rules did: %s", writer.name, error)
                chosen = None
            if chosen is not None:
                return chosen, writer.name
        return find_facts(said.text), RULES

    async def close_run(self, scope: Scope, episode: Episode) -> Remembered:
        """Keep what came of a run: what was asked, which steps were taken, how it ended."""
        steps = ", ".join(episode.done) or "nothing"
        note = f" ({episode.note})" if episode.note else ""
        room = self.settings.max_characters
        text = f"Asked: {clip(episode.asked, room // 2)}\nDone: {clip(steps, room // 4)}\nEnded: {episode.ended}{note}"
        return await self.remember(
            scope, clip(text, room), kind="episode", by=RULES, source=Source(run=episode.run),
            importance=EPISODE[episode.ended],
        )  # fmt: skip

    # ------------------------------------------------------------------ a conversation's window

    async def window(
        self,
        scope: Scope,
        messages: Sequence[Message],
        budget: int,
        *,
        conversation: str | None = None,
        writer: Writer | None = None,
        count: Count = about,
    ) -> list[Message]:
        """The messages in at most about `budget` tokens: instructions and the newest turns whole, the rest as a running
        summary that is kept, shown and erased like every memory. Raises `ContextTooLong`."""
        return await self._summary.window(
            scope, messages, budget, conversation=conversation, writer=writer, count=count
        )

    # ------------------------------------------------------------------ see, change, erase

    async def page(
        self,
        scope: Scope,
        *,
        kind: Kind | None = None,
        superseded: bool = False,
        limit: int = 50,
        before: str | None = None,
    ) -> rows.Page:
        """The memories, the newest first. Raises `InvalidParameter`."""
        return await self._database.read(
            lambda c: rows.page(c, scope, kind=kind, superseded=superseded, limit=limit, before=before)
        )

    async def pruned(self, scope: Scope) -> tuple[int, datetime | None]:
        """How many had to go because the person has as many as one may have, and when the last did."""
        return await self._database.read(lambda c: rows.pruned(c, scope))

    async def get(self, scope: Scope, memory_id: str) -> tuple[Memory, list[Memory]]:
        """A memory, and those that it replaced. Raises `NotFound`."""
        return await self._database.read(
            lambda c: (rows.find(c, scope, memory_id), rows.versions_of(c, scope, memory_id))
        )

    async def edit(
        self,
        scope: Scope,
        memory_id: str,
        *,
        text: str | UnsetType = UNSET,
        kind: Kind | UnsetType = UNSET,
        importance: float | UnsetType = UNSET,
    ) -> Memory:
        """Correct a memory in its place. Raises `NotFound` and `InvalidParameter`."""
        before, _ = await self.get(scope, memory_id)
        values: dict[str, Any] = {"updated_at": self._clock()}
        if text is not UNSET:
            values |= {"text": self.checked(text), "made_by": PERSON}
        if kind is not UNSET and kind != before.kind:
            if "summary" in (kind, before.kind):
                raise InvalidParameter("What is a summary stays one, and nothing becomes one.", param="kind")
            values["kind"] = kind
        if importance is not UNSET:
            values["importance"] = min(max(importance, 0.0), 1.0)
        if "text" in values and before.kind != "summary":
            vector = (await self._embedder.embed([values["text"]]))[0]
            attribute = rows.attribute_of(values["text"], values.get("kind", before.kind))
            values |= {"vector": rows.pack(vector), "embedding_model": self._embedder.name, "attribute": attribute}

        def save(connection: Connection) -> Memory:
            rows.find(connection, scope, memory_id)
            with self._database.dialect.overwriting(connection):  # of what was wrong nothing is left, either
                rows.change(connection, scope, [memory_id], **values)
            return rows.find(connection, scope, memory_id)

        return await self._database.write(save)

    async def forget(self, scope: Scope, memory_id: str) -> int:
        """Erase a memory, and the versions of it that it had replaced; how many went. Raises `NotFound`."""
        return await self._erase(lambda c: rows.forget(c, scope, memory_id))

    async def forget_all(self, tenant: str, person: str, noted: Callable[[Connection, int], None] | None = None) -> int:
        """Erase all that is remembered of a person; how many went. `noted` is called in the same transaction."""

        def forget(connection: Connection) -> int:
            gone = rows.forget_all(connection, tenant, person)
            if noted is not None:
                noted(connection, gone)
            return gone

        return await self._erase(forget)

    async def _erase(self, change: Callable[[Connection], int]) -> int:
        def erase(connection: Connection) -> int:
            with self._database.dialect.overwriting(connection):
                return change(connection)

        return await self._database.write(erase)

    async def export(self, scope: Scope) -> Export:
        person = person_of(scope)
        found = await self._database.read(lambda c: rows.everything(c, scope))
        return Export(person=person, exported_at=rows.moment(self._clock()), memories=found)

    def checked(self, text: str) -> str:
        """A text that can be kept. Raises `InvalidParameter`."""
        text, most = text.replace("\0", "").strip(), self.settings.max_characters
        if not text:
            raise InvalidParameter("There is nothing to remember.", param="text", hint="Say what it is.")
        if len(text) > most:
            raise InvalidParameter(
                f"The text has {len(text):,} characters; a memory has {most:,} at most.", param="text",
                hint="Say it in short, or raise [memory] max_characters.",
            )  # fmt: skip
        return text


def clip(text: str, room: int) -> str:
    """The beginning of a text on one line or as it is, in at most `room` characters."""
    return text if len(text) <= room else text[: room - 1] + "…"
