"""The parts of source code, as its grammar has them, each of whole lines. Runs with the parsers, in their process."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.parse.document import SyntaxPart
from guru.knowledge.parse.grammars import grammar

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_CHARACTERS: Final = 2_000_000
"""A longer file is data or generated; its tree would take gigabytes."""
MAX_DEPTH: Final = 40
"""Parts in parts; what is nested deeper is lines."""
_LEADS: Final = re.compile(r".*comment|attribute_item|decorator|annotation")
"""Nodes that belong to what stands right below them."""


def syntax_parts(text: str, language: str) -> list[SyntaxPart]:
    """The parts of a text, one after the other, with the parts in them. What is wrong in it is a part as well.

    Empty for a language without a grammar, for a text that is too long, and for one that has no parts.
    """
    if len(text) > MAX_CHARACTERS or (found := grammar(language)) is None:
        return []
    from tree_sitter import Parser

    tree: Any = Parser(found).parse(text.encode("utf-8", "replace"))
    return _Lines(text).parts(0, len(text), tree.root_node, 0)


class _Lines:
    """A text by lines."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def parts(self, start: int, end: int, node: Node | None, depth: int) -> list[SyntaxPart]:
        """At least two parts of `[start, end)`, or none."""
        if depth > MAX_DEPTH or self._starts[bisect_right(self._starts, start) :][:1] in ([], [end]):
            return []  # one line
        while node is not None:
            found = list(self._children(start, end, node))
            if len(found) > 1:
                return [SyntaxPart(i, j, self.parts(i, j, part, depth + 1)) for i, j, part in found]
            node = max(node.children, key=lambda child: child.end_byte - child.start_byte, default=None)
        return []

    def _children(self, start: int, end: int, node: Node) -> Iterator[tuple[int, int, Node | None]]:
        """The children of a node that begin a line, each with the comments above it and what ends on its last line."""
        owner: Node | None = None
        before: Node | None = None
        for child in node.children:
            line = self._starts[min(child.start_point.row, len(self._starts) - 1)]
            leads = before is None or _leads(before, child)
            if start < line < end and not leads and self._begins_line(child, line):
                yield start, line, owner
                start, owner = line, child
            elif owner is None or leads:
                owner = child
            before = child
        yield start, end, owner

    def _begins_line(self, node: Node, line: int) -> bool:
        # Columns are bytes; white space before a node is ASCII but for the most unusual code.
        return not self._text[line : line + node.start_point.column].strip()


def _leads(before: Node, after: Node) -> bool:
    near = after.start_point.row <= before.end_point.row + 1
    return near and _LEADS.fullmatch(before.type) is not None
