"""Keys, teams and users, as the store and the configuration have them."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

from msgspec import Struct, field

from guru.config import BudgetSettings, KeySettings, LimitSettings, Role, TeamSettings
from guru.gateway.identity.caller import LOCAL_TENANT
from guru.gateway.identity.secrets import hash_key, shown

RANKS: dict[Role, int] = {"viewer": 0, "member": 1, "admin": 2}


class Key(Struct, kw_only=True):
    """An API key, without the key itself. Times are seconds since 1970."""

    id: str
    tenant: str
    name: str
    hash: bytes
    previous_hash: bytes | None = None
    """Of the key before the last rotation, which opens until `previous_expires_at`."""
    previous_expires_at: float | None = None
    prefix: str = ""
    role: Role = "member"
    team: str | None = None
    user: str | None = None
    models: list[str] = field(default_factory=lambda: ["*"])
    routes: list[str] = field(default_factory=lambda: ["*"])
    tags: list[str] = []
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    configured: bool = False
    """Whether it comes from the configuration, where alone it can be changed."""


class Team(Struct, kw_only=True):
    tenant: str
    name: str
    models: list[str] = field(default_factory=lambda: ["*"])
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None
    created_at: float = 0.0
    configured: bool = False


class User(Struct, kw_only=True):
    tenant: str
    name: str
    role: Role = "member"
    team: str | None = None
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None
    disabled: bool = False
    created_at: float = 0.0


def configured_key(name: str, settings: KeySettings) -> Key:
    """A key of `guru.toml`."""
    return Key(
        id=f"config:{name}", tenant=LOCAL_TENANT, name=name, hash=hash_key(settings.key), prefix=shown(settings.key),
        role=settings.role, team=settings.team, user=settings.user, models=settings.models, routes=settings.routes,
        tags=settings.tags, limits=settings.limits, budget=settings.budget, configured=True,
    )  # fmt: skip


def configured_team(name: str, settings: TeamSettings) -> Team:
    return Team(
        tenant=LOCAL_TENANT, name=name, models=settings.models, limits=settings.limits, budget=settings.budget,
        configured=True,
    )  # fmt: skip


def matches(patterns: list[str], name: str) -> bool:
    """Whether one of the patterns (`openai/*`, `smart`) names it."""
    return "*" in patterns or pattern(tuple(patterns)).match(name) is not None


@lru_cache(4096)
def pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
