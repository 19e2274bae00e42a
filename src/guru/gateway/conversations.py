"""Talking in turns: the question is stored before the model runs, the answer while it is written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from guru.errors import GuruError, InvalidParameter, NotFound
from guru.gateway import messages as rows
from guru.gateway.identity import Caller
from guru.gateway.messages import Changes, Conversation, ConversationPage, ConversationTree, StoredMessage
from guru.gateway.pipeline import Road
from guru.store.database import Database
from guru.store.ids import new_id
from guru.types import (
    ChatRequest,
    Citation,
    Cited,
    Completed,
    Delta,
    Event,
    Grounding,
    Message,
    Part,
    SearchMode,
    Started,
    Unsupported,
    Usage,
)

log = logging.getLogger(__name__)
SAVE_EVERY = 1.0
"""Seconds: what a kill can take of an answer that is being written."""
TITLE = 60


class Turn(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person sends: a message, or the wish for another answer to one."""

    content: str | list[Part] | None = None
    parent_id: str | UnsetType | None = UNSET
    """The message before this one; the newest when left out, none when null."""
    regenerate: str | None = None
    """Id of the message to answer once more (or of its answer); then there is no `content`."""
    model: str | None = None
    collection: str | UnsetType | None = UNSET
    k: int | None = None
    mode: SearchMode | None = None
    filter: dict[str, Any] | None = None
    threshold: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] = []


class Stored(Struct, tag="message"):
    """The first event of a turn: the rows that it made."""

    user: StoredMessage | None
    assistant: StoredMessage


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
            case Completed():
                usage: Usage = event.usage
                self.values |= {"outcome": event.outcome, "usage": msgspec.to_builtins(usage)}
            case _:
                pass

    def row(self) -> dict[str, Any]:
        self.changed = False
        return {
            **self.values,
            "content": "".join(self.texts),
            "citations": msgspec.to_builtins(self.citations),
            "unsupported": list(self.unsupported),
        }


class Conversations:
    """Keeps conversations, and takes their turns over the road."""

    def __init__(self, database: Database, road: Road) -> None:
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

    async def create(self, tenant: str, title: str | None, collection: str | None, model: str | None) -> Conversation:
        now = time.time()
        conversation_id = new_id("conv")
        row = {
            "id": conversation_id, "title": title, "collection": collection, "model": model,
            "created_at": now, "updated_at": now,
        }  # fmt: skip

        def make(connection: Connection) -> Conversation:
            rows.insert_conversation(connection, tenant, row)
            return rows.to_conversation(rows.find_conversation(connection, tenant, conversation_id))

        return await self._database.write(make)

    async def list(self, tenant: str, limit: int = 50, before: str | None = None) -> ConversationPage:
        return await self._database.read(lambda c: rows.list_conversations(c, tenant, limit, before))

    async def get(self, tenant: str, conversation_id: str) -> ConversationTree:
        """Raises `NotFound`."""
        return await self._database.read(lambda c: rows.read_tree(c, tenant, conversation_id))

    async def change(self, tenant: str, conversation_id: str, changes: Changes) -> Conversation:
        """Raises `NotFound`."""
        values = msgspec.structs.asdict(changes)
        kept = {name: value for name, value in values.items() if value is not UNSET}

        def save(connection: Connection) -> Conversation:
            rows.change_conversation(connection, tenant, conversation_id, kept | {"updated_at": time.time()})
            return rows.to_conversation(rows.find_conversation(connection, tenant, conversation_id))

        return await self._database.write(save)

    async def delete(self, tenant: str, conversation_id: str) -> None:
        """Raises `NotFound`. Answers that are being written end."""
        for message in (await self.get(tenant, conversation_id)).messages:
            await self._cancel(message.id)
        await self._database.write(lambda c: rows.delete_conversation(c, tenant, conversation_id))

    async def stop(self, tenant: str, conversation_id: str, message_id: str) -> None:
        """End an answer that is being written; what was written stays. Raises `NotFound`."""
        tree = await self.get(tenant, conversation_id)
        if not any(message.id == message_id for message in tree.messages):
            raise NotFound(f"There is no message {message_id!r} in this conversation.")
        await self._cancel(message_id)

    async def reply(self, conversation_id: str, turn: Turn, caller: Caller) -> AsyncGenerator[Stored | Event]:
        """Store the turn, then stream its answer. Closing the iterator stops the answer.

        Raises `NotFound`, `InvalidParameter`, and whatever the road raises.
        """
        tree = await self.get(caller.tenant, conversation_id)
        stored, path = await self._database.write(lambda c: store_turn(c, caller, tree, turn))
        draft = self._drafts[stored.assistant.id] = Draft(stored.assistant.id)
        queue: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        draft.task = asyncio.create_task(self._write(draft, to_request(tree, turn, path), caller, queue))
        try:
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
        """Run the road, in a task of its own so that it can be stopped from anywhere."""
        ending: dict[str, Any] = {"status": "interrupted"}
        try:
            async with aclosing(self._road.run(request, caller)) as events:
                async for event in events:
                    draft.note(event)
                    queue.put_nowait(event)
            ending = {"status": "complete"}
        except Exception as error:
            known = isinstance(error, GuruError)
            ending = {"status": "failed", "error": str(error) if known else "The server made a mistake."}
            queue.put_nowait(error)
        finally:
            del self._drafts[draft.id]
            values = draft.row() | ending
            try:
                await asyncio.shield(self._database.write(lambda c: rows.change_message(c, draft.id, values)))
            finally:
                queue.put_nowait(None)

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


def store_turn(
    connection: Connection, caller: Caller, tree: ConversationTree, turn: Turn
) -> tuple[Stored, list[StoredMessage]]:
    """Write the question and the empty answer. Also gives the path from the root to the question."""
    now = time.time()
    by_id = {message.id: message for message in tree.messages}
    user: StoredMessage | None = None
    if turn.regenerate is not None:
        asked = question_of(turn, by_id)
    else:
        parent = parent_of(turn, tree, by_id)
        row = {"id": new_id("msg"), "parent_id": parent, "role": "user", "content": msgspec.to_builtins(turn.content)}
        user = asked = rows.insert_message(
            connection, caller.tenant, tree.id, row | {"status": "complete", "created_at": now}
        )
        by_id[asked.id] = asked
    row = {"id": new_id("msg"), "parent_id": asked.id, "role": "assistant", "content": "", "status": "streaming"}
    answer = rows.insert_message(connection, caller.tenant, tree.id, row | {"created_at": time.time()})
    changes: dict[str, Any] = {"updated_at": now}
    if tree.title is None:
        changes["title"] = title_of(asked)
    if turn.model is not None:
        changes["model"] = turn.model
    if turn.collection is not UNSET:
        changes["collection"] = turn.collection
    rows.change_conversation(connection, caller.tenant, tree.id, changes)
    return Stored(user, answer), path_to(asked, by_id)


def question_of(turn: Turn, by_id: dict[str, StoredMessage]) -> StoredMessage:
    """The user's message that is to be answered once more."""
    if turn.content is not None:
        raise InvalidParameter("`regenerate` and `content` exclude each other.", param="content", hint="Send one.")
    message = by_id.get(turn.regenerate or "")
    if message is not None and message.role == "assistant":
        message = by_id.get(message.parent_id or "")
    if message is None:
        raise NotFound(f"There is no message {turn.regenerate!r} in this conversation.")
    return message


def parent_of(turn: Turn, tree: ConversationTree, by_id: dict[str, StoredMessage]) -> str | None:
    if not turn.content:
        raise InvalidParameter("The parameter `content` is missing.", param="content", hint="Send the message's text.")
    if turn.parent_id is UNSET:
        return tree.messages[-1].id if tree.messages else None
    if turn.parent_id is not None and turn.parent_id not in by_id:
        raise NotFound(f"There is no message {turn.parent_id!r} in this conversation.")
    return turn.parent_id


def path_to(message: StoredMessage, by_id: dict[str, StoredMessage]) -> list[StoredMessage]:
    """The branch that ends with `message`, from its root."""
    path = [message]
    while path[-1].parent_id is not None:
        path.append(by_id[path[-1].parent_id])
    return path[::-1]


def to_request(tree: ConversationTree, turn: Turn, path: list[StoredMessage]) -> ChatRequest:
    """The turn as the road takes it. Answers of which nothing was written are left out."""
    collection = tree.collection if turn.collection is UNSET else turn.collection
    grounding = None
    if collection is not None:
        grounding = Grounding(collection, k=turn.k, mode=turn.mode, filter=turn.filter, threshold=turn.threshold)
    return ChatRequest(
        model=turn.model or tree.model or "default",
        messages=[Message(role=item.role, content=item.content) for item in path if item.content],  # type: ignore[arg-type]
        guru=grounding,
        temperature=turn.temperature,
        top_p=turn.top_p,
        max_tokens=turn.max_tokens,
        seed=turn.seed,
        stop=turn.stop,
        metadata={"conversation": tree.id},
    )


def title_of(message: StoredMessage) -> str:
    """The beginning of the first question, cut between words."""
    text = " ".join(Message(role="user", content=message.content).text.split())
    if len(text) <= TITLE:
        return text
    return text[: text.rfind(" ", 0, TITLE) if " " in text[:TITLE] else TITLE] + "…"
