"""Source code along its syntax tree: functions and classes stay whole while they fit.

Split, then merge, as in cAST (Zhang et al. 2025): what is too long is divided into the parts that the grammar gives it,
and neighbours that are small share a chunk. Every cut is at the beginning of a line, so that the text stays verbatim.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.grammars import grammar, knows, syntax_tree
from guru.knowledge.chunk.recursive import RecursiveChunker
from guru.knowledge.sentences import Span, strip_span

if TYPE_CHECKING:
    from tree_sitter import Language, Node

    from guru.knowledge.parse import ParsedDocument

MAX_CHARACTERS: Final = 2_000_000
"""A longer file is data or generated; its tree would take gigabytes."""
MAX_DEPTH: Final = 40
"""Parts in parts; what is nested deeper is cut at lines."""
_LEADS: Final = re.compile(r".*comment|attribute_item|decorator|annotation")
"""Nodes that belong to what stands right below them."""
_PROSE: Final = "It was cut as prose."


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
        if not language or language == "Text":
            return self._prose.split(document)
        if language == "TypeScript" and (document.title or "").endswith(".tsx"):
            language = "TSX"
        found = grammar(language) if knows(language) else None
        if found is None or len(document.text) > MAX_CHARACTERS:
            _warn(document, _why_not(language, document.text))
            return self._prose.split(document)
        cutting = Cutting(document, self._token_offsets, self._max)
        return cutting.chunks((span, None) for span in _Tree(cutting, found).spans())


def _why_not(language: str, text: str) -> str:
    if not knows(language):
        return f"There is no grammar of {language}. {_PROSE}"
    if len(text) > MAX_CHARACTERS:
        return f"Code of more than {MAX_CHARACTERS:,} characters is not parsed. {_PROSE}"
    return f"The grammar of {language} is not installed. {_PROSE} Install it: pip install 'guru[code]'"


def _warn(document: ParsedDocument, text: str) -> None:
    if text not in document.warnings:
        document.warnings.append(text)


class _Part(Struct, frozen=True):
    """Whole lines, and the node that they are; None when they are not one node."""

    start: int
    end: int
    node: Node | None


class _Tree:
    """A text with its syntax tree."""

    def __init__(self, cutting: Cutting, grammar: Language) -> None:
        self._cutting = cutting
        self._text = cutting.text
        self._root = syntax_tree(grammar, cutting.text)
        self._lines = [0, *(match.end() for match in re.finditer("\n", cutting.text)), len(cutting.text)]

    def spans(self) -> Iterator[Span]:
        """What becomes chunks, in order."""
        for start, end in self._merged(_Part(0, len(self._text), self._root), 0):
            if span := strip_span(self._text, start, end):
                yield from self._cutting.fitting(span)

    def _merged(self, whole: _Part, depth: int) -> Iterator[Span]:
        """A part that fits as it is; else its parts, neighbours together while they fit."""
        if self._fits(whole.start, whole.end):
            yield whole.start, whole.end
            return
        current: Span | None = None
        parts = self._parts(whole, depth)
        head = (parts[0].start, parts[0].end) if depth else None
        for part in parts:
            if current and self._fits(current[0], part.end):
                current = current[0], part.end
                continue
            start = part.start
            if current and current == head and part.node:
                start = current[0]  # the head of a definition stays with the first part of its body
            elif current:
                yield current
            current = None
            if part.node is None or self._fits(start, part.end):
                current = start, part.end
            else:
                yield from self._merged(_Part(start, part.end, part.node), depth + 1)
        if current:
            yield current

    def _fits(self, start: int, end: int) -> bool:
        span = strip_span(self._text, start, end)
        return span is None or self._cutting.fits(*span)

    def _parts(self, whole: _Part, depth: int) -> Sequence[_Part]:
        """At least two parts, or lines."""
        node = whole.node if depth < MAX_DEPTH else None
        while node is not None:
            parts = list(self._children(whole, node))
            if len(parts) > 1:
                return parts
            node = max(node.children, key=lambda child: child.end_byte - child.start_byte, default=None)
        borders = [start for start in self._lines_of(whole) if start > whole.start]
        starts = [whole.start, *borders]
        return [_Part(start, end, None) for start, end in zip(starts, [*borders, whole.end], strict=True)]

    def _lines_of(self, whole: _Part) -> list[int]:
        return self._lines[bisect_left(self._lines, whole.start) : bisect_left(self._lines, whole.end)]

    def _children(self, whole: _Part, node: Node) -> Iterator[_Part]:
        """The children of a node that begin a line, each with the comments above it and what ends on its last line."""
        start, owner = whole.start, None
        before: Node | None = None
        for child in node.children:
            line = self._lines[min(child.start_point.row, len(self._lines) - 1)]
            leads = before is None or _leads(before, child)
            if start < line < whole.end and not leads and self._begins_line(child, line):
                yield _Part(start, line, owner)
                start, owner = line, child
            elif owner is None or leads:
                owner = child
            before = child
        yield _Part(start, whole.end, owner)

    def _begins_line(self, node: Node, line: int) -> bool:
        # Columns are bytes; white space before a node is ASCII but for the most unusual code.
        return not self._text[line : line + node.start_point.column].strip()


def _leads(before: Node, after: Node) -> bool:
    near = after.start_point.row <= before.end_point.row + 1
    return near and _LEADS.fullmatch(before.type) is not None
