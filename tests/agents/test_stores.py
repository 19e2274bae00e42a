"""Runs on both kinds of database."""

import asyncio
import time

import pytest

from agents.acting import Scripted, World, sequence
from agents.lent import SCOPE, Bench
from guru.agents.agent import Agent
from guru.agents.records import Decision
from guru.agents.tools.asking import Elicitation
from guru.agents.tools.base import ToolResult, ToolSpec
from guru.agents.triggers import Triggers
from guru.errors import Conflict


async def test_a_run_from_its_schedule_to_a_replay(stores, tmp_path):
    def script(request):
        done = sum(message.role == "tool" for message in request.messages)
        return [[("pay", {"amount": 1}), ("look", {"page": "a\0b"})], "Paid\0 and seen."][min(done, 1)]

    database = stores.database(tmp_path)
    await database.open()
    clock, world = [time.time()], World()
    agent = Agent(name="payer", tools=["pay", "look"], schedule="* * * * *", input="Pay.")
    async with Bench(tmp_path, Scripted(by=script), world, [agent], database) as bench:
        triggers = Triggers(database, bench.registry, bench.runs, lambda: clock[0])
        await triggers.look()
        clock[0] += 60
        await triggers.look()
        (run,) = await bench.runs.list(SCOPE, status="queued")
        run = await bench.carry(run)
        assert (run.status, world.done) == ("waiting", [("look", "a\0b")])
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")}))
        assert (run.status, run.answer, run.tokens) == ("done", "Paid and seen.", 30)
        await bench.runs.edit(SCOPE, run.id, 2, 1, {"text": "nothing"})
        run = await bench.carry(await bench.runs.resume(SCOPE, run.id))
        again = await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, step=3)
        again = await bench.carry(again)
        assert (again.status, again.cause) == ("done", run.id)
        assert world.done == [("look", "a\0b"), ("pay", 1)]
        await bench.registry.delete("local", "payer")
        assert len(await bench.runs.list(SCOPE)) == 2
    await database.close()


class Asking:
    """A tool whose server asks: while the call is kept open, or so that it can be gone on from later."""

    def __init__(self, name, state):
        self.spec = ToolSpec(name=name, description="Asks.", parameters={"type": "object"}, effect="write")
        self.state = state

    async def call(self, arguments, context):
        if context.answered is not None:
            assert context.answered["state"] == self.state
            return ToolResult(text=context.answered["content"]["name"])
        schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        said = await context.person.ask(Elicitation(server="s", message="Who?", schema=schema), self.state)
        return ToolResult(text=said.content["name"])


async def test_questions_of_servers(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    world, agent = World(), Agent(name="asker", tools=["held", "later"])
    world.tools = lambda: [Asking("held", None), Asking("later", {"kept": "a\0b"})]
    model = Scripted(by=sequence(("held", {}), ("later", {}), "Done."))
    async with Bench(tmp_path, model, world, [agent], database) as bench:
        run = await bench.begin("asker")
        carried = asyncio.create_task(bench.carry(run))
        async with asyncio.timeout(60):
            while (await bench.runs.get(SCOPE, run.id)).status != "waiting":
                await asyncio.sleep(0.01)
        said = {(2, 0): Decision(say="yes", content={"name": "Ann"})}
        assert (await bench.runs.approve(SCOPE, run.id, said)).status == "running"
        assert (await carried).status == "waiting"
        with pytest.raises(Conflict):
            await bench.runs.approve(SCOPE, run.id, said)
        said = {(4, 0): Decision(say="yes", content={"name": "Bob"})}
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, said))
        _, steps = await bench.runs.show(SCOPE, run.id)
        tools = [step for step in steps if step.kind == "tool"]
        assert run.status == "done" and [step.result["text"] for step in tools] == ["Ann", "Bob"]
        assert [step.decision for step in tools] == [{"say": "yes"}] * 2
    await database.close()
