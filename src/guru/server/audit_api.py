"""The log of who changed what, for administrators."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from guru.gateway.identity.audit import AuditFilter, Verified
from guru.gateway.messages import moment
from guru.server.endpoint import Call, get
from guru.server.organisations import Organisation, administrator, to_view

KEY_ID = re.compile(r"\bkey ([^,]+)$")
"""The key in an entry's actor, after its user."""


class AuditQuery(Organisation, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    before: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    """Number of the last entry seen."""
    actor: str | None = None
    """A part of who did it: a user's name, a key's name or id, `owner`."""
    action: str | None = None
    """`keys.create`, or `keys` for everything done to keys."""
    start: datetime | None = field(default=None, name="from")
    """The first moment, with its time zone, as in 2026-01-31T12:00:00Z."""
    end: datetime | None = field(default=None, name="to")
    """The first moment that does not count any more."""


class AuditView(Struct, kw_only=True):
    number: int
    at: datetime
    actor: str
    actor_name: str
    """The same, with the names of keys in place of their ids."""
    action: str
    subject: str
    subject_name: str
    before: Any
    after: Any
    hash: str


class AuditPage(Struct):
    entries: list[AuditView]
    next: int | None
    """Give it as `before` to see older ones; null at the end."""


class VerifyQuery(Organisation, kw_only=True, forbid_unknown_fields=True):
    head: str | None = None
    """The hash of an entry that you noted: it must still be part of the chain."""


@get("/api/v1/audit")
async def list_audit(call: Call, query: AuditQuery) -> AuditPage:
    """Who changed what, the newest first."""
    caller = administrator(call, query)
    names = {key.id: key.name for key in call.services.directory.keys(caller.tenant)}
    ids = {name: id_ for id_, name in names.items()}
    wanted = AuditFilter(
        actor=ids.get(query.actor or "", query.actor), action=query.action,
        start=seconds(query.start), end=seconds(query.end),
    )  # fmt: skip
    found = await call.services.audit.list(caller.tenant, limit=query.limit + 1, before=query.before, wanted=wanted)
    shown = [
        to_view(
            entry, AuditView, at=moment(entry.at), subject_name=names.get(entry.subject, entry.subject),
            actor_name=KEY_ID.sub(lambda found: f"key {names.get(found[1], found[1])}", entry.actor),
        )
        for entry in found[: query.limit]
    ]  # fmt: skip
    return AuditPage(shown, shown[-1].number if len(found) > query.limit else None)


@get("/api/v1/audit/verify")
async def verify_audit(call: Call, query: VerifyQuery) -> Verified:
    """Whether the log is as it was written: nothing changed, removed or moved."""
    caller = administrator(call, query)
    return await call.services.audit.verify(caller.tenant, query.head)


def seconds(time: datetime | None) -> float | None:
    """Since 1970; UTC where the time does not say."""
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


DOORS = [list_audit, verify_audit]
