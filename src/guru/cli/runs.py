"""What the commands for runs of agents and of workflows share: removing some, and reading a list further."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click


def before_option(command: Any) -> Any:
    """`--before ID`, the place where a list goes on."""
    return click.option("--before", metavar="ID", help="Those that are older than this run.")(command)


async def delete_runs(home: Path, run_ids: Sequence[str], path_of: Callable[[str], str], *, yes: bool) -> None:
    """Remove runs, having asked unless `yes` says not to. Stops at the first that cannot be removed."""
    from guru.cli.client import connect
    from guru.cli.output import plural

    if not yes:
        click.confirm(f"Remove {plural(len(run_ids), 'run')} with all steps?", abort=True, err=True)
    async with connect(home) as client:
        for run_id in run_ids:
            await client.request("DELETE", path_of(run_id))
            click.echo(f"Removed {run_id}.")


def tell_older(found: dict[str, Any]) -> None:
    """Say how to go on where a list has an end only because it was cut."""
    if found["next"] is not None:
        click.echo(f"There are older ones: --before {found['next']}", err=True)
