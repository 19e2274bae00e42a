"""Answers with citations: token F1, citations that hold, questions declined, on questions with known answers.

    python benchmarks/answers.py --data DIR [--answerable 200 --unanswerable 100 --seed 0 --model NAME --home DIR]
    python benchmarks/answers.py --data DIR --fit

DIR holds `docs/*.md` and `questions.jsonl`: per line `question`, `document`, `paragraph` ([start, end) in the
document), `impossible` and `answers` ([{text, start, end}]). Documents are ingested into a knowledge base in --home
(kept when named, else temporary), and questions take the road that `guru ask` takes, without a threshold, so that one
run gives the whole curve. "Elsewhere" are answerable questions asked of a knowledge base without their document.

`--fit` fits the weights of `guru/knowledge/answer/weights.json` on every other document, in the order of their names.
The table is measured on the other documents alone.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import csv
import json
import math
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from bench import squad_f1

from guru.config import load_settings
from guru.gateway.identity import Caller
from guru.knowledge.answer import evidence as evidence_module
from guru.knowledge.answer.cells import FEATURES
from guru.knowledge.answer.confidence import confidence, confidence_features
from guru.knowledge.answer.evidence import Evidence, fitted, gather
from guru.knowledge.answer.features import Passage, chosen_passages, passages_of
from guru.knowledge.answer.markers import strip_markers
from guru.knowledge.answer.reading import read_passages
from guru.knowledge.base import DEFAULT_K
from guru.server.compose import open_services
from guru.server.services import Services
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.types import ChatRequest, Citation, Cited, Completed, Delta, Grounding, Message

RESULTS = Path(__file__).with_name("results")
DRAWING = Path(__file__).parent.parent / "docs" / "images" / "answers-threshold.svg"
WEIGHTS = Path(evidence_module.__file__).with_name("weights.json")
TENANT, COLLECTION = "local", "answers"
WRONGLY = (0.01, 0.02, 0.03, 0.05, 0.06, 0.07, 0.08, 0.10, 0.15, 0.20)
CONFIDENCE_FEATURES = [
    "question_negated", "near_coverage", "missing_names", "missing_sum", "missing_numbers",
    "best_cosine", "unsaid_most", "missing_most", "passage_coverage", "passage_cosine",
    "missing_count", "negation_differs", "wrong_kind", "coverage", "covered_anywhere",
    "score", "log_probability", "distance",
]  # fmt: skip
ROW_FEATURES = [*FEATURES, "figureless"]
"""Of sentences, what tells nothing of articles without tables: `pages.py --fit` fits their weights."""
ROW_CONFIDENCE = ["row_exact", "row_wrong_period", "missing_years"]
READER_FEATURES = ["reader_quoted_here", "reader_best_here", "reader_best_relevance", "reader_span"]
FIT_QUESTIONS = 1000


class Asked(msgspec.Struct):
    question: dict[str, Any]
    answer: str
    citations: list[Citation]
    outcome: str
    confidence: float
    seconds: float
    holds: list[bool]
    """Of each citation: its quote stands at its offsets in the file that was ingested."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GURU_BENCH_DATA"), help="folder of the questions")
    parser.add_argument("--answerable", type=int, default=200)
    parser.add_argument("--unanswerable", type=int, default=100)
    parser.add_argument("--elsewhere", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="default")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--all-documents", action="store_true", help="measure on the documents of the fit too")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--without-reader", action="store_true", help="with what search tells of passages alone")
    parser.add_argument("--fit", action="store_true", help="fit the weights instead of measuring")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data or GURU_BENCH_DATA names the folder of the questions")
    with tempfile.TemporaryDirectory(prefix="guru-answers-") as folder:
        arguments.home = (arguments.home or Path(folder)).absolute()
        asyncio.run(run(arguments))


async def run(arguments: argparse.Namespace) -> None:
    questions = [json.loads(line) for line in (arguments.data / "questions.jsonl").open(encoding="utf-8")]
    settings = load_settings(home=arguments.home)
    settings.knowledge.reader = not arguments.without_reader
    async with open_services(arguments.home, settings) as services:
        await ingest(services, COLLECTION, [arguments.data / "docs"])
        if arguments.fit:
            await fit(services, questions, random.Random(arguments.seed))
            return
        if arguments.model == "default":
            await pull(services, "smollm2-135m")
        await measure(services, arguments, questions)


async def ingest(services: Services, collection: str, paths: list[Path]) -> None:
    job = await services.knowledge.ingest.submit_paths(TENANT, collection, [str(path) for path in paths])
    await finish(services, job)


async def pull(services: Services, name: str) -> None:
    if any(status.name.endswith(name) and status.status == "not installed" for status in await services.models.list()):
        await finish(services, await services.models.pull(TENANT, name))


async def finish(services: Services, job: Any) -> None:
    async for seen in services.jobs.watch(TENANT, job.id):
        job = seen
    if job.status != "done":
        raise SystemExit(f"{job.kind}: {job.error}")


def fitted_documents(questions: list[dict[str, Any]]) -> set[str]:
    return set(sorted({question["document"] for question in questions})[::2])


# --------------------------------------------------------------------------- measuring


async def measure(services: Services, arguments: argparse.Namespace, questions: list[dict[str, Any]]) -> None:
    if not arguments.all_documents:
        fitted = fitted_documents(questions)
        questions = [question for question in questions if question["document"] not in fitted]
    draw = random.Random(arguments.seed)
    possible = [question for question in questions if not question["impossible"]]
    impossible = [question for question in questions if question["impossible"]]
    answerable = draw.sample(possible, min(arguments.answerable, len(possible)))
    unanswerable = draw.sample(impossible, min(arguments.unanswerable, len(impossible)))
    texts = {path.name: path.read_text("utf-8") for path in (arguments.data / "docs").iterdir()}
    asked = [await ask(services, arguments.model, q, texts) for q in progress(answerable, "answerable")]
    sure_of_impossible = [await confidence_of(services, q) for q in progress(unanswerable, "unanswerable")]
    elsewhere = draw.sample(possible, min(arguments.elsewhere, len(possible)))
    sure_elsewhere = [await confidence_of(services, q, exclude=True) for q in progress(elsewhere, "elsewhere")]
    sure = np.array([item.confidence for item in asked])
    rows = curve(sure, np.array(sure_of_impossible), np.array(sure_elsewhere), asked)
    threshold = services.settings.knowledge.threshold
    report = "\n".join(
        [*table(asked, threshold, sure_of_impossible, sure_elsewhere), "", *markdown_curve(rows, threshold)]
    )
    print(report)
    if not arguments.no_write:
        write(rows, report, sys.argv[1:], asked)


def progress(items: list[Any], what: str) -> Any:
    for number, item in enumerate(items, 1):
        if sys.stderr.isatty() or number % 50 == 0:
            print(f"\r{what} {number}/{len(items)}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
        yield item


async def ask(services: Services, model: str, question: dict[str, Any], texts: dict[str, str]) -> Asked:
    """Ask without a threshold: what would be declined under one is known from the confidence."""
    request = ChatRequest(
        model=model,
        messages=[Message("user", question["question"])],
        guru=Grounding(COLLECTION, threshold=0.0),
        seed=0,
        temperature=0.0,
    )
    began, text, citations, completed = time.monotonic(), "", [], None
    async for event in services.road.run(request, Caller(tenant=TENANT, route="ask", trace_id=new_id("trace"))):
        if isinstance(event, Delta):
            text += event.text
        elif isinstance(event, Cited):
            citations += event.citations
        elif isinstance(event, Completed):
            completed = event
    assert completed is not None
    return Asked(
        question=question,
        answer=text,
        citations=citations,
        outcome=str(completed.outcome),
        confidence=completed.confidence or 0.0,
        seconds=time.monotonic() - began,
        holds=[texts[c.document.split("/")[-1]][c.start : c.end] == c.quote for c in citations],
    )


async def passages_for(services: Services, question: dict[str, Any], *, exclude: bool = False) -> list[Passage]:
    """What an answer may draw on; with `exclude` as if the question's document were not there."""
    count = services.settings.knowledge.passages
    # The filter language has no "not": more is retrieved, and what comes from the document is left out.
    found = await services.knowledge.retrieve(
        Scope(TENANT), COLLECTION, question["question"], k=100 if exclude else None
    )
    passages = [p for p in passages_of(found) if not (exclude and p.hit.document.endswith(question["document"]))]
    if services.settings.knowledge.reader:
        reader = services.models.reader()
        assert reader is not None
        passages = await read_passages(reader, question["question"], passages[:DEFAULT_K])
    return passages[:count]


async def confidence_of(services: Services, question: dict[str, Any], *, exclude: bool = False) -> float:
    passages = await passages_for(services, question, exclude=exclude)
    return confidence(gather(question["question"], passages))


def token_f1(answer: str, golds: list[str]) -> float:
    return squad_f1(re.sub(r"\s+", " ", strip_markers(answer)), golds)


def golds(item: Asked) -> list[str]:
    return [answer["text"] for answer in item.question["answers"]]


def contains(item: Asked) -> bool:
    return any(gold in citation.quote for gold in golds(item) for citation in item.citations)


def right_paragraph(item: Asked) -> bool:
    start, end = item.question["paragraph"]
    return any(
        citation.document.endswith(item.question["document"]) and citation.start < end and start < citation.end
        for citation in item.citations
    )


def mean(values: Any) -> float:
    values = list(values)
    return sum(map(float, values)) / len(values) if values else math.nan


def table(asked: list[Asked], threshold: float, impossible: list[float], elsewhere: list[float]) -> list[str]:
    given = [item for item in asked if item.confidence >= threshold]
    told = [item for item in given if item.outcome != "declined"]
    phrased = [item for item in told if item.outcome == "answered"]
    wrongly = (len(asked) - len(told)) / len(asked)
    holds = [held for item in asked for held in item.holds]
    lengths = [sum(len(citation.quote) for citation in item.citations) for item in told]
    seconds = sorted(item.seconds for item in given) or [math.nan]
    return [
        f"{len(asked)} answerable, {len(impossible)} unanswerable, {len(elsewhere)} elsewhere; threshold {threshold}",
        "",
        "| | |",
        "|---|---|",
        f"| citations whose quote is found at its offsets | {mean(holds):.1%} of {len(holds)} |",
        f"| answers whose quotes contain a gold answer | {mean(map(contains, told)):.3f} |",
        f"| answers that cite the right paragraph | {mean(map(right_paragraph, told)):.3f} |",
        f"| token F1, all answers | {mean(token_f1(item.answer, golds(item)) for item in told):.3f} |",
        f"| token F1, of those phrased by the model ({len(phrased) / max(1, len(told)):.0%})"
        f" | {mean(token_f1(item.answer, golds(item)) for item in phrased):.3f} |",
        f"| token F1, declined ones counted as 0 | "
        f"{sum(token_f1(item.answer, golds(item)) for item in told) / len(asked):.3f} |",
        f"| answerable wrongly declined | {wrongly:.1%} |",
        f"| unanswerable declined | {mean(sure < threshold for sure in impossible):.1%} |",
        f"| elsewhere declined | {mean(sure < threshold for sure in elsewhere):.1%} |",
        f"| quotes per answer, characters quoted per answer | {mean(len(i.citations) for i in told):.2f}, "
        f"{mean(lengths):.0f} |",
        f"| seconds per answer, median and 95th percentile | {seconds[len(seconds) // 2]:.2f}, "
        f"{seconds[int(len(seconds) * 0.95)]:.2f} |",
    ]


def curve(sure: Any, impossible: Any, elsewhere: Any, asked: list[Asked]) -> list[dict[str, float]]:
    """One row for every threshold from 0 to 1 in steps of 0.05, and finer where the default lies."""
    contained = np.array([contains(item) for item in asked])
    rows = []
    for threshold in sorted({*np.arange(0, 1.0001, 0.05).round(3), 0.16, 0.18, 0.22, 0.23, 0.24, 0.26, 0.28}):
        kept = sure >= threshold
        rows.append(
            {
                "threshold": float(threshold),
                "answerable_declined": float((~kept).mean()),
                "unanswerable_declined": float((impossible < threshold).mean()),
                "elsewhere_declined": float((elsewhere < threshold).mean()),
                "quotes_contain_gold": float(contained[kept].mean()) if kept.any() else math.nan,
            }
        )
    return rows


def markdown_curve(rows: list[dict[str, float]], threshold: float) -> list[str]:
    lines = [
        "| threshold | answerable declined | unanswerable declined | elsewhere declined | quotes contain gold |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        name, *shares = row.values()
        bold = "**" if math.isclose(name, threshold) else ""
        lines.append(
            f"| {bold}{name:.2f}{bold} | "
            + " | ".join("" if math.isnan(share) else f"{share:.1%}" for share in shares)
            + " |"
        )
    return lines


def write(rows: list[dict[str, float]], report: str, command: list[str], asked: list[Asked]) -> None:
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "answers-curve.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: round(value, 4) for name, value in row.items()} for row in rows)
    options = " ".join(part for part in command if not part.startswith("/"))
    (RESULTS / "answers.md").write_text(f"Options: `{options}`\n\n{report}\n", encoding="utf-8")
    DRAWING.parent.mkdir(parents=True, exist_ok=True)
    DRAWING.write_text(svg(rows), encoding="utf-8")
    outcomes = collections.Counter(item.outcome for item in asked)
    print(f"\n{dict(outcomes)}; written to {RESULTS}")


def svg(rows: list[dict[str, float]]) -> str:
    """The three declined shares over the threshold."""
    width, height, left, top = 560, 320, 50, 20
    colours = {"answerable_declined": "#c0392b", "unanswerable_declined": "#2471a3", "elsewhere_declined": "#1e8449"}

    def point(row: dict[str, float], name: str) -> str:
        return f"{left + row['threshold'] * width:.1f},{top + (1 - row[name]) * height:.1f}"

    lines = [
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(point(r, name) for r in rows)}"/>'
        f'<text x="{left + 10 + 180 * index}" y="{top + height + 40}" fill="{colour}">{name.replace("_", " ")}</text>'
        for index, (name, colour) in enumerate(colours.items())
    ]
    grid = [
        f'<line x1="{left}" x2="{left + width}" y1="{top + y * height}" y2="{top + y * height}" stroke="#ddd"/>'
        f'<text x="8" y="{top + y * height + 4}">{1 - y:.0%}</text>'
        f'<text x="{left + (1 - y) * width - 8}" y="{top + height + 18}">{1 - y:.1f}</text>'
        for y in (0, 0.2, 0.4, 0.6, 0.8, 1)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {top + height + 56}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(grid + lines)}</svg>\n"
    )


# --------------------------------------------------------------------------- fitting


async def fit(services: Services, questions: list[dict[str, Any]], draw: random.Random) -> None:
    """Fit which sentence answers, then whether anything does, on half of the documents; report on both halves."""
    learned = fitted_documents(questions)
    questions = draw.sample(questions, min(FIT_QUESTIONS, len(questions)))
    asked: list[tuple[dict[str, Any], str, list[Passage]]] = []
    for number, question in enumerate(progress(questions, "questions")):
        kind = "unanswerable" if question["impossible"] else "answerable"
        asked.append((question, kind, await passages_for(services, question)))
        if kind == "answerable" and number % 3 == 0:
            asked.append((question, "elsewhere", await passages_for(services, question, exclude=True)))
    tables = [
        sentence_table(gather(question["question"], passages), question)
        for question, kind, passages in progress(asked, "sentences")
        if kind == "answerable" and question["document"] in learned
    ]
    names = sorted(set(tables[0][0][0]) - set(ROW_FEATURES))
    coefficients = fit_softmax([(matrix(rows, names), labels) for rows, labels in tables if labels.any()])
    which = "reader" if services.settings.knowledge.reader else "search"
    save(which, sentence=(names, coefficients, 0.0))
    fit_confidence(asked, learned, which)


async def fit_rows(services: Services, collection: str, questions: list[dict[str, Any]], *, answers: Any) -> None:
    """Fit what rows of tables add to both models, which stay as they are for all other sentences.

    `answers(question, passage, sentence)` says which sentence is right. Each question is also asked as if its document
    were not there, which should be declined as those that have no answer.
    """
    asked = []
    reader = services.models.reader()
    assert reader is not None
    for question in progress(questions, "questions"):
        for exclude in (False, True) if question["answer"] is not None else (False,):
            found = await services.knowledge.retrieve(Scope(TENANT), collection, question["question"])
            passages = [
                p for p in passages_of(found) if not exclude or not p.hit.document.endswith(question["document"])
            ]
            if passages:
                passages = await read_passages(reader, question["question"], passages)
                passages = chosen_passages(question["question"], passages, services.settings.knowledge.passages)
                asked.append((question, exclude or question["answer"] is None, passages))
    data = []
    for question, impossible, passages in asked:
        evidence = gather(question["question"], passages)
        sentences = [evidence.passages[c.passage].sentences[c.index] for _, c in evidence.ranked]
        right = [
            answers(question, evidence.passages[candidate.passage], sentence)
            for (_, candidate), sentence in zip(evidence.ranked, sentences, strict=True)
        ]
        if any(right) and not impossible:
            data.append(([candidate.features for _, candidate in evidence.ranked], np.array(right, float)))
    model = fitted().reader.sentence
    kept = {name: weight for name, weight in model.weights.items() if name not in ROW_FEATURES}
    added = fit_offset_softmax(
        [(matrix(rows, list(kept)) @ list(kept.values()), matrix(rows, ROW_FEATURES), y) for rows, y in data]
    )
    save_added("sentence", dict(zip(ROW_FEATURES, added, strict=True)))
    rows = [confidence_features(gather(question["question"], passages)) for question, _, passages in asked]
    kept = {n: w for n, w in fitted().reader.confidence.weights.items() if n not in ROW_CONFIDENCE}
    offset = matrix(rows, list(kept)) @ list(kept.values()) + fitted().reader.confidence.bias
    possible = np.array([not impossible for _, impossible, _ in asked], float)
    # The few that have no answer count double.
    share = np.array([1.0 if question["answer"] is not None else 2.0 for question, _, _ in asked])
    added = fit_offset_logistic(offset, matrix(rows, ROW_CONFIDENCE), possible, share)
    save_added("confidence", dict(zip(ROW_CONFIDENCE, added, strict=True)))
    sure = np.array([confidence(gather(question["question"], passages)) for question, _, passages in asked])
    for kind, part in (("answerable", possible == 1), ("without an answer, or elsewhere", possible == 0)):
        print(f"{kind}: {int((sure[part] < services.settings.knowledge.threshold).sum())} of {part.sum()} declined")


def fit_offset_softmax(data: list[tuple[Any, Any, Any]], penalty: float = 3e-3, steps: int = 3000) -> Any:
    """As `fit_softmax`, of weights that are added to scores that stay: (scores, features, labels) of each question."""
    weight = first = second = np.zeros(data[0][1].shape[1])
    for step in range(1, steps + 1):
        gradient = penalty * weight
        for offset, features, labels in data:
            logits = offset + features @ weight
            share = np.exp(logits - logits.max())
            share /= share.sum()
            right = share * labels
            gradient = gradient + features.T @ (share - right / right.sum()) / len(data)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        weight = weight - 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return weight


def fit_offset_logistic(offset: Any, features: Any, labels: Any, share: Any, penalty: float = 0.3) -> Any:
    """Newton's method, of weights that are added to log odds that stay."""
    weight = np.zeros(features.shape[1])
    for _ in range(50):
        sure = 1 / (1 + np.exp(-(offset + features @ weight)))
        curvature = (features * (share * sure * (1 - sure))[:, None]).T @ features + penalty * np.eye(len(weight))
        weight = weight - np.linalg.solve(curvature, features.T @ (share * (sure - labels)) + penalty * weight)
    return weight


def save_added(model: str, added: dict[str, float]) -> None:
    """Write weights into a model, with the reader and without it, and use them from here on."""
    stored = json.loads(WEIGHTS.read_text("utf-8"))
    for which in ("reader", "search"):
        stored[which][model]["weights"] |= {name: round(float(value), 5) for name, value in added.items()}
    WEIGHTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    fitted.cache_clear()


def sentence_table(found: Evidence, question: dict[str, Any]) -> tuple[list[dict[str, float]], Any]:
    """Features of every retrieved sentence, and whether it holds the answer where the answer was marked."""
    rows, labels = [], []
    for _, candidate in found.ranked:
        passage = found.passages[candidate.passage]
        sentence = passage.sentences[candidate.index]
        same = passage.hit.document.endswith(question["document"])
        labels.append(
            same and any(sentence.start <= a["start"] and a["end"] <= sentence.end for a in question["answers"])
        )
        rows.append(candidate.features)
    return rows, np.array(labels, float)


def fit_confidence(asked: list[tuple[dict[str, Any], str, list[Passage]]], learned: set[str], which: str) -> None:
    rows = [
        confidence_features(gather(question["question"], passages))
        for question, _, passages in progress(asked, "confidence")
    ]
    names = CONFIDENCE_FEATURES + (READER_FEATURES if which == "reader" else [])
    values = matrix(rows, names)
    train = np.array([question["document"] in learned for question, _, _ in asked])
    kinds = np.array([kind for _, kind, _ in asked])
    coefficients, bias = fit_logistic(values[train], kinds[train] == "answerable")
    save(which, confidence=(names, coefficients, bias))
    sure = 1 / (1 + np.exp(-(values @ coefficients + bias)))
    for name, part in (("fitted", train), ("other", ~train)):
        yes = sure[part & (kinds == "answerable")]
        print(f"\n{name} documents: {len(yes)} answerable")
        for kind in ("unanswerable", "elsewhere"):
            no = sure[part & (kinds == kind)]
            auc = (yes[:, None] > no[None, :]).mean()
            shares = {wrong: round(float((no < np.quantile(yes, wrong)).mean()), 3) for wrong in WRONGLY}
            print(f"  against {len(no)} {kind}: AUC {auc:.3f}; declined at wrongly declined: {shares}")
        print("  thresholds", {wrong: round(float(np.quantile(yes, wrong)), 3) for wrong in WRONGLY})


def matrix(rows: list[dict[str, float]], names: list[str]) -> Any:
    return np.array([[row[name] for name in names] for row in rows])


def fit_softmax(data: list[tuple[Any, Any]], steps: int = 400) -> Any:
    """Weights that make the sentences with the answer likely among all of their question: Adam on the log loss."""
    every = np.vstack([features for features, _ in data])
    centre, scale = every.mean(0), every.std(0) + 1e-9
    data = [((features - centre) / scale, labels) for features, labels in data]
    weight = first = second = np.zeros(every.shape[1])
    for step in range(1, steps + 1):
        gradient = 1e-3 * weight
        for features, labels in data:
            logits = features @ weight
            share = np.exp(logits - logits.max())
            share /= share.sum()
            right = share * labels
            gradient = gradient + features.T @ (share - right / right.sum()) / len(data)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        weight = weight - 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return weight / scale


def fit_logistic(values: Any, labels: Any, penalty: float = 5.0) -> tuple[Any, float]:
    """Newton's method; the penalty is on the weights of standardised features."""
    centre, scale = values.mean(0), values.std(0) + 1e-9
    features = np.c_[(values - centre) / scale, np.ones(len(values))]
    ridge = penalty * np.diag([*np.ones(len(scale)), 0.0])
    weight = np.zeros(features.shape[1])
    for _ in range(30):
        share = 1 / (1 + np.exp(-features @ weight))
        curvature = (features * (share * (1 - share))[:, None]).T @ features + ridge
        weight = weight - np.linalg.solve(curvature, features.T @ (share - labels) + ridge @ weight)
    coefficients = weight[:-1] / scale
    return coefficients, float(weight[-1] - coefficients @ centre)


def save(which: str, **models: tuple[list[str], Any, float]) -> None:
    """Write the fitted models, for passages that were read or not, and use them from here on."""
    stored = json.loads(WEIGHTS.read_text("utf-8"))
    for model, (names, coefficients, bias) in models.items():
        pairs = zip(names, coefficients, strict=True)
        own = ROW_FEATURES if model == "sentence" else ROW_CONFIDENCE
        kept = {name: weight for name, weight in stored[which][model]["weights"].items() if name in own}
        stored[which][model] = {
            "weights": kept | {name: round(float(value), 5) for name, value in pairs},
            "bias": round(bias, 5),
        }
    stored["fitted_by"] = "benchmarks/answers.py --fit"
    WEIGHTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    fitted.cache_clear()


if __name__ == "__main__":
    main()
