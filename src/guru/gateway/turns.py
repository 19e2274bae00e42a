"""A turn of a conversation: the rows that it makes, and the request that it becomes."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from sqlalchemy import Connection

from guru.errors import InvalidParameter, NotFound
from guru.gateway import messages as rows
from guru.gateway.identity import Caller
from guru.gateway.messages import ConversationTree, StoredMessage
from guru.store.ids import new_id
from guru.types import ChatRequest, Grounding, Message, Part, SearchMode, SearchOptions, Strategy, search_options

TITLE = 60
"""Characters of a title that is made from the first question."""


class Turn(SearchOptions, kw_only=True, forbid_unknown_fields=True):
    """What a person sends: a message, or the wish for another answer to one."""

    content: str | list[Part] | None = None
    parent_id: str | UnsetType | None = UNSET
    """The message before this one; the newest when left out, none when null."""
    regenerate: str | None = None
    """Id of the message to answer once more (or of its answer); then there is no `content`."""
    model: str | None = None
    collection: str | UnsetType | None = UNSET
    memory: bool | None = None
    """Whether the conversation uses memory, from now on; None: as before."""
    k: Annotated[int, Meta(ge=1, le=100)] | None = None
    mode: SearchMode | None = None
    filter: dict[str, Any] | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    strategy: Strategy = "direct"
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] = field(default_factory=list)


class Stored(Struct, tag="message"):
    """The first event of a turn: the rows that it made."""

    user: StoredMessage | None
    assistant: StoredMessage


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
    if turn.memory is not None:
        changes["memory"] = turn.memory
    if turn.collection is not UNSET:
        changes["collection"] = turn.collection
    rows.change_conversation(connection, caller.private, tree.id, changes)
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
        grounding = Grounding(
            collection,
            k=turn.k,
            mode=turn.mode,
            filter=turn.filter,
            threshold=turn.threshold,
            strategy=turn.strategy,
            memory=turn.memory,
            **search_options(turn),
        )
    elif (memory := tree.memory if turn.memory is None else turn.memory) is not None:
        grounding = Grounding(memory=memory)
    return ChatRequest(
        model=turn.model or tree.model or "default",
        messages=[Message(role=item.role, content=item.content) for item in path if item.content],  # type: ignore[arg-type]
        guru=grounding,
        temperature=turn.temperature,
        top_p=turn.top_p,
        max_tokens=turn.max_tokens,
        seed=turn.seed,
        stop=turn.stop,
        stream=True,
        metadata={"conversation": tree.id, "message": path[-1].id},
    )


def title_of(message: StoredMessage) -> str:
    """The beginning of the first question, cut between words."""
    text = " ".join(Message(role="user", content=message.content).text.split())
    if len(text) <= TITLE:
        return text
    return text[: text.rfind(" ", 0, TITLE) if " " in text[:TITLE] else TITLE] + "…"
