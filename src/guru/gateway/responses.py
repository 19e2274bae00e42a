"""Answers of the Responses API, kept so that a next request can go on from them."""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select

from guru.errors import NotFound
from guru.gateway.identity import Caller
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import responses
from guru.types import JSON

DAYS = 30
"""How long an answer is kept, as OpenAI does."""
LONGEST = 1000
"""Turns that one conversation may have."""


class Kept(Struct):
    """One answer, with the items that it answered."""

    input: list[JSON]
    response: JSON


class Responses:
    """The kept answers of everybody. Nobody sees another's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, caller: Caller, items: list[JSON], response: JSON) -> None:
        """Durable when this returns. Answers older than `DAYS` go at the same time."""
        row = {
            "id": response["id"], "tenant": caller.tenant, "owner": caller.person, "input": items,
            "previous_id": response.get("previous_response_id"), "response": response, "created_at": time.time(),
        }  # fmt: skip

        def write(connection: Connection) -> None:
            connection.execute(insert(responses).values(row))
            connection.execute(delete(responses).where(responses.c.created_at < row["created_at"] - DAYS * 86400))

        await self._database.write(write)

    async def get(self, caller: Caller, response_id: str) -> Kept:
        """Raises `NotFound`."""
        return to_kept(await self._database.read(lambda connection: find(connection, caller.private, response_id)))

    async def delete(self, caller: Caller, response_id: str) -> None:
        """Raises `NotFound`. Answers that went on from it stay, and cannot be gone on from."""

        def forget(connection: Connection) -> None:
            find(connection, caller.private, response_id)
            connection.execute(delete(responses).where(caller.private.of(responses), responses.c.id == response_id))

        await self._database.write(forget)

    async def turns(self, caller: Caller, response_id: str) -> list[Kept]:
        """The answer and all that it went on from, the oldest first. Raises `NotFound` when one of them is gone."""

        def walk(connection: Connection) -> list[Kept]:
            found: list[Kept] = []
            following: str | None = response_id
            while following is not None and len(found) < LONGEST:
                row = find(connection, caller.private, following)
                found.append(to_kept(row))
                following = row.previous_id
            return found[::-1]

        return await self._database.read(walk)


def find(connection: Connection, scope: Scope, response_id: str) -> Row[Any]:
    query = select(responses).where(scope.of(responses), responses.c.id == response_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no response {response_id!r}.",
            param="response_id",
            hint=f"Responses are kept for {DAYS} days, unless `store` was false.",
        )
    return row


def to_kept(row: Row[Any]) -> Kept:
    return Kept(row.input, row.response)


def history(turns: list[Kept]) -> list[JSON]:
    """The items of a conversation so far."""
    return [item for turn in turns for item in [*turn.input, *turn.response["output"]]]
