"""API keys, for administrators; and who the caller is."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from guru.config import BudgetSettings, LimitSettings, Role
from guru.gateway.identity.records import Key
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.organisations import ListQuery, Organisation, administrator, given, part, to_view

Grace = Annotated[float, Meta(ge=0, le=90 * 86400)]
Days = Annotated[float, Meta(gt=0, le=36500)]
DAY = 86400.0
KEY_FIELDS = ("role", "team", "user", "models", "routes", "tags", "limits", "budget")


class KeyView(Struct, kw_only=True):
    id: str
    name: str
    prefix: str
    """The beginning of the key, to tell it from others."""
    status: str
    """`active`, `expired` or `revoked`."""
    role: Role
    team: str | None
    user: str | None
    models: list[str]
    """Names and patterns of the models that it may use."""
    routes: list[str]
    """Names and patterns of the doors that it may use, such as `chat.completions`."""
    tags: list[str]
    limits: LimitSettings | None
    budget: BudgetSettings | None
    configured: bool
    """Whether it comes from the configuration, where alone it can be changed."""
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    previous_expires_at: datetime | None
    """Until when the key before the last rotation opens."""


class NewKeyView(KeyView, kw_only=True):
    key: str
    """The key itself. It is kept as a hash only: this is the one time that it is shown."""


class KeyList(Struct):
    keys: list[KeyView]
    total: int
    """How many there are of what was asked for, as in the other lists."""
    next: int | None
    """Give it as `offset` to see more; null at the end."""


class NewKey(Organisation, kw_only=True, forbid_unknown_fields=True):
    name: str
    role: Role = "member"
    team: str | None = None
    user: str | None = None
    models: list[str] = field(default_factory=lambda: ["*"])
    routes: list[str] = field(default_factory=lambda: ["*"])
    tags: list[str] = field(default_factory=list)
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None
    expires_in_days: Days | None = None


class KeyChange(Organisation, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is; null takes a limit, a budget, a team, a user or an end away."""

    role: Role | UnsetType = UNSET
    team: str | UnsetType | None = UNSET
    user: str | UnsetType | None = UNSET
    models: list[str] | UnsetType = UNSET
    routes: list[str] | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    limits: LimitSettings | UnsetType | None = UNSET
    budget: BudgetSettings | UnsetType | None = UNSET
    expires_in_days: Days | UnsetType | None = UNSET


class Rotation(Organisation, kw_only=True, forbid_unknown_fields=True):
    grace_seconds: Grace = DAY
    """How long the old key still opens."""


class Me(Struct, kw_only=True):
    organisation: str
    key: str | None
    team: str | None
    user: str | None
    role: Role
    owner: bool
    """Whether this is the person whose machine it is."""


@get("/api/v1/keys")
async def list_keys(call: Call, query: ListQuery) -> KeyList:
    """The API keys, without the keys themselves."""
    caller = administrator(call, query)
    page, total, following = part(call.services.directory.keys(caller.tenant), query)
    return KeyList([to_key(call, key) for key in page], total, following)


@post("/api/v1/keys", status=201)
async def create_key(call: Call, body: NewKey) -> NewKeyView:
    """Make a key. The answer shows it, once."""
    caller = administrator(call, body)
    values = {name: getattr(body, name) for name in KEY_FIELDS}
    wanted = Key(id="", tenant=caller.tenant, hash=b"", name=body.name, expires_at=end(body.expires_in_days), **values)
    key, secret = await call.services.changes.create_key(caller, wanted)
    return with_secret(to_key(call, key), secret)


@get("/api/v1/keys/{key_id}")
async def show_key(call: Call, key_id: str, query: Organisation) -> KeyView:
    """One key, by its id or its name."""
    caller = administrator(call, query)
    return to_key(call, call.services.changes.find_key(caller.tenant, key_id))


@patch("/api/v1/keys/{key_id}")
async def change_key(call: Call, key_id: str, body: KeyChange) -> KeyView:
    """Change what a key may do, or when it ends."""
    caller = administrator(call, body)
    values = given(body, KEY_FIELDS)
    if not isinstance(body.expires_in_days, UnsetType):
        values["expires_at"] = end(body.expires_in_days)
    return to_key(call, await call.services.changes.change_key(caller, key_id, **values))


@post("/api/v1/keys/{key_id}/rotate")
async def rotate_key(call: Call, key_id: str, body: Rotation) -> NewKeyView:
    """Replace a key by a new one, with the same name, limits and spending."""
    caller = administrator(call, body)
    key, secret = await call.services.changes.rotate_key(caller, key_id, body.grace_seconds)
    return with_secret(to_key(call, key), secret)


@delete("/api/v1/keys/{key_id}")
async def revoke_key(call: Call, key_id: str, query: Organisation) -> KeyView:
    """Revoke a key: it opens nothing any more, on any server, within a second."""
    caller = administrator(call, query)
    return to_key(call, await call.services.changes.revoke_key(caller, key_id))


@get("/api/v1/me")
async def show_me(call: Call) -> Me:
    """Who you are to this server."""
    caller = call.caller("me")
    return Me(
        organisation=caller.tenant, key=caller.key, team=caller.team, user=caller.user, role=caller.role,
        owner=caller.owner,
    )  # fmt: skip


def end(days: float | None) -> float | None:
    """Seconds since 1970."""
    return None if days is None else time.time() + days * DAY


def to_key(call: Call, key: Key) -> KeyView:
    now = time.time()
    expired = key.expires_at is not None and key.expires_at <= now
    status = "revoked" if key.revoked_at is not None else "expired" if expired else "active"
    previous = key.previous_expires_at
    ends = moment(previous) if previous is not None and previous > now and status == "active" else None
    used = call.services.directory.last_used(key)
    return to_view(
        key, KeyView, status=status, expires_at=moment(key.expires_at) if key.expires_at else None,
        revoked_at=moment(key.revoked_at) if key.revoked_at else None,
        last_used_at=moment(used) if used else None, previous_expires_at=ends,
    )  # fmt: skip


def with_secret(view: KeyView, secret: str) -> NewKeyView:
    return NewKeyView(**{name: getattr(view, name) for name in KeyView.__struct_fields__}, key=secret)


DOORS = [list_keys, create_key, show_key, change_key, rotate_key, revoke_key, show_me]
