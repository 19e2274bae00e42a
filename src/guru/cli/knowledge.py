"""`guru knowledge`: what is behind search."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, collection_option, home_option, json_option

JSON = dict[str, Any]
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
    "--chunk-tokens", type=click.IntRange(16, 8192), multiple=True, metavar="N",
    help="A size of chunks to try on a copy of the collection; may be repeated. Takes an ingest each.",
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

    QUESTIONS are lines as `guru eval retrieval` reads them. Another setting is recommended only when the questions
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
    from guru.cli.output import console, plural, print_table
    from guru.cli.tables import make_table

    chosen, metric = report["recommendation"], report["options"]["metric"]
    if chosen is None:
        click.echo("No question has an answer: there is nothing to compare.")
        return
    click.echo(f"{report['collection']}: {plural(report['questions'], 'question')}, {metric.replace('_', ' ')}")
    table = make_table("setting", **{"": "<", metric: ">", "gain over the current": ">", "p50 ms": ">", "p99 ms": ">"})
    for item in sorted(report["settings"], key=lambda item: -item["metrics"][metric]["mean"]):
        value, gain = item["metrics"][metric], item["gain"]
        table.add_row(
            describe(item),
            ", ".join(marks(item, chosen["setting"])),
            f"{value['mean']:.3f} ({value['low']:.3f}–{value['high']:.3f})",
            "" if item["current"] else f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
            f"{item['latency']['p50'] * 1000:.1f}",
            f"{item['latency']['p99'] * 1000:.1f}",
        )
    print_table(console(), table)
    click.echo(f"{'Use' if chosen['change'] else 'Keep'} {describe(chosen['setting'])}. {chosen['reason']}")
    if chosen["change"]:
        click.echo(apply(chosen["setting"]))


def describe(setting: JSON) -> str:
    """`hybrid, 6 passages of 200 tokens`."""
    from guru.evaluate.chart import label

    return label(setting)


def marks(item: JSON, chosen: JSON) -> list[str]:
    is_chosen = all(item[name] == value for name, value in chosen.items())
    named = {"current": item["current"], "recommended": is_chosen, "front": item["on_front"]}
    return [name for name, holds in named.items() if holds]


def apply(setting: JSON) -> str:
    """Where the setting is to be written."""
    lines = f"[knowledge] passages = {setting['k']}, chunk_tokens = {setting['chunk_tokens']} in guru.toml"
    mode = setting["mode"]
    return (
        lines + ("" if mode == "hybrid" else f'; "mode": "{mode}" in requests, --mode {mode} on the command line') + "."
    )
