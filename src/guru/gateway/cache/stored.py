"""An answer as it is kept: its events, compact, and as they are streamed again."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from guru.types import CacheStatus, Completed, Delta, Event, Finished, Started

KEPT: Final = frozenset({"stop", "length", "tool_calls"})
"""Reasons to end that are worth keeping. A filter's refusal may be another's answer, and so may the model's own."""
LARGEST: Final = 4 << 20
"""Bytes of text; a longer answer is not kept."""


class Stored(Struct, array_like=True):
    model: str
    """Who answered."""
    events: list[Delta | Finished | Completed]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Recorder:
    """Listens to an answer."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._events: list[Delta | Finished | Completed] = []
        self._texts: list[str] = []
        self._index = 0
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._size = 0
        self._complete = False
        self._kept = True
        self.plain = True
        """Whether it is text alone: no call of a tool, whose arguments belong to one question."""

    def note(self, event: Event) -> None:
        kind = type(event)
        if kind is Delta:
            assert isinstance(event, Delta)
            if event.text and is_text(event):
                if event.index != self._index:
                    self._join()
                    self._index = event.index
                self._texts.append(event.text)
                self._size += len(event.text)
            else:
                self._join()
                self._events.append(event)
                self._size += 100
                self._kept = self._kept and not event.refusal
                self.plain = self.plain and not event.tool_calls
            self._begun.add(event.index)
        elif kind is Finished:
            assert isinstance(event, Finished)
            self._join()
            self._events.append(event)
            self._ended.add(event.index)
            self._kept = self._kept and event.reason in KEPT
            self.plain = self.plain and event.reason == "stop"
        elif kind is Completed:
            assert isinstance(event, Completed)
            self._join()
            # The road writes times and costs into the event that the client gets; the kept one has none.
            self._events.append(
                msgspec.structs.replace(event, timings={}, cost=0.0, usage=msgspec.structs.replace(event.usage))
            )
            self._complete = True
        elif kind is Started:
            assert isinstance(event, Started)
            self._model = event.model
            self._kept = self._kept and event.cache in {"miss", "off"}
        else:
            self._kept = False  # citations are of a grounded answer, whose passages may change

    def answer(self) -> bytes | None:
        """The answer, if it is whole and worth keeping: all of its choices have ended, and they say something."""
        whole = self._complete and self._begun and self._begun == self._ended
        if not (whole and self._kept) or self._size > LARGEST:
            return None
        return _encode(Stored(self._model, self._events))

    def _join(self) -> None:
        if self._texts:
            self._events.append(Delta(index=self._index, text="".join(self._texts)))
            self._texts.clear()


def is_text(event: Delta) -> bool:
    return not (
        event.reasoning or event.thinking_block or event.refusal or event.extra or event.tool_calls or event.logprobs
    )


def replay(answer: bytes, status: CacheStatus) -> list[Event]:
    """The events to stream, new ones every time. The usage is what the answer took when it was made."""
    stored = _decode(answer)
    return [Started(model=stored.model, cache=status), *stored.events]
