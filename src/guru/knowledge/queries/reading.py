"""Reads what a model was asked to write: one JSON object and nothing else, or it is not used."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

Shape = TypeVar("Shape")
MOST: Final = 4
"""Queries that one answer may bring."""
LONGEST: Final = 300
"""Characters of a query."""
_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


class Unreadable(Exception):
    """The answer is not what was asked for."""


class Probe(Struct, frozen=True):
    """Something to search for."""

    text: str
    meaning_only: bool = False
    """It is no question: only its meaning counts, not its words."""


class Queries(Struct, forbid_unknown_fields=True):
    queries: list[str]


def read_queries(answer: str, question: str) -> list[Probe]:
    """The queries of `{"queries": [...]}`, each once, without the question itself. Raises `Unreadable`."""
    found = decode(answer, Queries).queries
    if not 1 <= len(found) <= MOST:
        raise Unreadable(f"the model wrote {len(found)} queries, not 1 to {MOST}")
    plain = [" ".join(query.split()) for query in found]
    if any(not query or len(query) > LONGEST for query in plain):
        raise Unreadable(f"a query of the model is empty or longer than {LONGEST} characters")
    unique: dict[str, str] = {}
    for query in plain:
        unique.setdefault(query.casefold(), query)
    unique.pop(" ".join(question.split()).casefold(), None)
    return [Probe(query) for query in unique.values()]


def decode(answer: str, shape: type[Shape]) -> Shape:
    """The JSON of an answer, which may stand in a fence. Raises `Unreadable`."""
    fenced = _FENCED.fullmatch(answer)
    try:
        return msgspec.json.decode(fenced.group(1) if fenced else answer, type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Unreadable("the model's answer is not the JSON that it was asked for") from None
