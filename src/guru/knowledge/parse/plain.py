"""Plain text: the text is the file as it is."""

from __future__ import annotations

from guru.knowledge.parse.builder import check_length, clean
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode


def parse_text(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Decode `data`. Raises `UnreadableDocument`."""
    text, warnings = decode(data)
    text = clean(text)
    check_length(len(text), limits)
    return ParsedDocument(text=text, media_type="text/plain", warnings=warnings)
