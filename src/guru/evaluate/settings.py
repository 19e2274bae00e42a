"""The settings that a tuning tries: which there are, and how each is written into the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from guru.config import KnowledgeSettings
from guru.config.base import Chunking
from guru.errors import InvalidParameter
from guru.evaluate.corpus import Cut
from guru.evaluate.options import TuneOptions
from guru.types import JSON, RERANK_OFF, Fusion, SearchMode, SearchOptions

MOST: Final = 200
"""Settings of one tuning."""
MOST_COPIES: Final = 12
"""Of the collection: each takes an ingest, and the room of one."""


class Setting(Struct, frozen=True, kw_only=True):
    """A way to cut documents and to search them. What does not matter beside the rest is None."""

    mode: SearchMode
    k: int
    fusion: Fusion = "learned"
    dense_weight: float | None = None
    """Of the dense side in `rrf` and `weighted`; the sparse one has the rest of 1."""
    rerank: str = RERANK_OFF
    """The model that reorders what was found."""
    rerank_top: int | None = None
    """How many passages it reads."""
    rerank_weight: float | None = None
    """Its share in their order; None: what suits it."""
    chunking: Chunking = "recursive"
    chunk_tokens: int
    """The largest size of a chunk."""
    chunk_overlap: int = 40
    parent_tokens: int | None = None
    """The largest size of what is read in the place of a chunk, where that is more than the chunk."""

    @property
    def name(self) -> str:
        """Tells it from all others of a tuning."""
        parts = [f"{self.mode}, {self.k} x {self.chunk_tokens}"]
        if self.chunking != "recursive":
            parts.append(self.chunking)
        if self.fusion != "learned":
            parts.append(self.fusion if self.dense_weight is None else f"{self.fusion} {self.dense_weight:g}")
        if self.reranks:
            parts.append(f"{self.rerank} {self.rerank_top}")
        return ", ".join(parts)

    @property
    def reranks(self) -> bool:
        return self.rerank != RERANK_OFF

    @property
    def context(self) -> int:
        """Tokens of the passages at most: what reading them costs the model that answers."""
        return self.k * (self.parent_tokens or self.chunk_tokens)

    @property
    def cut(self) -> Cut:
        """How the documents are cut."""
        return Cut(
            chunking=self.chunking, chunk_tokens=self.chunk_tokens,
            chunk_overlap=self.chunk_overlap, parent_tokens=self.parent_tokens,
        )  # fmt: skip

    @property
    def search(self) -> SearchOptions:
        """What a search is told, so that nothing of it is left to the configuration."""
        weight = self.dense_weight
        return SearchOptions(
            fusion=self.fusion, rerank=self.rerank, rerank_top=self.rerank_top, rerank_weight=self.rerank_weight,
            dense_weight=weight, sparse_weight=None if weight is None else rest(weight),
        )  # fmt: skip


def rest(weight: float) -> float:
    """Of the other side."""
    return round(1 - weight, 6)


def current_setting(knowledge: KnowledgeSettings, cut: Cut) -> Setting:
    """What an answer is made of now, from a collection that is cut like this."""
    weights = knowledge.dense_weight + knowledge.sparse_weight
    return normal(
        Setting(
            mode=knowledge.mode, k=knowledge.passages, fusion=knowledge.fusion,
            dense_weight=round(knowledge.dense_weight / (weights or 1.0), 6),
            rerank=knowledge.rerank, rerank_top=knowledge.rerank_top, rerank_weight=knowledge.rerank_weight,
            **structs.asdict(cut),
        )
    )  # fmt: skip


def normal(setting: Setting) -> Setting:
    """The same without what does not matter, so that two that search alike are equal."""
    changes: dict[str, Any] = {}
    if setting.mode != "hybrid" or setting.fusion == "learned":
        changes["dense_weight"] = None
    if not setting.reranks:
        changes["rerank_top"] = None
    if not setting.reranks or setting.fusion != "learned":
        changes["rerank_weight"] = None
    if setting.chunking != "hierarchical":
        changes["parent_tokens"] = None
    return structs.replace(setting, **changes)


def settings_of(options: TuneOptions, current: Setting, knowledge: KnowledgeSettings) -> list[Setting]:
    """What is tried: every way to search, with every reranker and every number of passages, on every cut; and the
    current setting with all these numbers.

    Raises `InvalidParameter` where that is too much, and says what to leave out.
    """
    ks = sorted({*options.ks, current.k})
    ways, readers = list(ways_of(options)), list(readers_of(options, knowledge))
    cuts = list(cuts_of(options, current, knowledge))
    changes = [
        *({"k": k} for k in ks),
        *(cut | way | reader | {"k": k} for cut in cuts for way in ways for reader in readers for k in ks),
    ]
    found = list(dict.fromkeys(normal(structs.replace(current, **change)) for change in changes))
    if len(found) > MOST:
        raise too_many(len(found), {
            "modes": ("ways to search", len(ways)), "reranks": ("rerankings", len(readers)),
            "chunkings": ("ways to cut", len(cuts)), "ks": ("numbers of passages", len(ks)),
        })  # fmt: skip
    copies = len({setting.cut for setting in found} - {current.cut})
    if copies > MOST_COPIES:
        raise InvalidParameter(
            f"That takes {copies} copies of the collection; at most {MOST_COPIES} are made.",
            param="chunkings", hint="Leave out ways to cut (`chunkings`) or sizes (`chunk_tokens`).",
        )  # fmt: skip
    return sorted(found, key=lambda setting: setting.cut != current.cut)


def ways_of(options: TuneOptions) -> Iterator[JSON]:
    """Modes and fusions. There is nothing to fuse but in hybrid search, and nothing to weigh in the learned fusion."""
    for mode in dict.fromkeys(options.modes):
        if mode != "hybrid":
            yield {"mode": mode, "fusion": "learned"}
            continue
        for fusion in dict.fromkeys(options.fusions):
            for weight in dict.fromkeys(options.dense_weights) if fusion != "learned" else [None]:
                yield {"mode": mode, "fusion": fusion, "dense_weight": weight}


def readers_of(options: TuneOptions, knowledge: KnowledgeSettings) -> Iterator[JSON]:
    """No reranker, and each that is named."""
    yield {"rerank": RERANK_OFF}
    for model in dict.fromkeys(options.reranks):
        if model != RERANK_OFF:
            for top in dict.fromkeys(options.rerank_tops or [knowledge.rerank_top]):
                yield {"rerank": model, "rerank_top": top, "rerank_weight": knowledge.rerank_weight}


def cuts_of(options: TuneOptions, current: Setting, knowledge: KnowledgeSettings) -> Iterator[JSON]:
    """The present cut, and every other. The overlap grows and shrinks with the size."""
    for chunking in dict.fromkeys([current.chunking, *options.chunkings]):
        for size in sorted({current.chunk_tokens, *options.chunk_tokens}):
            yield {
                "chunking": chunking, "chunk_tokens": size,
                "chunk_overlap": round(current.chunk_overlap * size / current.chunk_tokens),
                "parent_tokens": max(size, current.parent_tokens or knowledge.parent_tokens),
            }  # fmt: skip


def too_many(count: int, parts: dict[str, tuple[str, int]]) -> InvalidParameter:
    """The error for so many settings; `parts` are what they come from, by the names of the API."""
    several = {name: part for name, part in parts.items() if part[1] > 1}
    product = " x ".join(f"{number} {what}" for what, number in several.values())
    longest = max(several, key=lambda name: several[name][1])
    return InvalidParameter(
        f"That is {count} settings ({product}); at most {MOST} are tried at once.",
        param=longest,
        hint=f"Name fewer {several[longest][0]}; or tune the search first, and then how documents are cut with what "
        "proved best.",
    )


def configuration(setting: Setting, current: Setting) -> JSON:
    """What is to be changed in `[knowledge]` for a setting, by its keys there."""
    keys = {"k": "passages"}
    before, after = structs.asdict(current), structs.asdict(setting)
    changed = {keys.get(name, name): value for name, value in after.items() if value not in (None, before[name])}
    if "dense_weight" in changed:
        changed["sparse_weight"] = rest(changed["dense_weight"])
    return changed


def served_together(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Settings that one search answers, those with the most passages first.

    What a reranker reads, and so the time it takes and the order it gives, is the same for every number of passages up
    to what it reads. Not where parents are read: more chunks then make other parents. All others search for themselves.
    """
    groups: dict[Setting, list[Setting]] = {}
    for setting in settings:
        alike = setting.reranks and setting.k <= (setting.rerank_top or 0) and setting.parent_tokens is None
        groups.setdefault(structs.replace(setting, k=0) if alike else setting, []).append(setting)
    return [sorted(group, key=lambda setting: -setting.k) for group in groups.values()]
