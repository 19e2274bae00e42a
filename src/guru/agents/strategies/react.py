"""Reason, act, look at what came of it, and reason again (Yao et al., 2023)."""

from __future__ import annotations

from typing import Final

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, talk

REASON: Final = (
    "Work step by step. Before every call of a tool, say in a sentence what you know and what you need next. After "
    "every result, say what it tells you. Answer as soon as you know enough."
)


def react(work: Work) -> Steps:
    return (yield from talk(work, work.prompt(REASON)))
