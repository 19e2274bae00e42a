"""Who may ask, and how much."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from guru.config.base import Allowed, Dollars, Role, Section


class LimitSettings(Section):
    rpm: Allowed | None = None
    """Requests a minute."""
    tpm: Allowed | None = None
    """Tokens a minute, prompt and answer."""
    concurrency: Allowed | None = None
    """Requests at the same time."""


class BudgetSettings(Section):
    usd: Dollars
    """US dollars."""
    per: Literal["day", "month"] = "month"
    """Calendar days and months in UTC."""


class TeamSettings(Section):
    limits: LimitSettings | None = None
    """For all keys of the team together."""
    budget: BudgetSettings | None = None
    """For all keys of the team together."""
    models: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns that its keys may ask."""


class KeySettings(Section):
    """A key that the configuration brings; `guru keys create` makes others."""

    key: str
    """The key itself. Write `"env:NAME"`."""
    team: str | None = None
    """The team it belongs to."""
    user: str | None = None
    """The person it belongs to."""
    role: Role = "member"
    """`admin` manages, `member` uses, `viewer` reads."""
    models: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns: `openai/*`, `smart`."""
    routes: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns of doors: `chat.completions`, `embeddings`."""
    limits: LimitSettings | None = None
    """Of this key."""
    budget: BudgetSettings | None = None
    """Of this key."""
    tags: list[str] = []
    """For accounts, besides those of the request's `x-guru-tags` header."""
