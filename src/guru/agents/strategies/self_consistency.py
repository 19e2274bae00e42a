"""Answer several times, apart from each other, and let the answers vote (Wang et al., 2022)."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import msgspec

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, talk, together
from guru.types import Message

ASK: Final = 'Think step by step. End with a line "Answer: " and the answer in as few words as possible.'
WARM: Final = 0.8
ANSWER: Final = re.compile(r"(?:final )?answer\s*(?:is)?\s*[:：]\s*(.+)", re.IGNORECASE)
NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def self_consistency(work: Work) -> Steps:
    """Tools that change something are left out: what they do would be done once for each answer."""
    harmless = [tool for tool in work.me.tools if tool.effect != "write"]
    work = msgspec.structs.replace(work, me=msgspec.structs.replace(work.me, tools=harmless), answers=False)
    prompt = work.prompt()
    if work.me.way == "guided":  # such a model keeps to no form, and what it says is often what a tool said
        return most(list((yield from together([talk(work, prompt, WARM, seed) for seed in range(work.agent.samples)]))))
    asked = [*prompt[:-1], Message("user", f"{work.request}\n\n{ASK}")]
    said = yield from together([talk(work, asked, WARM, seed) for seed in range(work.agent.samples)])
    return vote(said)


def vote(answers: list[str]) -> str:
    """What most of the answers conclude; the first answer where none concludes anything."""
    return most([conclusion(answer) for answer in answers]) or answers[0]


def most(texts: list[str]) -> str:
    """What most of the texts mean, in the words of the first that does; of equals, the first."""
    keys = [key_of(text) for text in texts]
    counts = Counter(key for key in keys if key)
    if not counts:
        return texts[0]
    highest = max(counts.values())
    winner = next(key for key in keys if counts.get(key) == highest)
    return texts[keys.index(winner)]


def conclusion(answer: str) -> str:
    """What follows the last "Answer:", or the last line."""
    found = ANSWER.findall(answer)
    if found:
        return str(found[-1]).strip(" *")
    lines = answer.strip().splitlines()
    return lines[-1].strip() if lines else ""


def key_of(text: str) -> str:
    """What is the same in answers that mean the same: a number, where there is just one; else the words."""
    numbers = NUMBER.findall(text)
    if len(numbers) == 1:
        value = float(numbers[0].replace(",", ""))
        return f"{value:.10g}"
    return " ".join(re.findall(r"\w+", text.lower()))
