"""Let the agent answer that is the best at what is asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from guru.agents.loop import Steps
from guru.agents.steps import Choice, Part, Result
from guru.agents.strategies.talk import Work, fill, requests, single, talk
from guru.types import Message


def router(work: Work) -> Steps:
    """Where nobody fits, the router answers itself."""
    from guru.agents.strategies import STRATEGIES

    name = yield from choose(work)
    if name not in work.team:
        return (yield from talk(work, work.prompt()))
    member = work.team[name]
    team = {other: who for other, who in work.team.items() if other != name and other in member.agent.agents}
    return (yield from STRATEGIES[member.agent.strategy](msgspec.structs.replace(work, me=member, team=team)))


def choose(work: Work) -> Generator[list[Part], list[Result], str]:
    """The name of an agent; "" for none."""
    about = {name: member.agent.description or name for name, member in work.team.items()}
    if work.me.way == "guided":
        options = {name: [text, *requests(work.team[name])] for name, text in about.items()}
        chosen: Any = yield from single(Choice(text=work.request, options=options))
        return str(chosen.option)
    listed = "\n".join(f"- {name}: {text}" for name, text in about.items())
    told = f"Who should answer the request?\n{listed}\n- none: nobody of these"
    schema = {
        "type": "object",
        "properties": {"agent": {"type": "string", "enum": [*about, "none"]}},
        "required": ["agent"],
        "additionalProperties": False,
    }
    said = yield from fill(work, [*work.prompt(), Message("user", told)], "route", schema)
    return str(said.get("agent", ""))
