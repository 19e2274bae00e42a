"""Questions made from documents without a model: sentences with a gap, and headings.

They are honest about what they are: they repeat the document's own words, so that search finds their places more easily
than those of questions that people ask. They tell broken settings from sound ones, and are no measure of quality.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from guru.evaluate.corpus import Passage, Source, Span
from guru.evaluate.dataset import AnswerText, Question

GAP: Final = "____"
WORDS: Final = range(8, 41)
"""How long a sentence may be."""
_NUMBER: Final = re.compile(r"(?<![\w.,:/-])\d+(?:[.,:/-]\d+)*(?:\s?%| percent\b)?(?![\w-]|[.,:/]\d)")
_NAME: Final = re.compile(r"(?<=[a-z,;] )(?:[A-Z][\w'’-]+)(?: (?:of |the |de |van )?[A-Z][\w'’-]+)*")
_NUMBERED: Final = re.compile(r"[\W\d_]*$")
NOTE: Final = (
    "These questions repeat the documents' own words: they show whether search works at all and compare settings, but "
    "people's questions are harder. Name a capable --model, or write your own."
)


def extract(
    source: Source, text: str, passages: Sequence[Passage], sentences: Callable[[str], list[Span]], seed: int
) -> list[Question]:
    """Every question that a document yields, in an order that `seed` decides."""
    found = [*clozes(source, text, sentences(text)), *headings(source, passages)]
    random.Random(f"{seed}:{source.name}").shuffle(found)
    return found


def clozes(source: Source, text: str, sentences: Sequence[Span]) -> Iterator[Question]:
    """Sentences in which a number or a name is left out."""
    for start, end in sentences:
        sentence = text[start:end]
        if len(sentence.split()) not in WORDS or sentence[-1] not in ".!?" or re.search(r"\n\s*\n|\||\t", sentence):
            continue
        gap = choose_gap(sentence)
        if gap is None:
            continue
        first, last = gap
        shown = " ".join(f"{sentence[:first]}{GAP}{sentence[last:]}".split())
        yield Question(
            question=f"What is missing here: “{shown}”",
            document=source.name,
            answers=[AnswerText(text=sentence[first:last], start=start + first, end=start + last)],
            metadata={"made_by": "cloze"},
        )


def choose_gap(sentence: str) -> Span | None:
    """The first number, or else the longest name, that the sentence has once."""
    numbers = [match.span() for match in _NUMBER.finditer(sentence)]
    names = sorted((match.span() for match in _NAME.finditer(sentence)), key=lambda span: span[0] - span[1])
    for first, last in [*numbers, *names]:
        if sentence.count(sentence[first:last]) == 1:
            return first, last
    return None


def headings(source: Source, passages: Sequence[Passage]) -> Iterator[Question]:
    """What stands under a heading that the document has once."""
    runs = [(path, list(group)) for path, group in groupby(passages, key=lambda passage: passage.heading_path) if path]
    titles = [path[-1] for path, _ in runs]
    for path, group in runs:
        title = " ".join(path[-1].split())
        if titles.count(path[-1]) > 1 or title == source.title or len(title) > 200 or _NUMBERED.fullmatch(title):
            continue
        yield Question(
            question=f"What does “{source.title or source.name}” say under “{title}”?",
            document=source.name,
            start=group[0].start,
            end=group[-1].end,
            metadata={"made_by": "heading"},
        )
