"""The citation markers that models write, and sentences cut from a stream, wherever its pieces begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_NUMBERS: Final = r"\d{1,3}(?:\s*(?:,|;|&|and|-|–)\s*(?:sources?\s*)?\d{1,3})*"
MARKER: Final = re.compile(
    rf"\[\^?\s*(?:(?:sources?|documents?|refs?)\s*[:#]?\s*)?({_NUMBERS})\s*\]"
    rf"|【\s*({_NUMBERS})\s*(?:†[^】]{{0,40}})?】"
    rf"|\((?:see\s+)?(?:sources?|documents?|refs?)\s*[:#]?\s*({_NUMBERS})\s*\)",
    re.IGNORECASE,
)
"""`[1]`, `[1, 2]`, `[1-3]`, `[^1]`, `[Source 1]`, `【1】`, `【1†source】`, `(source 1)`."""

_END: Final = re.compile(r"[.!?…]+[\"'”’»)*_]*|[。！？｡][」』”’）]*|\n+")
_OPEN_MARKER: Final = re.compile(r"(?:\[|【|\((?:see\s+)?(?:s|d|r))[^\]】)\n]{0,48}$", re.IGNORECASE)
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\[\"“])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|Gen|Col|Lt|Sen|Rev|e\.g|i\.e|cf|vs|etc|approx|ca|No|Nos|Fig|Vol|Art|"
    r"Sec|Ch|pp|Inc|Ltd|Co|Jr|Sr|[^\W\d_](?:\.[^\W\d_])+)$",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION: Final = 16
_LOOK_AHEAD: Final = 2
"""Characters that must follow the white space after a sentence before it is cut: `[1` may open a marker."""


class Marker(Struct, frozen=True):
    start: int
    end: int
    numbers: tuple[int, ...]


def find_markers(text: str) -> list[Marker]:
    """The markers of `text`, with the numbers they name."""
    return [
        Marker(match.start(), match.end(), tuple(_expand(next(group for group in match.groups() if group))))
        for match in MARKER.finditer(text)
    ]


def _expand(numbers: str) -> Iterator[int]:
    """`1, 3-5` names 1, 3, 4 and 5."""
    for first, last in re.findall(r"(\d+)(?:\s*[-–]\s*(?:sources?\s*)?(\d+))?", numbers, re.IGNORECASE):
        low, high = int(first), int(last or first)
        yield from range(low, high + 1) if low <= high <= low + 20 else (low, high)


def strip_markers(text: str) -> str:
    """The text without markers, and without the spaces that stood before them."""
    return re.sub(rf"[ \t]*(?:{MARKER.pattern})", "", text, flags=re.IGNORECASE)


class SentenceStream:
    """Cuts text that comes in pieces into sentences. Joined, they are the text: white space stays with the sentence
    before it, and so do markers that follow its full stop. The cuts do not depend on the pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._from = 0

    def feed(self, piece: str) -> Iterator[str]:
        """The sentences that `piece` completes."""
        self._held += piece
        while (cut := self._next_cut()) is not None:
            sentence, self._held = self._held[:cut], self._held[cut:]
            yield sentence

    def flush(self) -> str:
        """What is left when the text has ended."""
        rest, self._held = self._held, ""
        return rest

    def _next_cut(self) -> int | None:
        for match in _END.finditer(self._held):
            if not self._held[: match.start()].strip():
                continue
            end = self._after_markers(match.end())
            if end is None:
                return None
            if self._cuts(match, end):
                return end
        return None

    def _after_markers(self, end: int) -> int | None:
        """Where the white space after the sentence and its markers ends; None while that is not known."""
        while True:
            following = re.compile(r"\s*").match(self._held, end)
            place = following.end() if following else end
            if len(self._held) - place < _LOOK_AHEAD:
                return None
            marker = MARKER.match(self._held, place)
            if marker is None:
                return None if _OPEN_MARKER.match(self._held[place:]) else place
            end = marker.end()

    def _cuts(self, match: re.Match[str], end: int) -> bool:
        mark = match.group()
        if "\n" in self._held[match.start() : end] or mark[0] in "。！？｡":
            return True
        if not self._held[match.end() : end].strip(" ") and match.end() == end:
            return False
        if self._held[end].islower():
            return False
        before = self._held[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()]
        return mark != "." or _ABBREVIATION.search(before) is None
