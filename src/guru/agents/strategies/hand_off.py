"""Agents that hand a conversation over to each other: each has a tool `transfer_to_NAME` for those that it may."""

from __future__ import annotations

from typing import Final

import msgspec

from guru.agents.loop import Steps
from guru.agents.steps import Reply
from guru.agents.strategies.talk import Member, Work, act, think
from guru.agents.tools.base import ToolSpec
from guru.types import Message

PREFIX: Final = "transfer_to_"
NOBODY: Final = {"type": "object", "properties": {}, "additionalProperties": False}


def hand_off(work: Work) -> Steps:
    """Whoever has the conversation answers, or hands it over. How often that may happen is a matter of `max_steps`."""
    everybody = {work.me.agent.name: work.me, **work.team}
    while True:
        now = with_transfers(work, everybody)
        messages = now.prompt()
        while True:
            reply = yield from think(now, messages)
            name = wanted(reply, everybody)
            if name is not None:
                break
            if not reply.calls:
                return reply.text.strip()
            messages = yield from act(now, messages, reply)
        handed = Message("assistant", reply.text) if reply.text else None
        said = [*work.messages, *([handed, work.messages[-1]] if handed else [])]
        work = msgspec.structs.replace(work, me=everybody[name], messages=said)


def wanted(reply: Reply, team: dict[str, Member]) -> str | None:
    """To whom a reply hands over; calls beside it are left to whoever takes over."""
    names = (call.name.removeprefix(PREFIX) for call in reply.calls if call.name.startswith(PREFIX))
    return next((name for name in names if name in team), None)


def with_transfers(work: Work, everybody: dict[str, Member]) -> Work:
    """The agent with a tool for each that it may hand over to."""
    me = work.me
    transfers = [
        ToolSpec(
            name=f"{PREFIX}{name}", parameters=NOBODY,
            description=f"Hand the conversation over to {name}. {everybody[name].agent.description}".strip(),
        )
        for name in me.agent.agents
        if name in everybody
    ]  # fmt: skip
    return msgspec.structs.replace(work, me=msgspec.structs.replace(me, tools=[*me.tools, *transfers]))
