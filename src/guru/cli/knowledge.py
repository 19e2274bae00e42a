"""`guru knowledge`: what is behind search."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from guru.cli.options import STRATEGIES, asynchronous, collection_option, home_option, json_option

JSON = dict[str, Any]
CUT = ("chunking", "chunk_tokens", "chunk_overlap", "parent_tokens")
"""Settings that a collection may have of its own."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group
def command() -> None:
    """Find the settings of search that suit your documents."""


@command.command
@click.argument("questions", type=FILE)
@collection_option
@click.option("-k", "ks", type=click.IntRange(1, 200), multiple=True, help="Numbers of passages; may be repeated.")
@click.option(
    "--mode", "modes", type=click.Choice(["hybrid", "dense", "sparse"]), multiple=True,
    help="How to search; may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--fusion", "fusions", type=click.Choice(["learned", "rrf", "weighted"]), multiple=True,
    help="How hybrid search makes one score of several; may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--dense-weight", "dense_weights", type=click.FloatRange(0, 1), multiple=True, metavar="W",
    help="Of the dense side in rrf and weighted; may be repeated.  [default: 0.5]",
)  # fmt: skip
@click.option(
    "--rerank", "reranks", multiple=True, metavar="MODEL",
    help="A model that reorders what is found, as rerank; may be repeated. Only those named are tried: each is asked "
    "several times for every question.",
)  # fmt: skip
@click.option(
    "--rerank-top", "rerank_tops", type=click.IntRange(1, 200), multiple=True, metavar="N",
    help="How many passages it reads; may be repeated.  [default: as configured]",
)  # fmt: skip
@click.option(
    "--chunking", "chunkings", type=click.Choice(STRATEGIES), multiple=True,
    help="A way to cut documents, on a copy of the collection; may be repeated. Only those named are tried: each takes "
    "an ingest.",
)  # fmt: skip
@click.option(
    "--chunk-tokens", type=click.IntRange(16, 8192), multiple=True, metavar="N",
    help="A size of chunks, likewise; may be repeated.",
)  # fmt: skip
@click.option(
    "--metric", type=click.Choice(["recall", "ndcg", "hit_rate", "mrr", "precision"]), default="recall",
    show_default=True, help="What is to be high.",
)  # fmt: skip
@click.option(
    "--margin", type=click.FloatRange(0, 1), default=0.02, show_default=True,
    help="The gain that is worth a dearer setting, and the loss that a cheaper one may have.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the intervals.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page with a chart."
)
@home_option
@json_option
@asynchronous
async def tune(
    questions: Path, collection: str | None, output: Path | None, home: Path, as_json: bool, **options: Any
) -> None:
    """Try settings of search on QUESTIONS, and say which to use.

    QUESTIONS are lines as `guru eval retrieval` reads them. Without options, what is cheap is tried: modes, fusions and
    numbers of passages. Another setting is recommended only when the questions
    prove it better than the current one, or as good and cheaper; what may be chance changes nothing.
    """
    from guru.cli.client import choose_collection, connect
    from guru.cli.eval import evaluate, read
    from guru.cli.output import print_json

    asked = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    asked = {name: value for name, value in asked.items() if value != []} | {"questions": read(questions)}
    async with connect(home) as client:
        name = await choose_collection(client, collection)
        report = await evaluate(client, "tune", asked | {"collection": name}, f"Trying settings on {name}")
        if output is not None:
            text = await client.text(f"/api/v1/evaluations/{report['evaluation']}/report")
            await asyncio.to_thread(output.write_text, text, encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        print_settings(report)
    if output is not None:
        click.echo(f"Wrote {output}.", err=True)


def print_settings(report: JSON) -> None:
    """Every setting, the best first, and what to use."""
    from guru.cli.output import clean, console, plural, print_table
    from guru.cli.tables import make_table
    from guru.evaluate.describe import failures, label, verdict

    chosen, metric = report["recommendation"], report["options"]["metric"]
    if chosen is None:
        click.echo(verdict(report))
        return
    click.echo(f"{report['collection']}: {plural(report['questions'], 'question')}, {metric.replace('_', ' ')}")
    table = make_table("setting", **{"": "<", metric: ">", "gain over the current": ">", "p50 ms": ">", "p99 ms": ">"})
    whole = [item for item in report["settings"] if not item.get("failed")]
    for item in sorted(whole, key=lambda item: -item["metrics"][metric]["mean"]):
        value, gain = item["metrics"][metric], item["gain"]
        table.add_row(
            label(item),
            ", ".join(marks(item, report)),
            f"{value['mean']:.3f} ({value['low']:.3f}–{value['high']:.3f})",
            "" if item["current"] or not gain else f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
            f"{item['latency']['p50'] * 1000:.1f}",
            f"{item['latency']['p99'] * 1000:.1f}",
        )
    print_table(console(), table)
    for item in report["settings"]:
        if why := failures(item, report["questions"]):
            click.echo(clean(f"{label(item)}: {why}"), err=True)
    click.echo(clean(verdict(report)))
    if chosen["change"]:
        click.echo(apply(report))


def marks(item: JSON, report: JSON) -> list[str]:
    from guru.evaluate.describe import is_chosen

    named = {"current": item["current"], "recommended": is_chosen(item, report), "front": item["on_front"]}
    return [name for name, holds in named.items() if holds]


def apply(report: JSON) -> str:
    """What is to be written where, for the recommended setting to be that of every search."""
    from guru.evaluate.page import to_toml

    changed = dict(report["recommendation"].get("configuration", {}))
    cut = {name: changed[name] for name in CUT if name in changed}
    lines = []
    if any(name in report.get("own", []) for name in cut):  # the collection's own settings go before the configuration
        options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in cut.items())
        lines.append(f"guru collections configure {report['collection']} {options}")
        changed = {name: value for name, value in changed.items() if name not in cut}
    if changed:
        lines += ["In guru.toml, in force when the server is started again:", "[knowledge]", *to_toml(changed)]
    if cut:
        lines.append(f"Then ingest the documents again: guru ingest PATH --collection {report['collection']}")
    return "\n".join(lines)
