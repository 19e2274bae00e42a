"""Self-consistency: of several answers, the one that most of them agree on (Wang et al. 2022, arXiv:2203.11171)."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from msgspec import Struct

from guru.prompts.techniques.chain_of_thought import REASONING


class Vote(Struct, frozen=True):
    chosen: int
    """The number of the answer that stands for the winners: the first of them."""
    votes: int
    """How many of the answers agree with it."""
    answers: int


def vote(answers: list[str], marker: str) -> Vote:
    """The most frequent answer; among equally frequent ones the one that came first."""
    ballots = [ballot(answer, marker) for answer in answers]
    counted = Counter(ballots)
    most = max(counted.values())
    chosen = next(number for number, said in enumerate(ballots) if counted[said] == most)
    return Vote(chosen, most, len(answers))


def ballot(answer: str, marker: str) -> str:
    """What an answer says, in one spelling: without its reasoning, its case, its spaces and the dots at its end."""
    try:
        value = json.loads(unfenced(answer))
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict | list):
        return canonical(value)
    _, found, said = answer.rpartition(marker)
    if found:
        said = said.strip().partition("\n")[0]
    words = " ".join((said if found else answer).replace("*", " ").split()).casefold()
    return re.sub(r"[\s.!,;:\"'`]+$|^[\s\"'`]+", "", words)


def unfenced(text: str) -> str:
    """JSON out of the fence of Markdown that many models put around it."""
    fenced = re.fullmatch(r"\s*```(?:json)?\n(.*)\n```\s*", text, re.DOTALL)
    return fenced[1] if fenced else text


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        value = {name: member for name, member in value.items() if name != REASONING}
    return json.dumps(value, sort_keys=True)
