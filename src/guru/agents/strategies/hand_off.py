"""Agents that hand a conversation over to each other: each has a tool `transfer_to_NAME` for those that it may."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from guru.agents.loop import Steps
from guru.agents.steps import Reply
from guru.agents.strategies.talk import Member, Work, act, answer_in, requests, think
from guru.agents.tools.base import ToolSpec
from guru.config.agent import ToolExample
from guru.types import ImagePart, Message, TextPart

PREFIX: Final = "transfer_to_"
FOUND: Final = "Found out so far:\n"
NOBODY: Final = {"type": "object", "properties": {}, "additionalProperties": False}


def hand_off(work: Work) -> Steps:
    """Whoever has the conversation answers, or hands it over. How often that may happen is a matter of `max_steps`."""
    everybody, answer = {work.me.agent.name: work.me, **work.team}, ""
    while True:
        now = with_transfers(work, everybody)
        messages = prompt = now.prompt()
        while True:
            reply = yield from think(now, messages, before=answer)
            answer = answer_in(now, reply, answer)
            name = wanted(reply, everybody)
            if name is not None:
                break
            if not reply.calls:
                return answer
            messages = yield from act(now, messages, reply)
        handed = [*found_out(messages[len(prompt) :]), *([Message("assistant", reply.text)] if reply.text else [])]
        said = [*work.messages, *([*handed, work.messages[-1]] if handed else [])]
        outside = work.outside or any(tool.reads for tool in work.me.tools)
        work = msgspec.structs.replace(work, me=everybody[name], messages=said, outside=outside)


def found_out(said: list[Message]) -> list[Message]:
    """What was called and what came of it, in words: whoever takes over may have other tools, or none."""
    calls = {
        call.id: f"{call.function.name} {call.function.arguments}" for item in said for call in item.tool_calls or ()
    }
    texts, images = list[str](), list[Any]()
    for item in said:
        state = " failed" if item.is_error else ""
        texts += [f"{calls[item.tool_call_id]}{state}:\n{item.text}" if item.tool_call_id in calls else item.text]
        images += (
            [part for part in item.content if isinstance(part, ImagePart)] if isinstance(item.content, list) else []
        )
    text = "\n".join(filter(None, texts))
    return [Message("user", [TextPart(FOUND + text), *images])] if text else []


def wanted(reply: Reply, team: dict[str, Member]) -> str | None:
    """To whom a reply hands over; calls beside it are left to whoever takes over."""
    names = (call.name.removeprefix(PREFIX) for call in reply.calls if call.name.startswith(PREFIX))
    return next((name for name in names if name in team), None)


def with_transfers(work: Work, everybody: dict[str, Member]) -> Work:
    """The agent with a tool for each that it may hand over to."""
    me = work.me
    others = {f"{PREFIX}{name}": everybody[name] for name in me.agent.agents if name in everybody}
    transfers = [
        ToolSpec(
            name=tool, parameters=NOBODY,
            description=f"Hand the conversation over to {other.agent.name}. {other.agent.description}".strip(),
        )
        for tool, other in others.items()
    ]  # fmt: skip
    asked = [ToolExample(tool=tool, request=text) for tool, other in others.items() for text in requests(other)]
    return msgspec.structs.replace(
        work, me=msgspec.structs.replace(me, tools=[*me.tools, *transfers], examples=[*me.examples, *asked])
    )
