"""What every decoder of providers' answers checks before it hands events on: providers say more than they document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from guru.errors import GuruError, StreamCut
from guru.types import JSON, Delta, Event, Finished, TokenLogprob, TopLogprob

MOST: Final = 2**53
"""The largest number that all readers of JSON agree on; no count of tokens comes near it."""
DIGITS: Final = 16
"""Of that number."""


def count(value: Any) -> int:
    """A number of tokens or of anything that is billed, which Google may write as text; 0 for what is none."""
    if type(value) is str and value.isdecimal() and len(value) <= DIGITS:
        value = int(value)
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value) if 0 <= value <= MOST else 0
    return 0


def members(extra: JSON, name: str) -> JSON:
    """What a decoder of ours put aside under `name`; nothing where a provider has a member of that name by chance."""
    found = extra.get(name)
    return found if isinstance(found, dict) else {}


def read_answer(data: bytes, read: Callable[[Any], list[Event]], provider: str, api: str) -> list[Event]:
    """The events that `read` finds in `data`, which is JSON.

    Raises what `read` raises of ours, and `StreamCut` for garbage, whatever its shape.
    """
    try:
        return checked(read(msgspec.json.decode(data)))
    except GuruError:
        raise
    except Exception as error:
        raise no_answer(provider, api) from error


def no_answer(provider: str, api: str) -> StreamCut:
    return StreamCut(f"{provider} sent what is no answer of {api}.", hint="Try again.")


def checked(events: list[Event]) -> list[Event]:
    """The events, when all in them is of its type. Raises `TypeError` for garbage that looked like an answer."""
    for event in events:
        if type(event) is Delta:
            if not (
                type(event.text) is type(event.reasoning) is type(event.refusal) is str and type(event.index) is int
            ):
                raise TypeError
            for call in event.tool_calls:
                if not (type(call.index) is int and type(call.arguments) is str and _text(call.id, call.name)):
                    raise TypeError
            for entry in event.logprobs or ():
                if not (_is_logprob(entry) and all(map(_is_logprob, entry.top_logprobs))):
                    raise TypeError
        elif type(event) is Finished and not (type(event.index) is int and _text(event.native, event.stop_sequence)):
            raise TypeError
    return events


def _text(*values: object) -> bool:
    """Whether all that is there is text."""
    return all(value is None or type(value) is str for value in values)


def _is_logprob(entry: TokenLogprob | TopLogprob) -> bool:
    return (
        type(entry.token) is str
        and type(entry.logprob) in (int, float)
        and (entry.bytes is None or (type(entry.bytes) is list and all(type(byte) is int for byte in entry.bytes)))
    )
