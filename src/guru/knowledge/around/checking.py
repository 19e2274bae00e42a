"""Does each sentence that a model wrote follow from the documents? The check that answers go through, turned around:
a sentence names no source, so it is held against the passages that are nearest to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.knowledge.answer.check import quoted_evidence, split_answer
from guru.knowledge.answer.orders import gives_orders
from guru.knowledge.answer.support import SUPPORTED, Judge, Support
from guru.knowledge.around.summary import Said, Source
from guru.protocols import Embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SENTENCE: Final = re.compile(r"\S+\s+\S+\s+\S.*[.!…][\"'”’»)\]]*$|[。！]", re.DOTALL)
"""At least three words and an end: no heading, and nothing that was cut off."""
NEAREST: Final = 8
"""Passages that a sentence is held against."""


class Evidence(Struct, frozen=True):
    """Passages of documents."""

    sources: list[Source]
    """Each a whole passage."""
    vectors: NDArray[Any]
    """Of unit length, one for each."""


async def check(text: str, evidence: Evidence, embedder: Embedder, most: int) -> tuple[list[Said], list[str]]:
    """The first `most` sentences of `text` that the passages support, with where; and those before that they do not,
    or that are no sentences."""
    sentences = [sentence.strip().lstrip("-*•# ") for sentence in split_answer(text)]
    sentences = [sentence for sentence in sentences if sentence]
    said: list[Said] = []
    dropped: list[str] = []
    if not sentences or not evidence.sources:
        return said, sentences
    near = await embedder.embed(sentences) @ evidence.vectors.T
    for sentence, cosines in zip(sentences, near, strict=True):
        if len(said) == most:
            break
        if not _SENTENCE.search(sentence):
            dropped.append(sentence)
            continue
        some = [int(place) for place in (-cosines).argsort(kind="stable")[:NEAREST]]
        found = await support(sentence, [evidence.sources[place] for place in some], embedder)
        if found and sentence not in [other.text for other in said]:
            said.append(Said(text=sentence, sources=found))
        else:
            dropped.append(sentence)
    return said, dropped


async def support(sentence: str, sources: Sequence[Source], embedder: Embedder) -> list[Source]:
    """The places that stand behind a sentence; none where it states nothing, or nothing that they say."""
    if gives_orders(sentence):
        return []
    gathered = quoted_evidence("", {number: source.quote for number, source in enumerate(sources)})
    judge = Judge(gathered, embedder)
    if not judge.is_claim(sentence):
        return []
    best = await judge.find(sentence, range(len(gathered.passages)))
    if best is not None and best.score >= SUPPORTED:
        return [place(best, gathered, sources)]
    # No passage alone: the two nearest together may.
    first = [at for at, passage in enumerate(gathered.passages) if passage.hit.chunk_id < 2]
    return [place(part, gathered, sources) for part in judge.find_together(sentence, first)]


def place(found: Support, gathered: Any, sources: Sequence[Source]) -> Source:
    """Where a span of a passage stands in its document."""
    source = sources[gathered.passages[found.passage].hit.chunk_id]
    return Source(
        document_id=source.document_id, document=source.document, page=source.page,
        start=source.start + found.start, end=source.start + found.end, quote=found.text,
    )  # fmt: skip
