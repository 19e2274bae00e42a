"""Keys, teams, users, and the log of who changed what. All but `me` are for administrators."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from guru.config import BudgetSettings, LimitSettings, Role
from guru.errors import Forbidden, InvalidParameter
from guru.gateway.identity import Caller
from guru.gateway.identity.audit import AuditFilter, Verified
from guru.gateway.identity.records import Key, Team, User
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, get, patch, post

Grace = Annotated[float, Meta(ge=0, le=90 * 86400)]
Days = Annotated[float, Meta(gt=0, le=36500)]
View = TypeVar("View", bound=Struct)
Item = TypeVar("Item", bound=Struct)
DAY = 86400.0


class Organisation(Struct, forbid_unknown_fields=True):
    organisation: str | None = None
    """Whose; only the local owner may name another one than its own. It begins with the first thing made in it."""


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


class ListQuery(Organisation, kw_only=True, forbid_unknown_fields=True):
    search: str | None = None
    """A part of the name, whatever its case."""
    team: str | None = None
    """Only those that belong to this team."""
    user: str | None = None
    """Only keys of this user."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """All of them when it is left out."""
    offset: Annotated[int, Meta(ge=0)] = 0


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
    tags: list[str] = []
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


class TeamView(Struct, kw_only=True):
    name: str
    models: list[str]
    limits: LimitSettings | None
    budget: BudgetSettings | None
    configured: bool
    created_at: datetime | None


class TeamList(Struct):
    teams: list[TeamView]
    total: int
    next: int | None


class NewTeam(Organisation, kw_only=True, forbid_unknown_fields=True):
    name: str
    models: list[str] = field(default_factory=lambda: ["*"])
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None


class TeamChange(Organisation, kw_only=True, forbid_unknown_fields=True):
    models: list[str] | UnsetType = UNSET
    limits: LimitSettings | UnsetType | None = UNSET
    budget: BudgetSettings | UnsetType | None = UNSET


class UserView(Struct, kw_only=True):
    name: str
    role: Role
    """A key of this user has at most this role."""
    team: str | None
    limits: LimitSettings | None
    budget: BudgetSettings | None
    disabled: bool
    created_at: datetime | None


class UserList(Struct):
    users: list[UserView]
    total: int
    next: int | None


class NewUser(Organisation, kw_only=True, forbid_unknown_fields=True):
    name: str
    role: Role = "member"
    team: str | None = None
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None


class UserChange(Organisation, kw_only=True, forbid_unknown_fields=True):
    role: Role | UnsetType = UNSET
    team: str | UnsetType | None = UNSET
    limits: LimitSettings | UnsetType | None = UNSET
    budget: BudgetSettings | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET


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


class Me(Struct, kw_only=True):
    organisation: str
    key: str | None
    team: str | None
    user: str | None
    role: Role
    owner: bool
    """Whether this is the person whose machine it is."""


# --------------------------------------------------------------------------- keys


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


# --------------------------------------------------------------------------- teams


@get("/api/v1/teams")
async def list_teams(call: Call, query: ListQuery) -> TeamList:
    """The teams, by name."""
    caller = administrator(call, query)
    page, total, following = part(call.services.directory.teams(caller.tenant), query)
    return TeamList([to_view(team, TeamView) for team in page], total, following)


@post("/api/v1/teams", status=201)
async def create_team(call: Call, body: NewTeam) -> TeamView:
    """Make a team. Its limits and its budget hold for all of its keys together."""
    caller = administrator(call, body)
    team = Team(tenant=caller.tenant, name=body.name, models=body.models, limits=body.limits, budget=body.budget)
    return to_view(await call.services.changes.create_team(caller, team), TeamView)


@get("/api/v1/teams/{name}")
async def show_team(call: Call, name: str, query: Organisation) -> TeamView:
    """One team."""
    caller = administrator(call, query)
    return to_view(call.services.changes.find_team(caller.tenant, name), TeamView)


@patch("/api/v1/teams/{name}")
async def change_team(call: Call, name: str, body: TeamChange) -> TeamView:
    """Change a team. What is left out stays as it is; null takes limits or the budget away."""
    caller = administrator(call, body)
    values = given(body, ("models", "limits", "budget"))
    return to_view(await call.services.changes.change_team(caller, name, **values), TeamView)


@delete("/api/v1/teams/{name}", status=204)
async def delete_team(call: Call, name: str, query: Organisation) -> None:
    """Delete a team to which nobody belongs any more."""
    await call.services.changes.delete_team(administrator(call, query), name)


# --------------------------------------------------------------------------- users


@get("/api/v1/users")
async def list_users(call: Call, query: ListQuery) -> UserList:
    """The users, by name."""
    caller = administrator(call, query)
    page, total, following = part(call.services.directory.users(caller.tenant), query)
    return UserList([to_view(user, UserView) for user in page], total, following)


@post("/api/v1/users", status=201)
async def create_user(call: Call, body: NewUser) -> UserView:
    """Make a user, to whom keys can belong."""
    caller = administrator(call, body)
    user = User(
        tenant=caller.tenant, name=body.name, role=body.role, team=body.team, limits=body.limits, budget=body.budget
    )  # fmt: skip
    return to_view(await call.services.changes.create_user(caller, user), UserView)


@get("/api/v1/users/{name}")
async def show_user(call: Call, name: str, query: Organisation) -> UserView:
    """One user."""
    caller = administrator(call, query)
    return to_view(call.services.changes.find_user(caller.tenant, name), UserView)


@patch("/api/v1/users/{name}")
async def change_user(call: Call, name: str, body: UserChange) -> UserView:
    """Change a user. One who is disabled has no key that opens."""
    caller = administrator(call, body)
    values = given(body, ("role", "team", "limits", "budget", "disabled"))
    return to_view(await call.services.changes.change_user(caller, name, **values), UserView)


@delete("/api/v1/users/{name}", status=204)
async def delete_user(call: Call, name: str, query: Organisation) -> None:
    """Delete a user who has no keys any more."""
    await call.services.changes.delete_user(administrator(call, query), name)


# --------------------------------------------------------------------------- audit, me


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


@get("/api/v1/me")
async def show_me(call: Call) -> Me:
    """Who you are to this server."""
    caller = call.caller("me")
    return Me(
        organisation=caller.tenant, key=caller.key, team=caller.team, user=caller.user, role=caller.role,
        owner=caller.owner,
    )  # fmt: skip


# --------------------------------------------------------------------------- shared

KEY_ID = re.compile(r"\bkey ([^,]+)$")
"""The key in an entry's actor, after its user."""
KEY_FIELDS = ("role", "team", "user", "models", "routes", "tags", "limits", "budget")


def administrator(call: Call, about: Organisation) -> Caller:
    """The caller, in the organisation that it manages. Raises `Forbidden`."""
    caller = call.require_admin()
    if about.organisation is None or about.organisation == caller.tenant:
        return caller
    if not caller.owner:
        raise Forbidden("Another organisation's keys are none of yours.", hint="Leave `organisation` out.")
    if not about.organisation.replace("-", "").replace("_", "").isalnum() or len(about.organisation) > 64:
        raise InvalidParameter(
            f"{about.organisation!r} is no name of an organisation.", param="organisation",
            hint="Use up to 64 letters, digits, dashes and underscores.",
        )  # fmt: skip
    return msgspec.structs.replace(caller, tenant=about.organisation)


def part(items: Sequence[Item], query: ListQuery) -> tuple[Sequence[Item], int, int | None]:
    """The page that is asked for, how many there are in all, and where the next page begins."""
    text = (query.search or "").casefold()
    found = [
        item
        for item in items
        if text in getattr(item, "name", "").casefold()
        and (query.team is None or getattr(item, "team", None) == query.team)
        and (query.user is None or getattr(item, "user", None) == query.user)
    ]
    end = len(found) if query.limit is None else query.offset + query.limit
    return found[query.offset : end], len(found), end if end < len(found) else None


def given(body: Struct, names: Sequence[str]) -> dict[str, Any]:
    """What a change says."""
    return {name: value for name in names if not isinstance(value := getattr(body, name), UnsetType)}


def seconds(time: datetime | None) -> float | None:
    """Since 1970; UTC where the time does not say."""
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


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


def to_view(item: Struct, shape: type[View], **values: Any) -> View:
    """The fields of `item` that `shape` has, with `values` in place of some."""
    if (created := getattr(item, "created_at", None)) is not None:
        values.setdefault("created_at", moment(created) if created else None)
    names = [name for name in shape.__struct_fields__ if name not in values]
    return shape(**{name: getattr(item, name) for name in names}, **values)


DOORS = [
    list_keys,
    create_key,
    show_key,
    change_key,
    rotate_key,
    revoke_key,
    list_teams,
    create_team,
    show_team,
    change_team,
    delete_team,
    list_users,
    create_user,
    show_user,
    change_user,
    delete_user,
    list_audit,
    verify_audit,
    show_me,
]
