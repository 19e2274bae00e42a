"""What was accepted of the tools of a server: a tool that has changed since is not used until a person has seen it.

A description is read by models: whoever can change it can tell them what to do. So the first definition that nothing
is wrong with is kept, by its hash, and any other waits for a person.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select

from guru.store.database import Database
from guru.store.tables import mcp_tools
from guru.types import JSON

PINNED: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""What of a definition a model or the loop goes by."""
MOST_BYTES: Final = 256 * 1024
"""Of one definition."""


class Pin(Struct, kw_only=True):
    tool: str
    hash: str
    definition: JSON
    accepted_by: str
    """Empty: nobody; it was the first that was seen."""
    accepted_at: float


class Pins:
    """Those of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def of(self, server: str) -> dict[str, Pin]:
        table = mcp_tools.c
        columns = [table[name] for name in Pin.__struct_fields__]
        query = select(*columns).where(table.tenant == self._tenant, table.server == server)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.tool: Pin(**row._mapping) for row in rows}

    async def accept(self, server: str, definition: JSON, *, by: str = "") -> None:
        """Keep a definition, in place of the one before."""
        table = mcp_tools.c
        kept = pinned(definition)
        row = {
            "tenant": self._tenant, "server": server, "tool": definition["name"], "hash": fingerprint(definition),
            "definition": kept, "accepted_by": by, "accepted_at": time.time(),
        }  # fmt: skip
        mine = (table.tenant == self._tenant, table.server == server, table.tool == definition["name"])

        def replace(connection: Connection) -> None:
            connection.execute(delete(mcp_tools).where(*mine))
            connection.execute(insert(mcp_tools).values(row))

        await self._database.write(replace)


def pinned(definition: JSON) -> JSON:
    return {name: definition[name] for name in PINNED if name in definition}


def fingerprint(definition: JSON) -> str:
    """The SHA-256 of what is kept, however its keys are ordered."""
    return hashlib.sha256(msgspec.json.encode(pinned(definition), order="deterministic")).hexdigest()


def differences(before: JSON, after: JSON) -> list[str]:
    """The fields in which two definitions differ."""
    return [name for name in PINNED if before.get(name) != after.get(name)]
