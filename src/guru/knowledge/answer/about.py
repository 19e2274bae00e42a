"""What documents are about, as far as a question tells them apart: the name of a company in that of its report."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from guru.knowledge.answer.words import content
from guru.types import Hit

_PARTS: Final = re.compile(r"[^\W\d_]+")

_TOLD: Final = math.log(2)
"""Weight of the words that tell every second document from the others: less tells little."""


def about(hit: Hit, language: str) -> frozenset[str]:
    """The words of the name of a document, and of its title."""
    return _about(f"{document_words(hit)} {hit.title or ''}", language)


def document_words(hit: Hit) -> str:
    """The words in the name of a document: `ORACLE K`, of a file `ORACLE_2018_10K.pdf`."""
    return " ".join(_PARTS.findall(PurePosixPath(hit.document).stem))


@lru_cache(maxsize=1024)
def _about(names: str, language: str) -> frozenset[str]:
    return frozenset(content(names.casefold(), language))


class Subjects:
    """The words of a question by which it names some of the documents and not all."""

    def __init__(self, terms: frozenset[str], hits: Sequence[Hit], language: str) -> None:
        """A word counts the more the fewer of the documents have it."""
        documents = {hit.document: about(hit, language) & terms for hit in hits}
        counts = Counter(term for named in documents.values() for term in named)
        self._weights = {term: math.log(len(documents) / count) for term, count in counts.items()}
        self._language = language

    def elsewhere(self, hit: Hit, said: frozenset[str]) -> float:
        """How far the question names other documents and not that of the passage, which says these words: 0 to 1."""
        whole = max(sum(self._weights.values()), _TOLD)
        own = about(hit, self._language) | said
        return sum(weight for term, weight in self._weights.items() if term not in own) / whole
