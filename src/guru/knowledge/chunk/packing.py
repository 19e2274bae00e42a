"""Puts units together as long as they fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from guru.knowledge.chunk.cutting import Cutting, Unit


def pack(cutting: Cutting, units: Iterable[Unit], overlap: int) -> Iterator[list[Unit]]:
    """Runs of units, each as long as fits, which begin with the last units of the one before, up to `overlap`
    tokens."""
    current: list[Unit] = []
    for unit in units:
        if current and not cutting.fits(current[0].start, unit.end):
            yield current
            current = tail(cutting, current, unit, overlap)
        current.append(unit)
    if current:
        yield current


def tail(
    cutting: Cutting, units: Sequence[Unit], following: Unit, overlap: int, max_tokens: int | None = None
) -> list[Unit]:
    """The last units of a run, at most `overlap` tokens, that fit together with the unit that follows."""
    repeated: list[Unit] = []
    for unit in reversed(units[1:]):
        long = cutting.tokens.between(unit.start, units[-1].end) > overlap
        if long or not cutting.fits(unit.start, following.end, max_tokens):
            break
        repeated.insert(0, unit)
    return repeated
