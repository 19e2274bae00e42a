"""Teams, for administrators."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType, field

from guru.config import BudgetSettings, LimitSettings
from guru.gateway.identity.records import Team
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.organisations import ListQuery, Organisation, administrator, given, part, to_view


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


DOORS = [list_teams, create_team, show_team, change_team, delete_team]
