"""Text in a document that speaks to the model: it is shown as data, and no answer can rest on it.

It is data-marked (its spaces become dots), so that it reads as quoted text and not as a request: K. Hines et al.,
"Defending Against Indirect Prompt Injection Attacks With Spotlighting", 2024.
"""

from __future__ import annotations

import re
from typing import Final

_ORDER: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,40}?"
    r"\b(?:instructions?|prompts?|(?:previous|prior|preceding|earlier) \w+|(?:rules|text|everything) above)\b[^.!?\n]*"
    r"|\byou (?:are now|must now|will now|have to now)\b[^.!?\n]*"
    r"|^[ \t]*(?:system|assistant|user|developer)[ \t]*:[^\n]*"
    r"|\b(?:respond|reply|answer|say)\s+(?:only with|exactly|only)\b[^.!?\n]*"
    r"|\b(?:new|updated|important) instructions?\b[^.!?\n]*",
    re.IGNORECASE | re.MULTILINE,
)
_CONTROL: Final = re.compile(
    r"<\|[^|>\n]{0,40}\|?>?|\[/?INST\]|<</?SYS>>|</?s>|</?(?:source|system|user|assistant)\b", re.IGNORECASE
)
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")


def gives_orders(text: str) -> bool:
    """Whether a text addresses the model that reads it, rather than a person."""
    return _ORDER.search(text) is not None or _CONTROL.search(text) is not None


def neutralise(text: str) -> str:
    """Text of a source that cannot close its frame, open a role or give an order; other text comes back as it is."""
    text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub(lambda match: match.group().replace("<", "‹").replace("[", "⟦").replace("|", "¦"), text)
    return _ORDER.sub(lambda match: re.sub(r"\s+", "·", match.group().strip()), text)
