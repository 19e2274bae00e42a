"""The answer in what a model is writing, as soon as it is certain that it is the answer.

What is handed on is, piece by piece, what the strategy makes of the whole text in the end. What cannot be told from a
thought, a call or an invention before the end is not handed on at all: that part of the answer comes when it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from guru.agents.steps import ModelCall
from guru.agents.strategies import mark, text

LONGEST: Final = 200
"""Characters of a line in which a mark is looked for."""


class Unfolding(Protocol):
    def feed(self, said: str) -> str:
        """What is certain of the answer after these words, and was not before."""
        ...


class Trimmed:
    """A text without the space around it, after a blank line where there is something before it."""

    def __init__(self, before: str = "") -> None:
        self._held = ["\n\n"] if before else []
        """Space that is a part of the text if more comes."""
        self._begun = False

    def feed(self, said: str) -> str:
        if not self._begun:
            said = said.lstrip()
        if not said or said.isspace():
            self._held.append(said)
            return ""
        found = said.rstrip()
        held, self._held, self._begun = self._held, [said[len(found) :]], True
        return "".join(held) + found


class AfterMark:
    """A text from its mark on."""

    def __init__(self, begins: Callable[[str], int | None], counts: Callable[[str], bool], rest: Unfolding) -> None:
        """`begins` gives where the text begins in a line; `counts` looks at all up to there, once."""
        self._begins = begins
        self._counts = counts
        self._rest = rest
        self._said: list[str] = []
        self._line: str | None = ""
        """The line that is being written; None where it is too long to be a mark."""
        self._state = "before"

    def feed(self, said: str) -> str:
        if self._state == "after":
            return self._rest.feed(said)
        if self._state == "never":
            return ""
        self._said.append(said)
        if self._line is None:
            _, newline, said = said.partition("\n")
            if not newline:
                return ""
        self._line = (self._line or "") + said
        start = self._begins(self._line)
        if start is None:
            line = self._line[self._line.rfind("\n") + 1 :]
            self._line = line if len(line) < LONGEST else None
            return ""
        rest = self._line[start:]
        self._state = "after" if self._counts("".join(self._said).removesuffix(rest)) else "never"
        return self.feed(rest)


class UntilObservation:
    """A text without the observation that a model makes up after it."""

    def __init__(self, rest: Unfolding) -> None:
        self._rest = rest
        self._line: str | None = None
        """The beginning of a line that may be an observation; None where the line is none."""
        self._ended = False

    def feed(self, said: str) -> str:
        found = []
        while said and not self._ended:
            piece, newline, said = said.partition("\n")
            if self._line is not None:
                self._line += piece
                if text.OBSERVATION.match(self._line):
                    self._ended = True
                    break
                if not newline and text.may_be_observation(self._line):
                    break
                piece, self._line = self._line, None
            found.append(piece + newline)
            if newline:
                self._line = ""
        return self._rest.feed("".join(found))


def unfolding(call: ModelCall) -> Unfolding | None:
    """How the answer is found in what a call's model writes; None where nothing of it can be told to be one."""
    if call.answer == "no":
        return None
    answer = Trimmed(call.before)
    if call.answer == "whole":
        return answer
    if call.answer == "marked":
        return AfterMark(after_mark, lambda said: True, answer)
    return AfterMark(after_words, text.is_answer, UntilObservation(answer))


def after_mark(line: str) -> int | None:
    """The mark may still grow while nothing follows it."""
    found = mark.MARK.search(line)
    return found.end() if found is not None and found.end() < len(line) else None


def after_words(line: str) -> int | None:
    found = text.ANSWER.search(line)
    return found.end() if found is not None else None
