"""The work of `guru knowledge tune`: every setting on every question, then what to choose."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.evaluate import metrics
from guru.evaluate.corpus import Cut
from guru.evaluate.options import TuneOptions
from guru.evaluate.places import Resolver
from guru.evaluate.retrieval import Searched, search
from guru.evaluate.settings import Setting, current_setting, served_together, settings_of
from guru.evaluate.store import Item
from guru.evaluate.tuned import Trial, report
from guru.evaluate.work import WAITS, Work
from guru.types import JSON

GIVEN_UP: Final = 5
"""Questions after which a reranker that has failed for all of them is not asked any more."""
PATIENCE: Final = 60.0
"""Seconds in which one reranker that fails is asked again, in one run: one that starts just now is waited for."""


async def tune(work: Work) -> JSON:
    """Try all settings on one question after the other, so that a busy moment is nobody's disadvantage."""
    options = msgspec.convert(work.evaluation.options, TuneOptions)
    cut, own = await work.corpus.cut_of(work.tenant, work.collection)
    current = current_setting(work.knowledge, cut)
    settings = settings_of(options, current, work.knowledge)
    items = [item for item in await work.items() if not item.question.impossible]
    waiting = [item for item in items if lacking(item, settings)]
    work.progress(total=len(items), done=len(items) - len(waiting), current=None)
    if waiting:
        trying = Trying(work, options, await Resolver.open(work.corpus, work.tenant, work.collection), items)
        here = [setting for setting in settings if setting.cut == cut]
        await trying.warm_up(here, {cut: work.collection}, waiting[0])  # a wrong name is told before copies are made
        async with copies(work, settings, cut) as names:
            await trying.warm_up([setting for setting in settings if setting.cut != cut], names, waiting[0])
            await trying.all(settings, names, waiting)
    return await asyncio.to_thread(report, work, settings, current, own, items)


def lacking(item: Item, settings: Sequence[Setting]) -> list[Setting]:
    """The settings that have no result for a question yet."""
    return [setting for setting in settings if setting.name not in (item.searched or {})]


def prefix(evaluation_id: str) -> str:
    """What the names of all copies begin with that an evaluation makes."""
    return f"{evaluation_id.replace('_', '-')}-"


@asynccontextmanager
async def copies(work: Work, settings: Sequence[Setting], own: Cut) -> AsyncIterator[dict[Cut, str]]:
    """The collection itself and a copy of it for every other way to cut it; the copies are removed at the end."""
    names = {own: work.collection}
    try:
        for cut in dict.fromkeys(setting.cut for setting in settings):
            if cut != own:
                work.progress(current=f"Cutting chunks of {cut.chunk_tokens} tokens ({cut.chunking})")
                names[cut] = f"{prefix(work.evaluation.id)}{cut.chunking}-{cut.chunk_tokens}"
                await work.corpus.cut(work.tenant, work.collection, names[cut], cut)
        yield names
    finally:
        for cut, name in names.items():
            if cut != own:
                await work.corpus.drop(work.tenant, name)


class Trying(Struct):
    """Settings, tried on questions."""

    work: Work
    options: TuneOptions
    resolver: Resolver
    items: Sequence[Item]
    """All questions that have an answer, with what is known of them."""
    waited: dict[str, float] = {}
    """Seconds, for each reranker."""

    async def warm_up(self, settings: Sequence[Setting], names: dict[Cut, str], item: Item) -> None:
        """The first search reads an index into memory, and the first request a model. Raises what every search would
        raise."""
        first = {(setting.cut, setting.mode, setting.rerank): setting for setting in settings}
        for setting in first.values():
            await self._search(setting, names, item)

    async def all(self, settings: Sequence[Setting], names: dict[Cut, str], waiting: Sequence[Item]) -> None:
        """Every setting on every question that lacks it, in an order that changes from question to question."""
        shuffled = random.Random(self.options.seed)
        for done, item in enumerate(waiting, start=len(self.items) - len(waiting) + 1):
            hopeless = self._hopeless(settings)
            order = served_together(lacking(item, settings))
            shuffled.shuffle(order)
            found: dict[str, Any] = dict(item.searched or {})
            for together in order:
                if together[0].rerank in hopeless:
                    reason = f"{together[0].rerank} failed for each of {GIVEN_UP} questions and was not asked again."
                    found |= {setting.name: Trial(failed=reason) for setting in together}
                else:
                    searched = await self._search(together[0], names, item)
                    found |= {setting.name: trial(searched, setting) for setting in together}
            item.searched = msgspec.to_builtins(found)
            await self.work.keep("searched", {item.number: item.searched})
            self.work.progress(done=done, current=item.question.question)

    async def _search(self, setting: Setting, names: dict[Cut, str], item: Item) -> Searched:
        """What somebody finds who waits for it alone; what is waited for before is not counted."""
        searched = await self._search_once(setting, names, item)
        for wait in WAITS:
            if not is_missed(searched, setting) or self.waited.get(setting.rerank, 0.0) >= PATIENCE:
                break
            began = time.monotonic()
            await asyncio.sleep(wait)
            searched = await self._search_once(setting, names, item)
            self.waited[setting.rerank] = self.waited.get(setting.rerank, 0.0) + time.monotonic() - began
        return searched

    async def _search_once(self, setting: Setting, names: dict[Cut, str], item: Item) -> Searched:
        return await search(
            self.work.finding(), self.resolver, names[setting.cut], item.question,
            k=setting.k, mode=setting.mode, filter=self.options.filter, options=setting.search, to_read=True,
        )  # fmt: skip

    def _hopeless(self, settings: Sequence[Setting]) -> set[str]:
        """The rerankers that have failed for every question, and for enough of them."""
        failures: dict[str, list[bool]] = {}
        for item in self.items:
            tried = [setting for setting in settings if setting.reranks and setting.name in (item.searched or {})]
            for model in {setting.rerank for setting in tried}:
                results = [item.searched[setting.name] for setting in tried if setting.rerank == model]
                failures.setdefault(model, []).append(all(result.get("failed") for result in results))
        return {model for model, failed in failures.items() if len(failed) >= GIVEN_UP and all(failed)}


def is_missed(searched: Searched, setting: Setting) -> bool:
    """Whether a reranker should have ordered what was found and has not."""
    return setting.reranks and bool(searched.hits) and not searched.reranked


def trial(searched: Searched, setting: Setting) -> Trial:
    """What a search is worth for a setting, which has as many passages or fewer.

    An order that a reranker should have made and has not is nobody's result.
    """
    if is_missed(searched, setting):
        return Trial(failed="; ".join(searched.notes) or f"{setting.rerank} said nothing.")
    found, needs, k = searched.found, searched.needs, setting.k
    return Trial(
        seconds=searched.seconds,
        characters=sum(hit.end - hit.start for hit in searched.hits[:k]),
        recall=metrics.recall(found, needs, k),
        ndcg=metrics.ndcg(found, needs, k),
        hit_rate=metrics.hit(found, k),
        mrr=metrics.reciprocal_rank(found, k),
        precision=metrics.precision(found, k),
    )
