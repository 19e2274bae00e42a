"""`guru eval`: how good retrieval and answers are on questions of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, collection_option, home_option, json_option

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FEW = 30
"""Questions under which an interval is a rough guess itself."""


@click.group
def command() -> None:
    """Measure retrieval and answers on your own questions."""


@command.command
@click.argument("questions", type=FILE)
@collection_option
@click.option("-k", type=click.IntRange(1, 200), default=10, show_default=True, help="How many passages count.")
@click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "sparse"]), help="How to search.  [default: as configured]"
)
@click.option("--answers", is_flag=True, help="Answer every question too, and measure the answers.")
@click.option("-m", "--model", metavar="M", help="The model that answers.  [default: default]")
@click.option("--judge", metavar="M", help="A capable model that judges the answers, as Ragas defines it.")
@click.option("--passages", type=click.IntRange(1, 100), help="How many passages an answer draws on.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Confidence under which nothing is answered.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the intervals.")
@home_option
@json_option
@asynchronous
async def retrieval(
    questions: Path, collection: str | None, answers: bool, judge: str | None, home: Path, as_json: bool, **options: Any
) -> None:
    """Search for every question in QUESTIONS, and say how often what is right was found.

    QUESTIONS has one JSON object a line: a `question`, and what is right: a `document`, with a `page`, with `start` and
    `end` in its stored text, or `answers` as they stand there; `"impossible": true` where nothing answers it. With
    --judge or --answers the questions are answered, too.
    """
    from guru.cli.client import choose_collection, connect
    from guru.cli.output import print_json

    asked = {name: value for name, value in options.items() if value is not None}
    asked |= {"questions": read(questions), "answers": answers or judge is not None}
    async with connect(home) as client:
        name = await choose_collection(client, collection)
        body = asked | {"collection": name} | ({"judge": judge} if judge else {})
        report = await evaluate(client, "retrieval", body, f"Measuring {name}")
    if as_json:
        print_json(report)
    else:
        print_retrieval(report)


@command.command("questions")
@collection_option
@click.option("--count", type=click.IntRange(1, 2000), default=50, show_default=True, help="How many.")
@click.option("-m", "--model", metavar="M", help="A capable model that writes them.  [default: none]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which ones are made.")
@home_option
@asynchronous
async def make_questions(collection: str | None, count: int, model: str | None, seed: int, home: Path) -> None:
    """Make questions from the documents, and print them as `guru eval retrieval` reads them.

    A model writes them, and each is kept only if its answer stands in the document word by word and the model comes to
    it again from the passage. Without a model they are sentences with a gap, and headings.
    """
    from guru.cli.client import choose_collection, connect

    async with connect(home) as client:
        name = await choose_collection(client, collection)
        body = {"collection": name, "count": count, "seed": seed} | ({"model": model} if model else {})
        report = await evaluate(client, "questions", body, f"Making questions from {name}")
    print_questions(report)
    if len(report["questions"]) < count:
        reasons = ", ".join(f"{number:,} times {reason}" for reason, number in report["rejected"].items())
        made = f"{len(report['questions']):,} of {count:,} questions from {report['tried']:,} candidates"
        click.echo(made + (f"; rejected: {reasons}" if reasons else "; the documents hold no more"), err=True)
    if report["note"]:
        click.echo(report["note"], err=True)


@command.command("list")
@collection_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@home_option
@json_option
@asynchronous
async def list_evaluations(collection: str | None, limit: int, home: Path, as_json: bool) -> None:
    """List the evaluations, the newest first."""
    from guru.cli.client import connect
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/evaluations", collection=collection, limit=limit)
    table = make_table("evaluation", kind="<", collection="<", begun="<", ended="<")
    for item in found["evaluations"]:
        times = [(item[name] or "–")[:16].replace("T", " ") for name in ("created_at", "finished_at")]
        table.add_row(item["id"], item["kind"], item["collection"], *times)
    nothing = "There are no evaluations yet. Begin one: guru eval retrieval QUESTIONS"
    print_list(found, table, nothing, as_json=as_json)


@command.command
@click.argument("evaluation_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def show(evaluation_id: str, home: Path, as_json: bool) -> None:
    """Show the report of the evaluation ID."""
    from urllib.parse import quote

    from guru.cli.client import connect
    from guru.cli.knowledge import print_settings
    from guru.cli.output import print_json

    async with connect(home) as client:
        found = await client.get(f"/api/v1/evaluations/{quote(evaluation_id, safe='')}")
    report = found["report"]
    if as_json:
        print_json(found)
    elif report is None:
        click.echo(f"It has no report yet: its job is {found['job_id']}.")
    elif found["kind"] == "retrieval":
        print_retrieval(report)
    elif found["kind"] == "tune":
        print_settings(report)
    else:
        print_questions(report)


def print_questions(report: JSON) -> None:
    """One question a line."""
    import json

    for question in report["questions"]:
        click.echo(json.dumps(question, ensure_ascii=False).encode())


def read(path: Path) -> list[JSON]:
    """The questions of a file, checked here so that an error names the line."""
    import msgspec

    from guru.evaluate.dataset import read_questions

    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return [msgspec.to_builtins(question) for question in read_questions(lines)]


async def evaluate(client: Client, kind: str, body: JSON, title: str) -> JSON:
    """Run an evaluation to its end; returns its report."""
    from guru.cli.jobs import follow, result_of

    begun = await client.post(f"/api/v1/evaluations/{kind}", body)
    result_of(await follow(client, begun["job"], title, unit="questions"))
    found = await client.get(f"/api/v1/evaluations/{begun['evaluation']}")
    return {"evaluation": found["id"], **found["report"]}


def print_retrieval(report: JSON) -> None:
    """The measures with their intervals, how long it took, and what is wrong with the questions."""
    from guru.cli.output import console, plural

    screen, answerable = console(), report["questions"] - report["impossible"]
    what = f"{plural(answerable, 'question')} with an answer"
    if report["impossible"]:
        what += f", {report['impossible']:,} without one"
    screen.print(f"{report['collection']}, {report['options']['mode']}: {what}", soft_wrap=True)
    print_ranking(report["metrics"])
    print_latency("A search took", report["latency"])
    if report["answers"]:
        print_answers(report["answers"])
    for item in report["warnings"][:10]:
        click.echo(f"  question {item['number']}: {item['warning']}", err=True)
    if len(report["warnings"]) > 10:
        click.echo(f"  and {len(report['warnings']) - 10} more warnings: --json has them all.", err=True)
    if 0 < answerable < FEW:
        click.echo(f"With {plural(answerable, 'question')} the intervals are rough: write more.", err=True)


def print_answers(answers: JSON) -> None:
    from guru.cli.output import clean, plural

    told = sum(answers["outcomes"].values())
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in answers["outcomes"].items())
    click.echo(f"\nAnswers of {answers['model']}: {told:,} ({outcomes or 'none'})")
    print_measures(answers["metrics"])
    print_latency("An answer took", answers["latency"])
    for name in ("faithfulness", "answer_relevance", "context_precision", "context_recall"):
        click.echo(f"  {name.replace('_', ' ')}: {answers['measured_by'][name]}")
    if answers["failed"]:
        click.echo(f"{plural(len(answers['failed']), 'question')} failed:", err=True)
    for item in answers["failed"][:10]:
        click.echo(f"  question {item['number']}: {clean(item['error'])}", err=True)
    if answers["problems"]:
        count = plural(len(answers["problems"]), "measure")
        click.echo(f"{count} could not be taken: {clean(answers['problems'][0]['problem'])}", err=True)


def print_ranking(measures: Mapping[str, JSON]) -> None:
    """The measures of the ranking: a row for every number of passages that one may look at."""
    from guru.cli.output import console, print_table
    from guru.cli.tables import make_table

    names = ("precision", "recall", "hit_rate", "ndcg")
    cutoffs = [name.partition("@")[2] for name in measures if name.startswith("recall@")]
    table = make_table("passages", **dict.fromkeys(names, ">"))
    for cutoff in cutoffs:
        table.add_row(cutoff, *(with_interval(measures[f"{name}@{cutoff}"]) for name in names))
    if cutoffs:
        print_table(console(), table)
        click.echo(f"MRR {with_interval(measures[f'mrr@{cutoffs[-1]}'])}")


def with_interval(value: JSON) -> str:
    """The mean, and the interval that holds it in 95 of 100 cases."""
    return f"{value['mean']:.3f} ({value['low']:.3f}–{value['high']:.3f})"


def print_measures(measures: Mapping[str, JSON]) -> None:
    """One measure a row."""
    from guru.cli.output import console, print_table
    from guru.cli.tables import make_table

    table = make_table("measure", mean=">", questions=">")
    for name, value in measures.items():
        table.add_row(name.replace("_", " "), with_interval(value), f"{value['n']:,}")
    if measures:
        print_table(console(), table)


def print_latency(what: str, latency: JSON | None) -> None:
    if latency:
        click.echo(f"{what} {latency['p50'] * 1000:,.1f} ms (p50), {latency['p99'] * 1000:,.1f} ms (p99).")
