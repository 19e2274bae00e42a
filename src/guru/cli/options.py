"""Options that many verbs share."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def home_option(command: Command) -> Command:
    """`--home DIR`, handed over as an absolute path."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=lambda _context, _option, value: resolve_home(value),
        metavar="DIR",
        help="Where database, models and files live.  [default: $GURU_HOME or ~/.guru]",
    )(command)


def resolve_home(value: Path | None) -> Path:
    """The home named by the flag, or else the default one."""
    from guru.config import default_home

    return value.expanduser().absolute() if value else default_home()


def json_option(command: Command) -> Command:
    """`--json`, handed over as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")(command)


def collection_option(command: Command) -> Command:
    """`--collection NAME`; None is for `default_collection` to choose."""
    return click.option("-c", "--collection", metavar="NAME", help="The collection.  [default: the only one there is]")(
        command
    )


def model_option(command: Command) -> Command:
    """`--model M`."""
    return click.option("-m", "--model", metavar="M", help="The model that answers, or an alias.  [default: default]")(
        command
    )


def asynchronous(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an `async def` command to its end."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(command(*args, **kwargs))

    return run


def access_list(names: tuple[str, ...], everybody: bool) -> list[str] | None:
    """What `--access` and `--everybody` say together: who may see; nobody named is everybody; None: nothing is said."""
    if names and everybody:
        raise click.UsageError("--access and --everybody exclude each other.")
    return list(names) if names or everybody else None
