"""What is odd about a text by its characters alone: noise, the same thing again and again, hardly a word."""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["far", "language", "short", "repeated", "garbled"]
READ: Final = 2_000
"""Characters from the beginning of a document that are looked at."""
ENOUGH: Final = 200
"""Characters under which nothing is said of what they are like."""
SHORT: Final = 0.1
"""A text that has less than this share of the usual length is short."""
REPEATED: Final = 0.12
"""Share of its size that a text compresses to when it says the same again and again; prose stays above 0.3."""
FEWEST_LETTERS: Final = 0.5
"""Share of letters, among all but spaces and digits, under which a text is not made of words; code has 0.6."""
VOWELLESS: Final = 0.5
"""Share of Latin words of four letters and more without a vowel from which they are no words of any language."""
MOST_BROKEN: Final = 0.02
"""Share of characters that stand for what could not be read."""
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]{4,}")
_VOWELS: Final = frozenset("aeiouyAEIOUY")


class Reason(Struct, frozen=True):
    """Something that can be seen of a document and that most others have not."""

    kind: Kind
    text: str
    """In words, with numbers."""


def odd_text(text: str) -> list[Reason]:
    """Whether a text is garbled or repeats itself, with the numbers that say so."""
    text = text[:READ]
    solid = [character for character in text if not character.isspace()]
    if len(solid) < ENOUGH:
        return []
    return [reason for reason in (garbled(text, solid), repeated(text)) if reason]


def repeated(text: str) -> Reason | None:
    raw = text.encode("utf-8", "surrogatepass")
    ratio = len(zlib.compress(raw, 6)) / len(raw)
    if ratio >= REPEATED:
        return None
    return Reason("repeated", f"The same text again and again: it compresses to {ratio:.0%} of its size.")


def garbled(text: str, solid: list[str]) -> Reason | None:
    broken = sum(character == "\ufffd" or unicodedata.category(character) in ("Co", "Cn", "Cc") for character in solid)
    if broken / len(solid) > MOST_BROKEN:
        return Reason("garbled", f"{broken / len(solid):.0%} of its characters could not be read.")
    words = [character for character in solid if not character.isdigit()]
    letters = sum(character.isalpha() or unicodedata.combining(character) > 0 for character in words)
    # A table of numbers has few words and is none the worse for it.
    if len(words) > len(solid) / 2 and letters / len(words) < FEWEST_LETTERS and not ruled(text):
        return Reason("garbled", f"Only {letters / len(words):.0%} of its characters are letters: hardly text.")
    found = _LATIN.findall(text)
    vowelless = sum(not any(is_vowel(character) for character in word) for word in found)
    if len(found) >= 20 and vowelless / len(found) > VOWELLESS:
        return Reason("garbled", f"{vowelless / len(found):.0%} of its words have no vowel: text that is not words.")
    return None


def is_vowel(character: str) -> bool:
    return unicodedata.normalize("NFD", character)[0] in _VOWELS


def ruled(text: str) -> bool:
    """Whether the text is mostly lines, dots and bars, as a table is or a list of contents."""
    marks = sum(text.count(mark) for mark in "|-_.=+*#·…")
    return marks > 0.3 * len(text.replace(" ", ""))


def short_text(length: int, usual: int) -> Reason | None:
    """Whether there is almost no text, beside what documents here usually have."""
    if usual < ENOUGH or length > SHORT * usual:
        return None
    return Reason("short", f"Almost no text: {length:,} characters, where half of the documents have over {usual:,}.")


def other_language(language: str | None, usual: str | None, share: float) -> Reason | None:
    """Whether it is in another language than nearly all documents."""
    if language is None or usual is None or language == usual or share < 0.8:
        return None
    return Reason("language", f"Its language is {language!r}; {share:.0%} of the documents are in {usual!r}.")
