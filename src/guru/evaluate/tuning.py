"""The work of `guru knowledge tune`: every setting on every question, then what to choose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from guru.evaluate import metrics
from guru.evaluate.intervals import bootstraps
from guru.evaluate.options import Metric, TuneOptions
from guru.evaluate.places import Resolver
from guru.evaluate.recommend import Setting, against, front, recommend
from guru.evaluate.retrieval import Searched, latency, search
from guru.evaluate.store import Item
from guru.evaluate.work import Work
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Trial(Struct):
    """One setting on one question."""

    seconds: float
    characters: int
    """Of the passages together."""
    recall: float
    ndcg: float
    hit_rate: float
    mrr: float
    precision: float


METRICS: tuple[Metric, ...] = ("recall", "ndcg", "hit_rate", "mrr", "precision")


async def tune(work: Work) -> JSON:
    """Try all settings on one question after the other, so that a busy moment is nobody's disadvantage."""
    options = msgspec.convert(work.evaluation.options, TuneOptions)
    own = work.corpus.chunk_tokens
    current = Setting(mode="hybrid", k=work.passages, chunk_tokens=own)
    settings = settings_of(options, current)
    items = [item for item in await work.items() if not item.question.impossible]
    waiting = [item for item in items if item.searched is None]
    work.progress(total=len(items), done=len(items) - len(waiting), current=None)
    if waiting:
        async with collections(work, settings, own) as names:
            await try_all(work, options, settings, names, items)
    return await asyncio.to_thread(report, work, options, settings, current, items)


def settings_of(options: TuneOptions, current: Setting) -> list[Setting]:
    """Every combination, and the current one."""
    sizes = sorted({*options.chunk_tokens, current.chunk_tokens})
    found = [
        Setting(mode=mode, k=k, chunk_tokens=size)
        for size in sizes
        for mode in dict.fromkeys(options.modes)
        for k in sorted({*options.ks, current.k})
    ]
    return list(dict.fromkeys([*found, current]))


@asynccontextmanager
async def collections(work: Work, settings: Sequence[Setting], own: int) -> AsyncIterator[dict[int, str]]:
    """The collection itself and a copy of it for every other size of chunks; the copies are removed at the end."""
    names = {own: work.collection}
    try:
        for size in sorted({setting.chunk_tokens for setting in settings} - {own}):
            work.progress(current=f"Cutting chunks of {size} tokens")
            names[size] = f"{work.evaluation.id.replace('_', '-')}-{size}"
            await work.corpus.cut(work.tenant, work.collection, names[size], size)
        yield names
    finally:
        for size, name in names.items():
            if size != own:
                await work.corpus.drop(work.tenant, name)


async def try_all(
    work: Work, options: TuneOptions, settings: Sequence[Setting], names: dict[int, str],
    items: Sequence[Item],
) -> None:  # fmt: skip
    """Every setting on every question that has no result yet, in an order that changes from question to question."""
    waiting = [item for item in items if item.searched is None]
    resolver = await Resolver.open(work.corpus, work.tenant, work.collection)
    shuffled = random.Random(options.seed)
    for setting in settings:  # the first search reads an index into memory
        name = names[setting.chunk_tokens]
        await work.corpus.search(work.tenant, name, waiting[0].question.question, k=setting.k, mode=setting.mode)
    for done, item in enumerate(waiting, start=len(items) - len(waiting) + 1):
        order = list(settings)
        shuffled.shuffle(order)
        found: dict[str, Any] = {}
        for setting in order:
            searched = await search(
                work.corpus, resolver, work.tenant, names[setting.chunk_tokens], item.question,
                k=setting.k, mode=setting.mode, filter=options.filter,
            )  # fmt: skip
            found[setting.name] = trial(searched, setting.k)
        item.searched = msgspec.to_builtins(found)
        await work.keep("searched", {item.number: item.searched})
        work.progress(done=done, current=item.question.question)


def trial(searched: Searched, k: int) -> Trial:
    found, needs = searched.found, searched.needs
    return Trial(
        seconds=searched.seconds,
        characters=sum(hit.end - hit.start for hit in searched.hits),
        recall=metrics.recall(found, needs, k),
        ndcg=metrics.ndcg(found, needs, k),
        hit_rate=metrics.hit(found, k),
        mrr=metrics.reciprocal_rank(found, k),
        precision=metrics.precision(found, k),
    )


def report(
    work: Work, options: TuneOptions, settings: Sequence[Setting], current: Setting, items: Sequence[Item]
) -> JSON:
    """Every setting with its measures, which of them are on the front, and which one to use."""
    import numpy as np

    trials = [msgspec.convert(item.searched, dict[str, Trial]) for item in items]
    columns = [[row[setting.name] for row in trials] for setting in settings]
    values = np.array([[getattr(one, options.metric) for one in column] for column in columns], float).T
    seconds = np.array([[one.seconds for one in column] for column in columns], float).T
    made: JSON = {
        "kind": "tune",
        "collection": work.collection,
        "options": msgspec.to_builtins(options),
        "questions": len(items),
        "settings": [],
        "recommendation": None,
    }
    if not items:
        return made
    place = list(settings).index(current)
    gains = against(values, place, options.seed)
    measured = [bootstraps(measures_of(column), seed=options.seed) for column in columns]
    best = front(values.mean(axis=0).tolist(), np.median(seconds, axis=0).tolist())
    made["settings"] = [
        {
            **msgspec.to_builtins(setting),
            "name": setting.name,
            "current": number == place,
            "on_front": number in best,
            "metrics": dict(zip(METRICS, measured[number], strict=True)),
            "gain": gains[number],
            "latency": latency([one.seconds for one in column]),
            "characters": sum(one.characters for one in column) / len(column),
        }
        for number, (setting, column) in enumerate(zip(settings, columns, strict=True))
    ]  # fmt: skip
    made["recommendation"] = recommend(
        settings, values, seconds, current=place, margin=options.margin, seed=options.seed
    )
    return dict(msgspec.to_builtins(made))


def measures_of(column: Sequence[Trial]) -> NDArray[Any]:
    """Every measure of one setting, shape (questions, measures)."""
    import numpy as np

    return np.array([[getattr(one, name) for name in METRICS] for one in column], float)
