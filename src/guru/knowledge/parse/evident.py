"""Plain text that is read without a process of its own: there is nothing in it that anything could go wrong with."""

from __future__ import annotations

from typing import Final

from guru.errors import UnreadableDocument
from guru.knowledge.parse import complete
from guru.knowledge.parse.builder import UNWANTED, clean
from guru.knowledge.parse.document import ParsedDocument
from guru.knowledge.parse.encoding import is_suspect
from guru.knowledge.parse.language import is_plain_english
from guru.knowledge.parse.names import suffix
from guru.knowledge.parse.sniff import sniff

LARGEST: Final = 64 * 1024
"""Bytes. What is done below takes a millisecond or two for so many, whatever they are."""
_SUFFIXES: Final = frozenset({".txt", ".text"})


def parse_evident(data: bytes, name: str) -> ParsedDocument | None:
    """What `parse` makes of a short English text in UTF-8 without control characters; None for all else, which a worker
    is to parse. No library looks at it, nothing is unpacked, and no expression goes back over what it has read."""
    if len(data) > LARGEST or suffix(name) not in _SUFFIXES:
        return None
    try:
        text = data.decode("utf-8")
        if UNWANTED.search(text) or is_suspect(text) or sniff(data, name).kind != "text":
            return None
    except (UnicodeDecodeError, UnreadableDocument):  # whoever parses it says what is wrong
        return None
    text = clean(text)
    if not is_plain_english(text):
        return None
    return complete(ParsedDocument(text=text, media_type="text/plain", language="en"), name, [])
