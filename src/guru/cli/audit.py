"""`guru audit`: who changed what, and whether that log is as it was written."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from guru.cli.holders import organisation_option
from guru.cli.options import asynchronous, default_group, home_option, json_option


@default_group("list")
def command() -> None:
    """See who changed what, and check that nobody has bent the log."""


@command.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@click.option("--actor", metavar="NAME", help="Only what this person or key did; a part of the name will do.")
@click.option("--action", metavar="NAME", help="Only this, such as keys.create, or keys for everything done to keys.")
@click.option("--from", "start", metavar="TIME", help="The beginning, as 2026-01-31T12:00 (UTC).")
@click.option("--to", "end", metavar="TIME", help="The end.")
@organisation_option
@home_option
@json_option
@asynchronous
async def list_entries(
    limit: int, actor: str | None, action: str | None, start: str | None, end: str | None,
    organisation: str | None, home: Path, as_json: bool,
) -> None:  # fmt: skip
    """List the latest changes."""
    from guru.cli.client import connect
    from guru.cli.holders import show_time
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        wanted = {
            "actor": actor,
            "action": action,
            "from": moment(start),
            "to": moment(end),
            "organisation": organisation,
        }
        found = await client.get("/api/v1/audit", limit=limit, **wanted)
    table = make_table("number", at="<", actor="<", action="<", subject="<", change="<")
    for entry in found["entries"]:
        before, after = entry["before"] or {}, entry["after"] or {}
        changed = {name: after.get(name) for name in {*before, *after} if before.get(name) != after.get(name)}
        change = one_line(json.dumps(changed, sort_keys=True, ensure_ascii=False), 80) if before and after else ""
        table.add_row(
            str(entry["number"]), show_time(entry["at"]), entry["actor_name"], entry["action"], entry["subject_name"],
            change,
        )  # fmt: skip
    print_list(found, table, as_json=as_json)


def moment(text: str | None) -> str | None:
    """A date or a time as the API takes it; UTC where it does not say."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T12:00.") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


@command.command
@click.option("--head", metavar="HASH", help="A hash that you noted: it must still be part of the chain.")
@organisation_option
@home_option
@json_option
@asynchronous
async def verify(head: str | None, organisation: str | None, home: Path, as_json: bool) -> None:
    """Check every entry. Exit status 1 when one was changed, removed or moved."""
    from guru.cli.client import connect
    from guru.cli.output import plural, print_json

    async with connect(home) as client:
        found = await client.get("/api/v1/audit/verify", head=head, organisation=organisation)
    if as_json:
        print_json(found)
    elif found["ok"]:
        click.echo(f"The log is whole: {plural(found['entries'], 'change')}, the last with hash {found['head']}")
    else:
        click.echo(f"The log is not as it was written. {found['problem']}", err=True)
    if not found["ok"]:
        sys.exit(1)
