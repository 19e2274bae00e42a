"""Tools that the conformance suite expects of the tasks extension."""

from __future__ import annotations

import asyncio

from guru.agents.mcp.protocol import INTERNAL_ERROR, McpError
from guru.agents.mcp.serving.fixture import NOTHING, Fixture, filled, question
from guru.agents.mcp.serving.peer import Peer
from guru.agents.mcp.serving.tools import failed, text
from guru.types import JSON


def task_fixtures() -> list[Fixture]:
    async def greet(arguments: JSON, peer: Peer) -> JSON:
        return text(f"Hello, {arguments.get('name')}!")

    async def compute(arguments: JSON, peer: Peer) -> JSON:
        await asyncio.sleep(float(arguments.get("seconds", 0)))
        return text(f"Computed {arguments.get('label', '')}")

    async def fail(arguments: JSON, peer: Peer) -> JSON:
        await asyncio.sleep(1)
        return failed("This job always fails")

    async def panic(arguments: JSON, peer: Peer) -> JSON:
        raise McpError(INTERNAL_ERROR, "This job breaks the protocol")

    async def confirm(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"confirm": question("Delete it?", {"confirm": {"type": "boolean"}})})
        return text(f"{arguments.get('filename')}: {answers['confirm']['action']}")

    async def several(arguments: JSON, peer: Peer) -> JSON:
        form = question("What is your name?", {"name": {"type": "string"}})
        answers = await peer.ask({"first": form, "second": form})
        return text(f"Answers: {sorted(answer['action'] for answer in answers.values())}")

    name = question("What is your name?", {"name": {"type": "string"}})

    async def prepare(arguments: JSON, peer: Peer) -> None:
        await peer.ask({"user_name": name})

    async def work(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"user_name": name})
        return text(f"Hello, {filled(answers['user_name'], 'name')}!")

    named = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    timed = {"type": "object", "properties": {"seconds": {"type": "number"}, "label": {"type": "string"}}}
    file = {"type": "object", "properties": {"filename": {"type": "string"}}}
    return [
        Fixture("greet", "Greets", greet, named),
        Fixture("slow_compute", "Takes its time", compute, timed, task="optional"),
        Fixture("failing_job", "Fails", fail, NOTHING, task="required"),
        Fixture("protocol_error_job", "Breaks", panic, NOTHING, task="optional"),
        Fixture("confirm_delete", "Asks while it works", confirm, file, task="optional"),
        Fixture("multi_input", "Asks two things at once", several, NOTHING, task="optional"),
        Fixture("test_tool_with_task", "Asks before it works", work, NOTHING, task="required", prepare=prepare),
    ]
