"""What a cluster is about, in words: those that are frequent in it and rare in the others.

Class-based TF-IDF: M. Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure" (2022). The
root of the frequencies is taken, so that one document that repeats a word does not name its topic.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import log
from typing import Final

from msgspec import Struct

from guru.knowledge.stopwords import STOP_WORDS
from guru.knowledge.terms import fold, language_of, terms

WORDS: Final = 8
"""Words that a topic is described by; the first `NAMED` are its label."""
NAMED: Final = 3
LONGEST: Final = 32
"""Characters; what is longer is no word."""
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f\uac00-\ud7af"
_WORD: Final = re.compile(rf"[{_UNSPACED}]{{2,}}|(?:(?![{_UNSPACED}])[^\W\d_]){{3,}}(?:[-'’][^\W\d_]{{2,}})*")
_MARKUP: Final = re.compile(r"https?://\S+|www\.\S+|<[^>\n]{1,80}>|&\w+;")
_VAGUE: Final = """
may might must shall also via etc per like one two three many much well get got use used using made make makes new see
seen said say says however within without since although among upon yet still even ever never always every each
another someone something four five six seven eight nine ten take taken give given need needs ask often usually
generally first second last next time times year years day days way ways part parts thing things http https www com
org html pdf
"""
_COMMON: Final = frozenset().union(*STOP_WORDS.values()) | frozenset(_VAGUE.split())


class Text(Struct, frozen=True):
    """A passage."""

    source: str
    """The id of its document; the passage's own where passages are put together."""
    language: str | None
    text: str


class Vocabulary(Struct, frozen=True):
    """The terms of one topic."""

    count: Counter[str]
    spread: dict[str, set[str]]
    """The sources that have a term."""
    sources: int


def name_topics(topics: Sequence[Iterable[Text]]) -> list[list[str]]:
    """For each topic, given as its passages, up to `WORDS` words that tell it from the others, the best first.

    Words that mean the same to search (`pump`, `pumps`) are one, shown as it is written most often.
    """
    shown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    vocabularies = [read_vocabulary(topic, shown) for topic in topics]
    total: Counter[str] = Counter()
    for vocabulary in vocabularies:
        total.update(vocabulary.count)
    average = total.total() / max(len(vocabularies), 1)
    return [[as_written(shown[term]) for term in best(item, total, average)] for item in vocabularies]


def read_vocabulary(topic: Iterable[Text], shown: defaultdict[str, Counter[str]]) -> Vocabulary:
    """Count the terms of a topic; `shown` learns how they are written."""
    count: Counter[str] = Counter()
    spread: defaultdict[str, set[str]] = defaultdict(set)
    sources: set[str] = set()
    for passage in topic:
        sources.add(passage.source)
        for word in words(passage.text):
            term = stem(word, passage.language)
            count[term] += 1
            spread[term].add(passage.source)
            shown[term][word] += 1
    return Vocabulary(count, spread, len(sources))


def best(vocabulary: Vocabulary, total: Counter[str], average: float) -> list[str]:
    """The terms of one topic with the greatest weight. In a topic of several sources, what only one of them says
    comes after all that others say too."""
    mine = max(vocabulary.count.total(), 1)

    def rank(term: str) -> tuple[bool, float, str]:
        weight = (vocabulary.count[term] / mine) ** 0.5 * log(1 + average / total[term])
        return len(vocabulary.spread[term]) < min(2, vocabulary.sources), -weight, term

    return sorted(vocabulary.count, key=rank)[:WORDS]


def words(text: str) -> list[str]:
    """The words that could say what a text is about, as they are written; of scripts without spaces, pairs."""
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFKC", text))
    found: list[str] = []
    for match in _WORD.finditer(plain):
        word = match.group()
        if re.match(rf"[{_UNSPACED}]", word):
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        elif len(word) <= LONGEST and fold(re.sub(r"['’]s?$", "", word)) not in _COMMON:
            found.append(re.sub(r"['’]s$", "", word))
    return found


def stem(word: str, language: str | None) -> str:
    found = terms(word, language_of(language))
    return found[0] if found else fold(word)


def as_written(forms: Counter[str]) -> str:
    """The form that is written most often; in small letters, unless it is a name: `NATO`, `Oracle`."""
    capitals = sum(times for form, times in forms.items() if form[0].isupper())
    folded: Counter[str] = Counter()
    for form, times in forms.items():
        folded[form.lower()] += times
    word = min(folded, key=lambda form: (-folded[form], form))
    if capitals <= 0.8 * folded.total():
        return word
    written = {form: times for form, times in forms.items() if form.lower() == word}
    return min(written, key=lambda form: (-written[form], form))
