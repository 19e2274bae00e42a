"""Runs: characters that stand side by side on one line without a wide gap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from guru.knowledge.parse.pdf.characters import PageCharacters, is_bold

# In units of the character height, which is about 1.15 times the font size.
_GAP = 0.6
_BACKWARDS = 1.0
_OVERLAP = 0.5

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_IRREGULAR = re.compile("\\s\\s|[^\\S ]|[\x00-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffffﬀ-ﬆ\ufdd0-\ufdef]")
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\ufeff\ufffe\uffff\ufdd0-\ufdef]")

_BLANKS = np.array([0x7F, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF])

Source = tuple[int, int, int]
"""`length` characters from `offset` in a text come from the page's characters from `index`: (offset, index, length)."""


@dataclass(slots=True)
class Run:
    """A piece of one line: its text, where each character comes from, and its box in points from the top left."""

    text: str
    sources: list[Source]
    x0: float
    y0: float
    x1: float
    y1: float
    bold: bool = False
    turned: bool = False
    """Set sideways."""

    @property
    def height(self) -> float:
        return self.y1 - self.y0


def find_runs(characters: PageCharacters, textpage: Any) -> list[Run]:
    """The runs of a page in the order of its content stream."""
    text, boxes = characters.text, characters.boxes
    visible = _visible(text)
    if not len(visible):
        return []
    starts = _run_starts(boxes[visible])
    ends = np.append(starts[1:], len(visible))
    low = np.minimum.reduceat(boxes[visible, :2], starts)
    high = np.maximum.reduceat(boxes[visible, 2:], starts)
    runs = []
    for first, last, (x0, y0), (x1, y1) in zip(
        visible[starts].tolist(), visible[ends - 1].tolist(), low.tolist(), high.tolist(), strict=True
    ):
        content, sources = _readable(text, first, last + 1)
        if content:
            runs.append(Run(content, sources, x0, y0, x1, y1, is_bold(textpage, first)))
    return _join_turned(runs)


def _visible(text: str) -> Any:
    """Indices of the characters that are neither blanks nor control characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    return np.flatnonzero((codes > 0x20) & ~np.isin(codes, _BLANKS))


def _run_starts(boxes: Any) -> Any:
    """Positions in `boxes` at which a new run begins."""
    before, after = boxes[:-1], boxes[1:]
    height = np.maximum(np.minimum(before[:, 3] - before[:, 1], after[:, 3] - after[:, 1]), 0.1)
    overlap = np.minimum(before[:, 3], after[:, 3]) - np.maximum(before[:, 1], after[:, 1])
    gap = after[:, 0] - before[:, 2]
    # Arabic, Hebrew and upside-down letters go to the left: each ends where the one before it begins.
    leftwards = np.abs(before[:, 0] - after[:, 2]) < _GAP * height
    broken = (overlap < _OVERLAP * height) | (gap > _GAP * height) | ((gap < -_BACKWARDS * height) & ~leftwards)
    return np.concatenate([[0], np.flatnonzero(broken) + 1])


def _readable(text: str, start: int, end: int) -> tuple[str, list[Source]]:
    """`text[start:end]` with single blanks, ligatures as letters and no invisible characters, and its sources."""
    piece = text[start:end]
    if not _IRREGULAR.search(piece):
        return piece, [(0, start, len(piece))]
    out: list[str] = []
    sources: list[Source] = []
    length = 0
    for index, letter in enumerate(piece, start):
        if letter.isspace():
            letter = " " if out and out[-1] != " " else ""
        elif _DROPPED.match(letter):
            letter = ""
        for part in _LIGATURES.get(letter, letter):
            sources.append((length, index, 1))
            out.append(part)
            length += 1
    return "".join(out), sources


def _join_turned(runs: list[Run]) -> list[Run]:
    """Join letters that follow each other up or down the page: text that is set sideways."""
    joined: list[Run] = []
    group: list[Run] = []
    for run in [*runs, None]:
        if run is not None and len(run.text) <= 2 and (not group or _stacked(group[-1], run)):
            group.append(run)
            continue
        joined.extend([_as_turned(group)] if len(group) > 3 else group)
        group = [run] if run is not None and len(run.text) <= 2 else []
        if run is not None and not group:
            joined.append(run)
    return joined


def _stacked(above: Run, below: Run) -> bool:
    overlap = min(above.x1, below.x1) - max(above.x0, below.x0)
    distance = max(above.y0, below.y0) - min(above.y1, below.y1)
    width = max(min(above.x1 - above.x0, below.x1 - below.x0), 0.1)
    return overlap > 0.7 * width and distance < 0.8 * width


def _as_turned(group: list[Run]) -> Run:
    text = ""
    sources: list[Source] = []
    for before, run in zip([None, *group], group, strict=False):
        if before is not None and max(before.y0, run.y0) - min(before.y1, run.y1) > 0.15 * (run.x1 - run.x0):
            text += " "
        sources.extend((offset + len(text), index, length) for offset, index, length in run.sources)
        text += run.text
    return Run(
        text, sources,
        min(run.x0 for run in group), min(run.y0 for run in group),
        max(run.x1 for run in group), max(run.y1 for run in group), turned=True,
    )  # fmt: skip
