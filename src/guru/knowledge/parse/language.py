"""Which language a text is in."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_SAMPLE = 2_000
_MIN_LETTERS = 20
_CERTAIN = 0.8
_LETTERS = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language of `text`, or None when there is too little text or no clear winner.

    py3langid (its model comes with the package) on samples from the beginning, the middle and the end.
    """
    middle = len(text) // 2
    samples = (text[:_SAMPLE], text[middle : middle + _SAMPLE], text[-_SAMPLE:]) if len(text) > 3 * _SAMPLE else (text,)
    words = " ".join(word for sample in samples for word in _LETTERS.findall(sample))
    if len(words) < _MIN_LETTERS and not re.search("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{4}", words):
        return None
    language, probability = _identifier().classify(words)
    return str(language) if probability > _CERTAIN else None


@cache
def _identifier() -> Any:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]

    identifier = LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
