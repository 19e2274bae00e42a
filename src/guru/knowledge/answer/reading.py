"""The reader's part in an answer: it reads what search found, puts it in order, and says where the answer stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from guru.knowledge.answer.features import Passage
from guru.knowledge.odds import mixed
from guru.knowledge.ranking import STAGES
from guru.protocols import AnswerSpan, Reader

MOST: Final = 20
"""Passages that are read: more cost time, and hold hardly an answer."""
SHARE: Final = 0.25
"""What the reader's word counts beside that of search, in the order of passages; benchmarks/reader.py measures it."""


async def read_passages(reader: Reader, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The first `MOST` passages with their readings, in the order of search and reader together.

    Where the search was told how to rank, which shows in further stages, its order stays.
    """
    chosen = passages[:MOST]
    readings = await reader.read(question, [passage.hit.text for passage in chosen])
    read = [
        msgspec.structs.replace(passage, reading=reading) for passage, reading in zip(chosen, readings, strict=True)
    ]
    if not all(set(STAGES).issuperset(passage.hit.stages) for passage in read):
        return read
    return sorted(read, key=lambda passage: -fused(passage))


def fused(passage: Passage) -> float:
    """Log odds that the passage is the one, from search and reader."""
    assert passage.reading is not None
    return mixed(passage.reading.relevance, passage.hit.score, SHARE)


def best_span(passage: Passage, start: int, end: int) -> AnswerSpan | None:
    """The likeliest answer within `[start, end)` of the document, in the document's offsets."""
    if passage.reading is None:
        return None
    offset = passage.hit.start
    for span in passage.reading.spans:
        if start <= span.start + offset and span.end + offset <= end:
            return AnswerSpan(span.start + offset, span.end + offset, span.chance)
    return None
