"""Source code along its syntax tree: functions and classes stay whole while they fit.

Split, then merge, as in cAST (Zhang et al. 2025): what is too long is divided into the parts that the grammar gives it,
and neighbours that are small share a chunk. Every cut is at the beginning of a line, so that the text stays verbatim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.recursive import RecursiveChunker
from guru.knowledge.parse import SyntaxPart, grammars, syntax
from guru.knowledge.sentences import Span, strip_span

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument

_PROSE: Final = "It was cut as prose."
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


class CodeChunker:
    """Cuts source code along its syntax tree, without overlap, and everything else recursively.

    A language without a grammar, and any language without the extra `code`, is cut recursively too; a warning of the
    document says so.
    """

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._prose = RecursiveChunker(token_offsets, max_tokens, overlap)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        language = document.metadata.get("language_name")
        if not document.syntax:
            reason = _why_not(language, document.text) if language and language != "Text" else None
            if reason and reason not in document.warnings:
                document.warnings.append(reason)
            return self._prose.split(document)
        cutting = Cutting(document, self._token_offsets, self._max)
        whole = SyntaxPart(0, len(document.text), document.syntax)
        spans = (strip_span(document.text, *span) for span in _merged(cutting, whole))
        return cutting.chunks((piece, None) for span in spans if span for piece in cutting.fitting(span))


def recipe() -> str:
    """What cutting code depends on beside the settings: which grammars there are."""
    return ",".join(sorted(language for language in grammars.GRAMMARS if grammars.installed(language)))


def _why_not(language: str, text: str) -> str | None:
    """Why code has no parts; None where it is only too short for any."""
    if language not in grammars.GRAMMARS:
        return f"There is no grammar of {language}. {_PROSE}"
    if not grammars.installed(language):
        return f"The grammar of {language} is not installed. {_PROSE} Install it: pip install 'guru[code]'"
    if len(text) > syntax.MAX_CHARACTERS:
        return f"Code of more than {syntax.MAX_CHARACTERS:,} characters is not taken apart. {_PROSE}"
    return None


def _merged(cutting: Cutting, whole: SyntaxPart, depth: int = 0) -> Iterator[Span]:
    """A part that fits as it is; else the parts in it, neighbours together while they fit."""
    if _fits(cutting, whole.start, whole.end):
        yield whole.start, whole.end
        return
    parts = _parts(cutting.text, whole)
    head = (parts[0].start, parts[0].end) if depth else None
    current: Span | None = None
    for part in parts:
        if current and _fits(cutting, current[0], part.end):
            current = current[0], part.end
            continue
        start = part.start
        if current and current == head and part.parts:
            start = current[0]  # the head of a definition stays with the first part of its body
        elif current:
            yield current
        current = None
        if _is_line(cutting.text, part) or _fits(cutting, start, part.end):
            current = start, part.end
        else:
            yield from _merged(cutting, SyntaxPart(start, part.end, part.parts), depth + 1)
    if current:
        yield current


def _parts(text: str, whole: SyntaxPart) -> Sequence[SyntaxPart]:
    """The parts of a part, the first of which begins where it does; its lines, where there are none."""
    if whole.parts:
        first, *others = whole.parts
        return [SyntaxPart(whole.start, first.end, first.parts), *others]
    return [SyntaxPart(*line.span()) for line in _LINE.finditer(text, whole.start, whole.end)]


def _is_line(text: str, part: SyntaxPart) -> bool:
    return not part.parts and "\n" not in text[part.start : part.end - 1]


def _fits(cutting: Cutting, start: int, end: int) -> bool:
    span = strip_span(cutting.text, start, end)
    return span is None or cutting.fits(*span)
