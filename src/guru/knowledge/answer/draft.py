"""A model's answer while it is written: each sentence checked before it is shown, held until one claim stands."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import msgspec

from guru.knowledge.answer.cite import Checked, Citer
from guru.knowledge.answer.markers import SentenceStream
from guru.protocols import ChatModel
from guru.types import ChatRequest, Completed, Delta, Event, Finished

_PATIENCE: Final = 3
"""Claims without support after which a model that has supported nothing is overruled."""
_SOURCES = r"(?:documents?|sources?|passages?|context|texts?|excerpts?|information)(?: (?:provided|given|above|here))?"
_DECLINES: Final = re.compile(
    rf"\b(?:the|these|those|your|any of the|provided|given) (?:provided |given |numbered |above )?{_SOURCES} "
    r"(?:do(?:es)?|did|is|are)(?: not|n't) (?:\w+ )?"
    r"(?:answer|contain|mention|provide|say|specify|state|include|give|address|discuss|indicate|enough|sufficient)"
    r"|\bi(?: am|'m)? (?:do not|don't|cannot|can't|could not|couldn't|unable to) (?:know|find|answer|determine|tell)\b"
    rf"|\b(?:not|isn't|aren't) (?:mentioned|stated|specified|found|given|covered|answered|provided)?"
    rf" ?(?:in|by) (?:the|these|those|any of the) (?:\w+ )?{_SOURCES}\b"
    rf"|\bthere is no (?:information|mention|answer)\b",
    re.IGNORECASE,
)


def says_nothing(sentence: str) -> bool:
    """Whether a model says with it that its sources hold no answer."""
    return _DECLINES.search(sentence) is not None


class Draft:
    """Shows a model's sentences as they are verified.

    Nothing is shown until a claim is supported that can be an answer; then what was held back and the rest flows.
    Afterwards `stands` says whether there is an answer, `declined` that the model said there is none, and neither that
    it is overruled: nothing that it wrote was shown.
    """

    def __init__(self, citer: Citer) -> None:
        self._citer = citer
        self._stream = SentenceStream()
        self._held: list[Checked] = []
        self._has_tools = False
        self.stands = False
        self.declined = False
        self.finished = Finished("stop")
        self.completed: Completed | None = None
        """None when the model was stopped before it had ended."""
        self.pieces = 0
        """Deltas received: about the tokens of the answer."""

    async def write(self, request: ChatRequest, model: ChatModel) -> AsyncGenerator[Event, None]:
        """Ask the model and yield what may be shown. Closes the model's stream when it declines or is overruled."""
        self._has_tools = bool(request.tools or request.native_tools)
        async with aclosing(model.chat(request)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Delta):
                    async for shown in self._feed(event):
                        yield shown
                elif isinstance(event, Finished):
                    self.finished = event
                elif isinstance(event, Completed):
                    self.completed = event
                if self._settled:
                    return
        rest = self._stream.flush()
        if self.finished.reason == "length" and not self.stands:
            return  # The beginning of a first sentence is no answer.
        for shown in await self._take(rest):
            yield shown

    async def _feed(self, delta: Delta) -> AsyncGenerator[Event, None]:
        self.pieces += 1
        for sentence in self._stream.feed(delta.text):
            for shown in await self._take(sentence):
                yield shown
            if self._settled:
                return
        if not self._has_tools:
            delta = msgspec.structs.replace(delta, tool_calls=[])  # it cannot call what nobody offered
        if delta.tool_calls:
            self.stands = True
        if delta.tool_calls or delta.reasoning:
            yield msgspec.structs.replace(delta, text="")

    @property
    def _settled(self) -> bool:
        """The model is not asked further: it declined, or has shown that it cannot keep to its sources."""
        return self.declined or (
            not self.stands and sum(checked.claim and not checked.is_code for checked in self._held) >= _PATIENCE
        )

    async def _take(self, sentence: str) -> list[Event]:
        if not sentence:
            return []
        checked = await self._citer.check(sentence)
        if not checked.supported and says_nothing(sentence):
            self.declined = not self.stands
            checked = msgspec.structs.replace(checked, claim=False)
        if self.stands:
            return self._citer.emit(checked)
        self._held.append(checked)
        if not checked.answers:
            return []
        self.stands = True
        return [event for held in self._held for event in self._citer.emit(held)]
