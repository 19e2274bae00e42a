"""Which language a text is in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

_SAMPLE = 2_000
_MIN_LETTERS = 20
_CERTAIN = 0.8
_LETTERS = re.compile(r"[^\W\d_]+")
# A sixth of English prose is made of these, and hardly any of them is a word of another language at all.
_COMMON = """
the of and that with this from which were been their they would there these when other into its his
"""
_ENGLISH = frozenset(_COMMON.split())
_ENGLISH_SHARE = 0.1
_FEWEST = 4
_FEWEST_DIFFERENT = 3


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language of `text`, or None when there is too little text or no clear winner.

    Plain English is told by its small words; else py3langid (its model comes with the package) looks at samples from
    the beginning, the middle and the end.
    """
    found = _words(text)
    words = " ".join(found)
    if len(words) < _MIN_LETTERS and not re.search("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{4}", words):
        return None
    if _is_english(found, words):
        return "en"
    language, probability = _identifier().classify(words)
    return str(language) if probability > _CERTAIN else None


def is_plain_english(text: str) -> bool:
    """Whether `detect_language` says so at a glance, for which no model is loaded."""
    found = _words(text)
    return _is_english(found, " ".join(found))


def _words(text: str) -> list[str]:
    middle = len(text) // 2
    samples = (text[:_SAMPLE], text[middle : middle + _SAMPLE], text[-_SAMPLE:]) if len(text) > 3 * _SAMPLE else (text,)
    return [word for sample in samples for word in _LETTERS.findall(sample)]


def _is_english(found: Sequence[str], words: str) -> bool:
    """Whether so many of the words, and so many different ones, are small words of English as in no other language."""
    if len(words) < _MIN_LETTERS:
        return False
    marks = list(filter(_ENGLISH.__contains__, words.lower().split(" ")))
    return len(marks) >= max(_FEWEST, _ENGLISH_SHARE * len(found)) and len(set(marks)) >= _FEWEST_DIFFERENT


@cache
def _identifier() -> Any:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]

    identifier = LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
