"""A conversation as what may be left out of it: whole turns, and rounds of tools with their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from guru.types import Message

Count = Callable[[Message], int]
"""The tokens of a message."""
INSTRUCTIONS = frozenset({"system", "developer"})


class Fitted(Struct):
    """What is kept of a conversation, in its order, and what is not."""

    kept: list[Message]
    dropped: list[Message]


def split_turns(messages: Sequence[Message]) -> list[list[int]]:
    """The places of each turn's messages: a question with all that followed it. Instructions are in none."""
    turns: list[list[int]] = []
    for place, message in enumerate(messages):
        if message.role in INSTRUCTIONS:
            continue
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(place)
    return turns


def split_rounds(messages: Sequence[Message], turn: Sequence[int]) -> list[list[int]]:
    """The parts of a turn: its question, then each message of the assistant with the results of its tools.

    A call and its result are never apart: providers refuse one without the other.
    """
    rounds: list[list[int]] = []
    for place in turn:
        if messages[place].role != "tool" or not rounds:
            rounds.append([])
        rounds[-1].append(place)
    return rounds


def window(messages: Sequence[Message], room: int, count: Count) -> Fitted | None:
    """Leave out the oldest turns until the rest has at most `room` tokens; None when it cannot.

    Instructions and the newest question stay. When leaving out all turns before that is not enough, the oldest rounds
    of tools in the newest turn go, but not the last.
    """
    total = sum(map(count, messages))
    gone: set[int] = set()

    def drop(places: Sequence[int]) -> None:
        nonlocal total
        gone.update(places)
        total -= sum(count(messages[place]) for place in places)

    turns = split_turns(messages)
    for turn in turns[:-1]:
        if total <= room:
            break
        drop(turn)
    if turns:
        _question, *rounds = split_rounds(messages, turns[-1])
        for places in rounds[:-1]:
            if total <= room:
                break
            drop(places)
    if total > room:
        return None
    return Fitted(
        [message for place, message in enumerate(messages) if place not in gone],
        [messages[place] for place in sorted(gone)],
    )
