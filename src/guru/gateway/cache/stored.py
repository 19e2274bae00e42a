"""An answer as it is kept: its events, compact, and as they are streamed again."""

from __future__ import annotations

from typing import Final, cast

import msgspec
from msgspec import Struct

from guru.types import CacheStatus, Completed, Delta, Event, Finished, Started, is_text_alone

KEPT: Final = frozenset({"stop", "length", "tool_calls"})
"""Reasons to end that are worth keeping. A filter's refusal may be another's answer, and so may the model's own."""
ORDINARY: Final = [Started, Delta, Finished, Completed]
"""What an answer is that came in one piece."""
KINDS: Final = frozenset({Started, Delta, Finished, Completed})
FRESH: Final = frozenset({"miss", "off"})
LARGEST: Final = 4 << 20
"""Bytes; a longer answer is not kept."""


class Stored(Struct, array_like=True):
    model: str
    """Who answered."""
    events: list[Delta | Finished | Completed]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Kept(Struct):
    """An answer that is worth keeping."""

    answer: bytes
    plain: bool
    """Whether it is text alone: no call of a tool, whose arguments belong to one question."""


def keep(model: str, events: list[Event]) -> Kept | None:
    """The answer of `model` from all of its events; None when it is not whole, or not worth keeping."""
    if list(map(type, events)) == ORDINARY:
        who, piece, end, done = cast(tuple[Started, Delta, Finished, Completed], events)
        if who.cache in FRESH and end.reason == "stop" and is_text(piece):
            done = msgspec.structs.replace(done, timings={}, cost=0.0)
            return packed(who.model, [piece, end, done], plain=True)
    reasons = reasons_to_end(events)
    if not reasons or not KEPT.issuperset(reasons):
        return None
    kept: list[Delta | Finished | Completed] = []
    texts: list[str] = []
    index = 0
    calls = False
    for event in events:
        kind = type(event)
        if kind is Delta and is_text(event):  # type: ignore[arg-type]
            if event.index != index:  # type: ignore[union-attr]
                join(kept, texts, index)
                index = event.index  # type: ignore[union-attr]
            texts.append(event.text)  # type: ignore[union-attr]
        elif kind is Started:
            model = event.model  # type: ignore[union-attr]
            if event.cache not in FRESH:  # type: ignore[union-attr]
                return None
        elif kind is Delta and event.refusal:  # type: ignore[union-attr]
            return None
        else:
            join(kept, texts, index)
            kept.append(event)  # type: ignore[arg-type]
            calls = calls or (kind is Delta and bool(event.tool_calls))  # type: ignore[union-attr]
    # The road writes times and costs into the event that the client gets; the kept one has none.
    kept[-1] = msgspec.structs.replace(kept[-1], timings={}, cost=0.0)
    return packed(model, kept, plain=reasons == {"stop"} and not calls)


def packed(model: str, events: list[Delta | Finished | Completed], *, plain: bool) -> Kept | None:
    answer = _encode(Stored(model, events))
    return Kept(answer, plain) if len(answer) <= LARGEST else None


def reasons_to_end(events: list[Event]) -> set[str] | None:
    """Why the choices ended; None unless the answer is complete, all of them have ended, and they say something.

    A grounded answer, whose passages may change, has events of other kinds.
    """
    if not KINDS.issuperset(map(type, events)) or type(events[-1]) is not Completed:
        return None
    ended = [event for event in events if type(event) is Finished]
    if {event.index for event in events if type(event) is Delta} != {event.index for event in ended}:
        return None
    return {event.reason for event in ended}


def join(kept: list[Delta | Finished | Completed], texts: list[str], index: int) -> None:
    """Put the pieces of a text together."""
    if texts:
        kept.append(Delta(index=index, text="".join(texts)))
        texts.clear()


def is_text(event: Delta) -> bool:
    return event.text != "" and is_text_alone(event)


def replay(answer: bytes, status: CacheStatus) -> list[Event]:
    """The events to stream, new ones every time. The usage is what the answer took when it was made."""
    stored = _decode(answer)
    return [Started(model=stored.model, cache=status), *stored.events]
