"""`guru releases`: try a new version on some before it is given to all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option

JSON = dict[str, Any]
KINDS = ("ab", "canary", "blue-green", "shadow")
STICKY = ("user", "key", "conversation", "none")


@default_group("list")
def command() -> None:
    """Try new versions of a model or a prompt on some, compare, promote or roll back."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_releases(home: Path, as_json: bool) -> None:
    """List the newest release of every alias."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/releases")
    table = make_table("alias", candidate="<", kind="<", status="<", share=">", requests=">", errors=">", reason="<")
    for release in found["releases"]:
        side = release["sides"]["candidate"]
        table.add_row(
            release["alias"],
            f"{release['candidate']} v{release['version']}",
            release["kind"],
            release["status"],
            f"{release['share']:.0%}",
            f"{side['requests']:,}",
            f"{side['errors']:,}",
            one_line(release["reason"] or "", 80),
        )
    print_list(found, table, "There are no releases. Start one: guru releases start ALIAS CANDIDATE", as_json=as_json)


@command.command
@click.argument("alias")
@home_option
@json_option
@asynchronous
async def show(alias: str, home: Path, as_json: bool) -> None:
    """Show how the versions of ALIAS compare."""
    await act("GET", alias, "", None, home, as_json)


@command.command
@click.argument("alias")
@click.argument("candidate")
@click.option("--kind", type=click.Choice(KINDS), default="canary", show_default=True, help="How it takes over.")
@click.option("--share", type=click.FloatRange(0, 1), help="Of the users, 0 to 1.  [default: 0.05]")
@click.option("--step", "steps", type=click.FloatRange(0, 1), multiple=True, help="A share to be promoted through.")
@click.option("--sticky", type=click.Choice(STICKY), default="user", show_default=True, help="Who keeps a version.")
@click.option("--baseline", metavar="LABEL", help="The label to compare with.  [default: all others]")
@home_option
@json_option
@asynchronous
async def start(
    alias: str, candidate: str, kind: str, share: float | None, steps: tuple[float, ...], sticky: str,
    baseline: str | None, home: Path, as_json: bool,
) -> None:  # fmt: skip
    """Begin to give some users of ALIAS the deployment with the label CANDIDATE.

    Of a prompt, ALIAS is its label, such as support@prod, and CANDIDATE another version of it, such as 4.
    """
    from guru.cli.client import connect

    body: JSON = {"alias": alias, "candidate": candidate, "kind": kind, "steps": list(steps), "sticky": sticky}
    if share is not None:
        body["share"] = share
    if baseline is not None:
        body["baseline"] = baseline
    async with connect(home) as client:
        release = await client.post("/api/v1/releases", body)
    report(release, as_json)


@command.command
@click.argument("alias")
@click.argument("share", type=click.FloatRange(0, 1))
@home_option
@json_option
@asynchronous
async def share(alias: str, share: float, home: Path, as_json: bool) -> None:
    """Give the candidate of ALIAS another SHARE, from 0 to 1."""
    await act("POST", alias, "/share", {"share": share}, home, as_json)


@command.command
@click.argument("alias")
@click.argument("flags", metavar="[WHO]...", nargs=-1)
@home_option
@json_option
@asynchronous
async def flag(alias: str, flags: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Give the candidate to WHO (user:ann, key:ID, team:web, tag:beta) whatever the share; to nobody without WHO."""
    await act("POST", alias, "/flags", {"flags": list(flags)}, home, as_json)


@command.command
@click.argument("alias")
@home_option
@json_option
@asynchronous
async def promote(alias: str, home: Path, as_json: bool) -> None:
    """Give the candidate of ALIAS everything."""
    await act("POST", alias, "/promote", {}, home, as_json)


@command.command
@click.argument("alias")
@click.option("--reason", help="Why, for the history.")
@home_option
@json_option
@asynchronous
async def rollback(alias: str, reason: str | None, home: Path, as_json: bool) -> None:
    """Give the candidate of ALIAS nothing, at once."""
    await act("POST", alias, "/rollback", {"reason": reason}, home, as_json)


@command.command
@click.argument("alias")
@home_option
@json_option
@asynchronous
async def stop(alias: str, home: Path, as_json: bool) -> None:
    """End the release of ALIAS undecided: the configured weights hold again, or what the prompt's label stands for."""
    await act("POST", alias, "/stop", {}, home, as_json)


@command.command
@click.argument("alias")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many changes.")
@home_option
@json_option
@asynchronous
async def history(alias: str, limit: int, home: Path, as_json: bool) -> None:
    """List who changed the releases of ALIAS, and how."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get(f"/api/v1/releases/{alias}/history", limit=limit)
    table = make_table("time", who="<", action="<", candidate="<", status="<", share=">", reason="<")
    for change in found["changes"]:
        after = change["after"]
        table.add_row(
            change["at"][:19].replace("T", " "),
            change["actor"],
            change["action"],
            f"{after['settings']['candidate']} v{after['version']}",
            after["status"],
            f"{after['share']:.0%}",
            one_line(after.get("reason") or "", 80),
        )
    print_list(found, table, as_json=as_json)


async def act(method: str, alias: str, action: str, body: JSON | None, home: Path, as_json: bool) -> None:
    from guru.cli.client import connect

    async with connect(home) as client:
        report(await client.request(method, f"/api/v1/releases/{alias}{action}", body=body), as_json)


def report(release: JSON, as_json: bool) -> None:
    """A release and how its versions compare."""
    from guru.cli.output import console, print_json, print_table
    from guru.cli.tables import make_table

    if as_json:
        print_json(release)
        return
    click.echo(
        f"{release['alias']}: {release['candidate']} v{release['version']} ({release['kind']}) "
        f"is {release['status']}, share {release['share']:.0%}"
    )
    if release["reason"]:
        click.echo(release["reason"])
    if release["flags"]:
        click.echo(f"Always the candidate: {', '.join(release['flags'])}")
    mine, theirs = release["sides"]["candidate"], release["sides"]["baseline"]
    click.echo(f"Requests at this share: {mine['requests']:,} of the candidate, {theirs['requests']:,} of the baseline")
    if not release["comparisons"]:
        return
    table = make_table(
        "metric", candidate=">", baseline=">", worse_by=">", surely_between=">", allowed=">", verdict="<"
    )
    for found in release["comparisons"]:
        low, high = found["at_least"], found["at_most"]
        table.add_row(
            found["metric"],
            number(found["candidate"]),
            number(found["baseline"]),
            number(found["difference"]),
            "" if low is None or high is None else f"{low:.3g} and {high:.3g}",
            number(found["allowed"]),
            found["verdict"],
        )
    print_table(console(), table)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
