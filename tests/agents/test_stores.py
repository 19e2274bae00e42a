"""Runs on both kinds of database."""

import time

from agents.acting import Scripted, World
from agents.lent import SCOPE, Bench
from guru.agents.agent import Agent
from guru.agents.records import Decision
from guru.agents.triggers import Triggers


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
