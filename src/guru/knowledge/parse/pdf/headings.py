"""Which blocks of a PDF are headings, and of which level, by the size and weight of their letters."""

from __future__ import annotations

import re
from collections import Counter

from guru.knowledge.parse.pdf.blocks import Block

_LARGER = 1.12
_MAX_LENGTH = 200
_MAX_BOLD_LENGTH = 120
_MAX_LEVEL = 6
_LETTERS = re.compile(r"[^\W\d_]{2}")
_SENTENCE_END = re.compile(r"[.,;:]$")


def mark_headings(blocks: list[Block]) -> None:
    """Set the `level` of every heading. The largest letters are level 1; bold ones of the text's size come last."""
    body_height, body_bold = _body_style(blocks)
    styles: dict[int, tuple[int, bool]] = {}
    for number, block in enumerate(blocks):
        if _is_heading(block, body_height, body_bold):
            styles[number] = (round(max(block.height / body_height, 1.0) * 12), block.bold)
    order = sorted(set(styles.values()), reverse=True)
    for number, style in styles.items():
        blocks[number].level = min(order.index(style) + 1, _MAX_LEVEL)


def _body_style(blocks: list[Block]) -> tuple[float, bool]:
    """The height of most letters, in half points, and whether most letters of that height are bold."""
    heights: Counter[float] = Counter()
    bold: Counter[float] = Counter()
    for block in blocks:
        height = max(round(block.height * 2) / 2, 0.5)
        heights[height] += len(block.text)
        bold[height] += len(block.text) * block.bold
    if not heights:
        return 1.0, False
    body = heights.most_common(1)[0][0]
    return body, bold[body] > heights[body] / 2


def _is_heading(block: Block, body_height: float, body_bold: bool) -> bool:
    if block.is_table or len(block.text) > _MAX_LENGTH or not _LETTERS.search(block.text):
        return False
    if block.height > _LARGER * body_height:
        return not block.text.endswith((",", ";"))
    is_bold = block.bold and not body_bold and block.height > 0.95 * body_height
    return is_bold and len(block.text) <= _MAX_BOLD_LENGTH and not _SENTENCE_END.search(block.text)
