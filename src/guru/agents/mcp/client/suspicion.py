"""What in the definition of a tool looks as if it were meant for a model and not for its user.

This finds what is known; it proves nothing. What it finds is shown to a person before a model reads it; what it does
not find can still do no more than the approvals of the tool allow.
Known attacks: https://invariantlabs.ai/blog/mcp-security-notification-tool-poisoning-attacks
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from guru.types import JSON

MOST_TEXT: Final = 8000
"""Characters of all texts of a tool. More is more than anybody reads before allowing it."""
_BLOB: Final = re.compile(r"[A-Za-z0-9+/]{120,}={0,2}")
_PLAIN: Final = frozenset("\n\t\r")
_EMOJI: Final = frozenset("\u200d\ufe0f")
"""Joiner and variation of emoji: between them they hide nothing, alone they do."""


@cache
def patterns() -> dict[str, re.Pattern[str]]:
    """What is looked for, by what it would be."""
    data = (files("guru.agents.mcp.client") / "suspicious.toml").read_text("utf-8")
    flags = re.IGNORECASE | re.VERBOSE
    return {name: re.compile(pattern, flags) for name, pattern in tomllib.loads(data).items()}


def findings(definition: JSON) -> list[str]:
    """What is suspicious, each in a few words; empty when nothing is."""
    texts = [text for _, text in texts_of(definition)]
    whole = "\n".join(texts)
    found = [f"has hidden characters: {shown}" for shown in hidden(whole)]
    plain = unicodedata.normalize("NFKC", visible(whole, mark=False))
    found += [name for name, pattern in patterns().items() if pattern.search(plain)]
    if len(whole) > MOST_TEXT:
        found.append(f"says {len(whole):,} characters, more than anybody reads")
    if _BLOB.search(plain):
        found.append("has a long text that is encoded")
    return found


def texts_of(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a definition with its place: names of parameters and values of enumerations are read, too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_of(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}", str(key)
            yield from texts_of(item, f"{path}.{key}")


def hidden(text: str) -> list[str]:
    """The characters that nobody sees, by name: a few of them, each once."""
    found = sorted({character for character in text if is_hidden(character)})
    joined = [character for character in found if character not in _EMOJI or not _within_emoji(text, character)]
    return [f"U+{ord(item):04X} {unicodedata.name(item, 'without a name')}" for item in joined[:5]]


def is_hidden(character: str) -> bool:
    """Controls, formats (zero width, directions, tags), private and unassigned characters, variation selectors."""
    if character in _PLAIN:
        return False
    kind = unicodedata.category(character)
    point = ord(character)
    return kind in ("Cc", "Cf", "Co", "Cn", "Cs") or 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF


def _within_emoji(text: str, character: str) -> bool:
    """Whether the character only ever follows a symbol, as it does in emoji."""
    before = [text[at - 1] if at else "" for at, item in enumerate(text) if item == character]
    return all(item in _EMOJI or (item and unicodedata.category(item) in ("So", "Sk")) for item in before)


def visible(text: str, *, mark: bool = True) -> str:
    """The text with nothing hidden in it: hidden characters as their numbers, or left out."""
    return "".join(
        (f"<U+{ord(item):04X}>" if mark else "") if is_hidden(item) and item not in _EMOJI else item for item in text
    )


def plain(value: Any) -> Any:
    """A definition as a model may read it: without hidden characters, also in its schemas."""
    if isinstance(value, str):
        return visible(value, mark=False)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
