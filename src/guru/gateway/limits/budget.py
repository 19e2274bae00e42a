"""Money by calendar day or month, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from guru.gateway.limits.rules import nanodollars

Per = Literal["day", "month"]


class Period:
    """One day or month, with what was spent and what is reserved in it, in billionths of a dollar."""

    __slots__ = ("ends", "name", "starts", "used")

    def __init__(self, per: Per, now: float, spent: float = 0.0) -> None:
        self.name, self.starts, self.ends = bounds(per, now)
        self.used = nanodollars(spent)


def bounds(per: Per, now: float) -> tuple[str, float, float]:
    """The period of a moment: its name (`2026-11-22` or `2026-11`), its beginning and its end."""
    moment = datetime.fromtimestamp(now, UTC)
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return f"{start:%Y-%m-%d}", start.timestamp(), (start + timedelta(days=1)).timestamp()
    start = start.replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    return f"{start:%Y-%m}", start.timestamp(), end.timestamp()
