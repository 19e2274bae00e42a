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


def ray_option(command: Command) -> Command:
    """`--ray ADDRESS`."""
    return click.option("--ray", metavar="ADDRESS", help="A Ray cluster to work on, or `local` for all cores.")(command)


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


STRATEGIES = ("fixed", "sentence", "recursive", "heading", "semantic", "code", "hierarchical")


def chunk_options(command: Command) -> Command:
    """The sizes of chunks, as `chunk_tokens`, `chunk_overlap`, `parent_tokens` and `semantic_percentile`."""
    positive = click.IntRange(min=1)
    for option in (
        click.option("--semantic-percentile", type=click.FloatRange(0, 100), metavar="P",
                     help="semantic: the share of gaps between sentences, in per cent, that are not cut."),
        click.option("--parent-tokens", type=positive, metavar="N",
                     help="hierarchical: the size of what is read around a chunk."),
        click.option("--chunk-overlap", type=click.IntRange(min=0), metavar="N",
                     help="Tokens that a chunk shares with the one before it."),
        click.option("--chunk-tokens", type=positive, metavar="N", help="The size of a chunk."),
    ):  # fmt: skip
        command = option(command)
    return command


SEARCH_OPTIONS = (
    click.option("--fusion", type=click.Choice(["learned", "rrf", "weighted"]), help="How scores become one."),
    click.option("--rrf-k", type=click.IntRange(1, 10_000), help="Of rrf: the greater, the less first ranks count."),
    click.option("--dense-weight", type=click.FloatRange(0, 1), help="Of the dense side, in rrf and weighted."),
    click.option("--sparse-weight", type=click.FloatRange(0, 1), help="Of the sparse side, in rrf and weighted."),
    click.option(
        "--distance", type=click.Choice(["cosine", "dot", "euclidean", "manhattan"]), help="Of the dense side."
    ),
    click.option("--diversity", type=click.FloatRange(0, 1), help="How much a passage loses that repeats another."),
    click.option("--rerank", metavar="MODEL", help="The model that reorders the best passages, or off."),
    click.option("--rerank-top", type=click.IntRange(1, 200), help="How many passages it reads."),
    click.option("--rerank-weight", type=click.FloatRange(0, 1), help="Its share in their order."),
    click.option(
        "--queries",
        multiple=True,
        type=click.Choice(["multi-query", "hyde", "step-back", "decomposition"]),
        help="Search for what a model makes of the question, too. May be repeated.",
    ),
)


def search_options(command: Command) -> Command:
    """How a search ranks, handed over as `options`: what was said, by the names of the API."""
    names = (
        "fusion", "rrf_k", "dense_weight", "sparse_weight", "distance", "diversity",
        "rerank", "rerank_top", "rerank_weight",
    )  # fmt: skip

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        said = {name: kwargs.pop(name) for name in names} | {"queries": list(kwargs.pop("queries"))}
        options = {name: value for name, value in said.items() if value not in (None, [])}
        return command(*args, options=options, **kwargs)

    for option in reversed(SEARCH_OPTIONS):
        option(run)
    return run


def asynchronous(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an `async def` command to its end."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(command(*args, **kwargs))

    return run


def default_group(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """A group that does what its command `name` does, with its defaults, where no command is named."""

    def decorate(described: Callable[[], None]) -> click.Group:
        @click.group(described.__name__, invoke_without_command=True, help=described.__doc__)
        @home_option
        @json_option
        @click.pass_context
        def group(context: click.Context, home: Path, as_json: bool) -> None:
            if context.invoked_subcommand is None:
                context.invoke(group.commands[name], home=home, as_json=as_json)

        return group

    return decorate


def access_list(names: tuple[str, ...], everybody: bool) -> list[str] | None:
    """What `--access` and `--everybody` say together: who may see; nobody named is everybody; None: nothing is said."""
    if names and everybody:
        raise click.UsageError("--access and --everybody exclude each other.")
    return list(names) if names or everybody else None
