"""Users, for administrators."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from guru.config import BudgetSettings, LimitSettings, Role
from guru.gateway.identity.records import User
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.organisations import ListQuery, Organisation, administrator, given, part, to_view


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


DOORS = [list_users, create_user, show_user, change_user, delete_user]
