"""Ask the model; call the tools that it wants; until it answers."""

from __future__ import annotations

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, talk


def direct(work: Work) -> Steps:
    return (yield from talk(work, work.prompt()))
