"""What `guru keys`, `teams` and `users` share: options for limits and budgets, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

JSON = dict[str, Any]
Command = Callable[..., Any]
ROLES = click.Choice(["admin", "member", "viewer"])
NONE = "none"


def organisation_option(command: Command) -> Command:
    """`--organisation NAME`."""
    return click.option("--organisation", metavar="NAME", help="Whose; another organisation than your own.")(command)


def limit_options(command: Command) -> Command:
    """Options for limits and a budget; `none` takes one away. `limits_of` and `budget_of` read them."""
    for option in (
        click.option(
            "--per", type=click.Choice(["day", "month"]), help="For what time the budget is.  [default: month]"
        ),
        click.option("--budget", metavar="USD", help="US dollars that may be spent; `none` for no limit."),
        click.option("--concurrency", metavar="N", help="Requests at once; `none` for no limit."),
        click.option("--tpm", metavar="N", help="Tokens a minute, prompt and answer; `none` for no limit."),
        click.option("--rpm", metavar="N", help="Requests a minute; `none` for no limit."),
    ):
        command = option(command)
    return command


def changes(before: JSON | None, *, rpm: str | None, tpm: str | None, concurrency: str | None, budget: str | None, per: str | None) -> JSON:  # fmt: skip  # noqa: E501
    """The members `limits` and `budget` of a request, as far as options were given; the others stay as they are."""
    wanted: JSON = {}
    given = {"rpm": rpm, "tpm": tpm, "concurrency": concurrency}
    if any(value is not None for value in given.values()):
        limits = dict((before or {}).get("limits") or {})
        limits |= {name: whole(name, value) for name, value in given.items() if value is not None}
        kept = {name: value for name, value in limits.items() if value is not None}
        wanted["limits"] = kept or None
    if budget is not None or per is not None:
        money = dict((before or {}).get("budget") or {})
        if budget == NONE:
            return wanted | {"budget": None}
        if budget is not None:
            money["usd"] = dollars(budget)
        if "usd" not in money:
            raise click.BadParameter("give --budget too", param_hint="--per")
        wanted["budget"] = money | ({"per": per} if per else {})
    return wanted


def whole(name: str, value: str) -> int | None:
    if value == NONE:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is not a number from 1 on, and not `none`", param_hint=f"--{name}")
    return int(value)


def dollars(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise click.BadParameter(f"{value!r} is not an amount in US dollars, and not `none`", param_hint="--budget")
    return number


def or_none(value: str | None) -> str | None:
    """`none` as the absence of a team or a user."""
    return None if value == NONE else value


def place(kind: str, name: str = "", rest: str = "") -> str:
    """The address of a key, team or user."""
    return f"/api/v1/{kind}/{quote(name, safe='')}{rest}" if name else f"/api/v1/{kind}"


def show_limits(item: JSON) -> str:
    """`600 rpm, 100,000 tpm, 50 at once`."""
    limits = item["limits"] or {}
    words = {"rpm": "rpm", "tpm": "tpm", "concurrency": "at once"}
    return ", ".join(f"{limits[name]:,} {word}" for name, word in words.items() if limits.get(name) is not None)


def show_budget(item: JSON) -> str:
    """`$50 a month`."""
    budget = item["budget"]
    return f"${budget['usd']:,.2f} a {budget['per']}" if budget else ""


def show_time(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""


def show_item(item: JSON) -> None:
    """Every member of a key, team or user, one a line."""
    for name, value in item.items():
        if name == "limits":
            value = show_limits(item)
        elif name == "budget":
            value = show_budget(item)
        elif isinstance(value, list):
            value = ", ".join(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif name.endswith("_at"):
            value = show_time(value)
        if value not in (None, ""):
            click.echo(f"{name.replace('_', ' ') + ':':<22}{value}")
