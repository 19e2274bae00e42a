"""Talking in turns: the question is stored before the model runs, the answer while it is written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection

from guru.errors import GuruError, NotFound
from guru.gateway import messages as rows
from guru.gateway.identity import Caller
from guru.gateway.messages import Changes, Conversation, ConversationPage, ConversationTree
from guru.gateway.turns import Stored, Turn, store_turn, to_request
from guru.store.database import Database
from guru.store.ids import new_id
from guru.types import (
    ChatRequest,
    Citation,
    Cited,
    Completed,
    Delta,
    Disputed,
    Event,
    Progress,
    Started,
    Unsupported,
)

log = logging.getLogger(__name__)
SAVE_EVERY = 1.0
"""Seconds: what a kill can take of an answer that is being written."""


class ChatRoad(Protocol):
    """Who answers: the road, or what stands before it."""

    def run(self, request: ChatRequest, caller: Caller) -> AsyncGenerator[Event]: ...


class Draft:
    """An answer that is being written."""

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self.texts: list[str] = []
        self.citations: list[Citation] = []
        self.unsupported: list[dict[str, int]] = []
        self.values: dict[str, Any] = {}
        self.changed = False
        self.task: asyncio.Task[None] | None = None

    def note(self, event: Event) -> None:
        self.changed = True
        match event:
            case Started():
                self.values |= {"model": event.model, "trace_id": event.trace_id}
            case Delta():
                self.texts.append(event.text)
            case Cited():
                self.citations.extend(event.citations)
            case Unsupported():
                self.unsupported.append({"start": event.start, "end": event.end})
            case Disputed():
                self.values["conflicts"] = msgspec.to_builtins(event.conflicts)
            case Progress():
                self.values["progress"] = msgspec.to_builtins(event)
            case Completed():
                kept = ("outcome", "confidence", "usage", "cost", "timings")
                self.values |= {name: msgspec.to_builtins(getattr(event, name)) for name in kept}
            case _:
                pass

    def row(self) -> dict[str, Any]:
        self.changed = False
        return {
            **self.values,
            "status": "streaming",  # another server that starts on the same database takes it for left behind
            "content": "".join(self.texts),
            "citations": msgspec.to_builtins(self.citations),
            "unsupported": list(self.unsupported),
        }


class Conversations:
    """Keeps conversations, and has their turns answered."""

    def __init__(self, database: Database, road: ChatRoad) -> None:
        self._database = database
        self._road = road
        self._drafts: dict[str, Draft] = {}
        self._saver: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """End what a dead process was writing, and begin to save drafts."""
        await self._database.write(rows.interrupt_streaming)
        self._saver = asyncio.create_task(self._save_drafts())

    async def close(self) -> None:
        tasks = [draft.task for draft in self._drafts.values() if draft.task]
        for task in [*tasks, *([self._saver] if self._saver else [])]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def create(
        self,
        caller: Caller,
        title: str | None = None,
        collection: str | None = None,
        model: str | None = None,
        memory: bool | None = None,
    ) -> Conversation:
        now = time.time()
        conversation_id = new_id("conv")
        row = {
            "id": conversation_id, "tenant": caller.tenant, "owner": caller.person, "title": title,
            "collection": collection, "model": model, "memory": memory, "created_at": now, "updated_at": now,
        }  # fmt: skip

        def make(connection: Connection) -> Conversation:
            rows.insert_conversation(connection, row)
            return rows.to_conversation(rows.find_conversation(connection, caller.private, conversation_id))

        return await self._database.write(make)

    async def list(self, caller: Caller, limit: int = 50, before: str | None = None) -> ConversationPage:
        return await self._database.read(lambda c: rows.list_conversations(c, caller.private, limit, before))

    async def get(self, caller: Caller, conversation_id: str) -> ConversationTree:
        """Raises `NotFound`."""
        return await self._database.read(lambda c: rows.read_tree(c, caller.private, conversation_id))

    async def change(self, caller: Caller, conversation_id: str, changes: Changes) -> Conversation:
        """Raises `NotFound`."""
        values = msgspec.structs.asdict(changes)
        kept = {name: value for name, value in values.items() if value is not UNSET}

        def save(connection: Connection) -> Conversation:
            rows.change_conversation(connection, caller.private, conversation_id, kept | {"updated_at": time.time()})
            return rows.to_conversation(rows.find_conversation(connection, caller.private, conversation_id))

        return await self._database.write(save)

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Raises `NotFound`. Answers that are being written end."""
        for message in (await self.get(caller, conversation_id)).messages:
            await self._cancel(message.id)
        await self._database.write(lambda c: rows.delete_conversation(c, caller.private, conversation_id))

    async def stop(self, caller: Caller, conversation_id: str, message_id: str) -> None:
        """End an answer that is being written; what was written stays. Raises `NotFound`."""
        tree = await self.get(caller, conversation_id)
        if not any(message.id == message_id for message in tree.messages):
            raise NotFound(f"There is no message {message_id!r} in this conversation.")
        await self._cancel(message_id)

    async def reply(self, conversation_id: str, turn: Turn, caller: Caller) -> AsyncGenerator[Stored | Event]:
        """Store the turn, then stream its answer. Closing the iterator stops the answer.

        Raises `NotFound`, `InvalidParameter`, and whatever the road raises.
        """
        tree = await self.get(caller, conversation_id)
        stored, path = await self._database.write(lambda c: store_turn(c, caller, tree, turn))
        draft = self._drafts[stored.assistant.id] = Draft(stored.assistant.id)
        queue: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        draft.task = asyncio.create_task(self._write(draft, to_request(tree, turn, path), caller, queue))
        try:
            await asyncio.sleep(0)  # a task that is cancelled before it has begun would leave its draft behind
            yield stored
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            await self._cancel(draft.id)

    async def _write(
        self, draft: Draft, request: ChatRequest, caller: Caller, queue: asyncio.Queue[Event | Exception | None]
    ) -> None:
        """Have it answered, in a task of its own so that it can be stopped from anywhere."""
        ending: dict[str, Any] = {"status": "interrupted"}
        failure: Exception | None = None
        try:
            async with aclosing(self._road.run(request, caller)) as events:
                async for event in events:
                    draft.note(event)
                    queue.put_nowait(event)
            ending = {"status": "complete"}
        except Exception as error:
            known = isinstance(error, GuruError)
            ending = {"status": "failed", "error": str(error) if known else "The server made a mistake."}
            failure = error
        finally:
            del self._drafts[draft.id]
            values = draft.row() | ending
            try:
                await asyncio.shield(self._database.write(lambda c: rows.change_message(c, draft.id, values)))
            finally:
                queue.put_nowait(failure)

    async def _cancel(self, message_id: str) -> None:
        draft = self._drafts.get(message_id)
        if draft is not None and draft.task is not None:
            draft.task.cancel()
            await asyncio.wait((draft.task,))

    async def _save_drafts(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            values = {draft.id: draft.row() for draft in self._drafts.values() if draft.changed}
            if not values:
                continue
            try:
                await self._database.write(partial(save_all, values=values))
            except Exception:
                log.exception("drafts could not be saved; trying again in %s seconds", SAVE_EVERY)


def save_all(connection: Connection, values: dict[str, dict[str, Any]]) -> None:
    for message_id, row in values.items():
        rows.change_message(connection, message_id, row)
