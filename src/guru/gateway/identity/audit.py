"""The audit log: who changed what, in rows of which each one's hash covers the one before it.

A row that is changed, removed, added or moved breaks the chain from there on; `verify` says where. Each organisation
has a chain of its own. Whoever can write the whole database could forge a whole chain anew: note the last hash
elsewhere now and then, and ask `verify` whether it is still part of the chain.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from guru.gateway.identity.caller import Caller
from guru.store.database import Database
from guru.store.tables import audit_entries, audit_heads

BEGINNING = "0" * 64


class AuditEntry(Struct, kw_only=True):
    number: int
    at: float
    """Seconds since 1970."""
    actor: str
    action: str
    """What was done, to what: `keys.create`, `releases.rollback`."""
    subject: str
    before: Any
    after: Any
    previous: str
    hash: str
    """SHA-256 over all the others, as canonical JSON."""


class AuditFilter(Struct, kw_only=True):
    """Which entries to list; what is None does not matter."""

    actor: str | None = None
    """A part of it, such as a user's name or a key's id."""
    action: str | None = None
    """`keys.create`, or `keys` for everything done to keys."""
    start: float | None = None
    """Seconds since 1970, as is `end`, which does not count any more."""
    end: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        table, found = audit_entries.c, []
        if self.actor is not None:
            found.append(table.actor.icontains(self.actor, autoescape=True))
        if self.action is not None:
            within = table.action.startswith(f"{self.action}.", autoescape=True)
            found.append(or_(table.action == self.action, within))
        if self.start is not None:
            found.append(table.at >= self.start)
        if self.end is not None:
            found.append(table.at < self.end)
        return found


class Verified(Struct, kw_only=True):
    ok: bool
    entries: int
    head: str
    """The hash of the last entry. Note it elsewhere, and a chain forged as a whole is found too."""
    problem: str | None = None
    number: int | None = None
    """The first entry that is not as it was written."""


class Audit:
    """The audit log of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(
        self, caller: Caller, action: str, subject: str, *, before: Any = None, after: Any = None
    ) -> None:
        """Write down a change. `before` and `after` hold no secrets; both are encoded as JSON."""
        await self._database.write(
            lambda connection: record(connection, caller, action, subject, before=before, after=after)
        )

    async def list(
        self, tenant: str, *, limit: int = 100, before: int | None = None, wanted: AuditFilter | None = None
    ) -> list[AuditEntry]:
        """The newest first; `before` is the number of the last one seen."""
        table = audit_entries.c
        query = select(audit_entries).where(table.tenant == tenant).order_by(table.number.desc()).limit(limit)
        if before is not None:
            query = query.where(table.number < before)
        if wanted is not None:
            query = query.where(*wanted.conditions())
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [to_entry({str(name): value for name, value in row.items()}) for row in rows]

    async def verify(self, tenant: str, noted: str | None = None) -> Verified:
        """Go through the whole chain. `noted` is a hash that must be part of it."""
        return await self._database.read(lambda connection: verify(connection, tenant, noted))


def record(
    connection: Connection, caller: Caller, action: str, subject: str, *, before: Any = None, after: Any = None
) -> None:
    """Add an entry in the caller's transaction, so that there is no change without its entry."""
    heads = audit_heads.c
    head = connection.execute(select(audit_heads).where(heads.tenant == caller.tenant)).mappings().one_or_none()
    number, previous = (head["number"] + 1, head["hash"]) if head else (1, BEGINNING)
    row: dict[str, Any] = {
        "tenant": caller.tenant,
        "number": number,
        "at": round(time.time(), 6),
        "actor": actor(caller),
        "action": action,
        "subject": subject,
        "before": None if before is None else canonical(before),
        "after": None if after is None else canonical(after),
        "previous": previous,
    }
    row["hash"] = digest(row)
    connection.execute(insert(audit_entries).values(row))
    values = {"number": number, "hash": row["hash"]}
    if head:
        connection.execute(update(audit_heads).where(heads.tenant == caller.tenant).values(values))
    else:
        connection.execute(insert(audit_heads).values(tenant=caller.tenant, **values))


def verify(connection: Connection, tenant: str, noted: str | None = None) -> Verified:
    previous, expected, found = BEGINNING, 1, noted is None

    def broken(problem: str) -> Verified:
        return Verified(ok=False, entries=expected - 1, head=previous, problem=problem, number=expected)

    table = audit_entries.c
    rows = connection.execute(select(audit_entries).where(table.tenant == tenant).order_by(table.number))
    for row in rows.mappings():
        if row["number"] != expected:
            return broken(f"Entry {expected} is missing.")
        if row["previous"] != previous:
            return broken(f"Entry {expected} does not follow the one before it.")
        if row["hash"] != digest(dict(row)):
            return broken(f"Entry {expected} was changed.")
        previous, expected = row["hash"], expected + 1
        found = found or previous == noted
    head = connection.execute(select(audit_heads).where(audit_heads.c.tenant == tenant)).mappings().one_or_none()
    if (head["number"], head["hash"]) != (expected - 1, previous) if head else expected > 1:
        return broken(f"Entries from {expected} on are missing." if head else "The end of the chain is not recorded.")
    if not found:
        return broken("The hash that was noted is not part of the chain: it was written anew.")
    return Verified(ok=True, entries=expected - 1, head=previous)


def digest(row: dict[str, Any]) -> str:
    """The hash of an entry: over everything but itself."""
    return hashlib.sha256(canonical({name: row[name] for name in row if name != "hash"}).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON in one spelling: sorted keys, no spaces, nothing escaped that need not be."""
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def actor(caller: Caller) -> str:
    """Who did it, as far as is known: the person, the key, or the owner of the machine."""
    if caller.owner:
        return "owner"
    named = [f"user {caller.user}"] if caller.user else []
    return ", ".join([*named, *([f"key {caller.key}"] if caller.key else [])]) or "unknown"


def to_entry(row: dict[str, Any]) -> AuditEntry:
    for name in ("before", "after"):
        row[name] = None if row[name] is None else json.loads(row[name])
    return msgspec.convert(row, AuditEntry)
