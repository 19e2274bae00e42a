"""Checks an answer that is there already: does each sentence follow from the quotes that it cites?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from guru.knowledge.answer.evidence import Evidence, gather
from guru.knowledge.answer.features import passages_of
from guru.knowledge.answer.markers import SentenceStream, find_markers, strip_markers
from guru.knowledge.answer.support import SUPPORTED, Judge
from guru.knowledge.search import Retrieval, Sentence
from guru.knowledge.sentences import sentence_spans
from guru.protocols import Embedder
from guru.types import Hit

ALIKE: Final = 0.5
"""Score of every sentence of a quote: none has been retrieved for anything, so none is better than another."""


class Check(Struct, frozen=True):
    """A sentence that states something, without its markers."""

    sentence: str
    supported: bool


async def check_answer(question: str, answer: str, quotes: dict[int, str], embedder: Embedder | None) -> list[Check]:
    """Every claim of `answer`, checked against the quotes alone whose numbers its markers name.

    The same check as while the answer was written, but against the quotes and not the whole passages. A claim without a
    marker, or with one that names no quote, is not supported.
    """
    evidence = quoted_evidence(question, quotes)
    judge = Judge(evidence, embedder)
    place = {passage.hit.chunk_id: index for index, passage in enumerate(evidence.passages)}
    checks = []
    for sentence in split_answer(answer):
        plain = strip_markers(sentence).strip()
        if not plain or not judge.is_claim(plain):
            continue
        named = dict.fromkeys(number for marker in find_markers(sentence) for number in marker.numbers)
        cited = [place[number] for number in named if number in place]
        found = await judge.find(plain, cited)
        alone = found is not None and found.score >= SUPPORTED
        checks.append(Check(plain, alone or bool(judge.find_together(plain, cited))))
    return checks


def split_answer(answer: str) -> list[str]:
    """Its sentences, each with the markers that follow it."""
    stream = SentenceStream()
    return [*stream.feed(answer), stream.flush()]


def quoted_evidence(question: str, quotes: dict[int, str]) -> Evidence:
    """Quotes as passages, each under its number."""
    hits: list[Hit] = []
    sentences: list[list[Sentence]] = []
    for number, quote in quotes.items():
        hits.append(
            Hit(
                rank=number, score=ALIKE, document=str(number), document_id=str(number), chunk_id=number, page=None,
                start=0, end=len(quote), text=quote,
            )
        )  # fmt: skip
        sentences.append(
            [
                Sentence(start=start, end=end, text=quote[start:end], score=ALIKE, coverage=0.0)
                for start, end in sentence_spans(quote)
            ]
        )
    found = Retrieval(query=question, vector=None, hits=hits, sentences=sentences)
    return gather(question, passages_of(found))
