"""Keys, teams and users as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, insert, select, update

from guru.gateway.identity.records import Key, Team, User
from guru.store.tables import api_keys, identity_generation, teams, users

Record = TypeVar("Record", bound=Struct)


class Loaded(Struct):
    """Everything that the database has, at one moment."""

    keys: list[Key] = []
    teams: list[Team] = []
    users: list[User] = []
    generation: int = 0


def load(connection: Connection) -> Loaded:
    return Loaded(
        rows(connection, api_keys, Key),
        rows(connection, teams, Team),
        rows(connection, users, User),
        generation(connection),
    )


def rows(connection: Connection, table: Table, kind: type[Record]) -> list[Record]:
    return [
        msgspec.convert({str(name): value for name, value in row.items()}, kind)
        for row in connection.execute(select(table)).mappings()
    ]


def generation(connection: Connection) -> int:
    """A number that rises with every change."""
    return connection.scalar(select(identity_generation.c.generation)) or 0


def raise_generation(connection: Connection) -> None:
    table = identity_generation.c
    if not connection.execute(update(identity_generation).values(generation=table.generation + 1)).rowcount:
        connection.execute(insert(identity_generation).values(id=1, generation=1))


def to_row(table: Table, record: Struct) -> dict[str, Any]:
    """The columns of a record."""
    plain = msgspec.to_builtins(record, builtin_types=(bytes,))
    return {column.name: plain[column.name] for column in table.columns}


def write_last_used(connection: Connection, used: Mapping[str, float]) -> None:
    for key_id, at in used.items():
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))
