"""A crash at every boundary of ten runs: each is taken up to the same answer, with every side effect done once."""

import json

import pytest

from agents.acting import Scripted, World, sequence
from agents.lent import SCOPE, Bench
from guru.agents.agent import Agent
from guru.agents.records import Decision, find_run
from guru.store.database import Database


class Crash(BaseException):
    """The process is gone."""


class Mortal(Database):
    """Dies before or after its nth write, and stays dead."""

    dies_at, after, writes = None, False, 0

    async def write(self, change, *, beside=False):
        self.writes += 1
        if self.dies_at is not None and self.writes > self.dies_at:
            raise Crash
        if self.writes == self.dies_at and not self.after:
            raise Crash
        found = await super().write(change, beside=beside)
        if self.writes == self.dies_at:
            raise Crash
        return found


def last(request):
    return request.messages[-1].text


def results(request):
    return [message.text for message in request.messages if message.role == "tool"]


def planned(request):
    if request.response_format:
        return json.dumps({"steps": ["mail ann", "mail bob"] if "Make a plan" in last(request) else ["mail bob"]})
    if "Do this next step" in last(request):
        return ("send", {"to": last(request).split()[-1]})
    return "Both told." if request.messages[-1].role == "user" else "ok"


def reviewed(request):
    if request.response_format:
        return json.dumps({"problems": [] if "Final." in request.messages[-2].text else ["more"]})
    if "A reviewer says" in last(request):
        return ("send", {"to": "ann", "text": "second"})
    if results(request):
        return "Final." if len(results(request)) == 1 and "second" in str(request.messages[-2].tool_calls) else "Draft."
    return ("send", {"to": "ann", "text": "first"})


def branching(request):
    if request.response_format:
        return json.dumps({"rating": len(last(request)) % 10})
    return f"thought {request.seed}" if "next thought" in last(request) else last(request).splitlines()[1]


def voting(request):
    return ("add", {"a": request.seed, "b": 1}) if not results(request) else f"Answer: {results(request)[-1]}"


def routed(request):
    if request.response_format:
        return '{"agent": "mailer"}'
    return sequence(("send", {"to": "ann"}), "Told.")(request)


def handing(request):
    names = {tool.function.name for tool in request.tools}
    return ("transfer_to_mailer", {}) if "send" not in names else sequence(("send", {"to": "ann"}), "Told.")(request)


TOOLS = ["add", "send", "look"]
MAILER = Agent(name="mailer", description="mails", tools=["send"])
SCENARIOS = {
    "direct": ({}, sequence(("send", {"to": "ann"}), ("send", {"to": "bob"}), "Told."), 2),
    "parallel": ({}, sequence([("send", {"to": "ann"}), ("send", {"to": "bob"}), ("look", {"page": "x"})], "Done."), 2),
    "react": ({"strategy": "react"}, sequence(("add", {"a": 1, "b": 2}), ("send", {"to": "ann"}), "Told."), 1),
    "approval": ({"tools": ["pay", "add"]}, sequence(("add", {"a": 1, "b": 2}), ("pay", {"amount": 3}), "Paid."), 1),
    "untrusted": ({}, sequence(("look", {"page": "x"}), ("send", {"to": "ann"}), "Told."), 1),
    "plan": ({"strategy": "plan-and-execute"}, planned, 2),
    "reflection": ({"strategy": "reflection"}, reviewed, 2),
    "tree": ({"strategy": "tree-of-thoughts", "depth": 2, "breadth": 2}, branching, 0),
    "voting": ({"strategy": "self-consistency", "samples": 3}, voting, 0),
    "router": ({"strategy": "router", "agents": ["mailer"], "tools": []}, routed, 1),
    "hand-off": ({"strategy": "hand-off", "agents": ["mailer"], "tools": []}, handing, 1),
}  # fmt: skip


def effects(world):
    return sorted(call for call in world.done if call[0] in ("send", "pay"))


async def to_the_end(bench, run, world):
    """As a person does: says yes to what waits, and looks whether what may have been done was done."""
    while run.status == "waiting":
        _, steps = await bench.runs.show(SCOPE, run.id)
        decisions = {}
        for step in steps:
            if step.status == "waiting":
                arguments = json.loads(step.request["arguments"])
                call = (step.name, *arguments.values(), *([""] if step.name == "send" and len(arguments) == 1 else []))
                known = step.reason.startswith("The server stopped") and call in world.done
                said = Decision(say="done", text=results_of(call)) if known else Decision(say="yes")
                decisions[step.number, step.part] = said
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, decisions))
    return run


def results_of(call):
    return f"sent to {call[1]}" if call[0] == "send" else f"paid {call[1]}"


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_crash_at_every_boundary_loses_nothing_and_repeats_nothing(name, tmp_path):
    more, script, expected = SCENARIOS[name]
    agents = [MAILER, Agent(**{"name": "helper", "tools": TOOLS} | more)]
    model, world = Scripted(by=script), World()
    database = Mortal(f"sqlite:///{tmp_path}/guru.db")
    await database.open()
    async with Bench(tmp_path, model, world, agents, database) as bench:
        run = await bench.begin()
        before = database.writes
        whole = await to_the_end(bench, await bench.carry(run), world)
        writes = database.writes - before
    assert whole.status == "done" and len(effects(world)) == len(set(effects(world))) == expected
    for number in range(1, writes + 1):
        for after in (False, True):
            again = World()
            async with Bench(tmp_path, model, again, database=database) as bench:
                run = await bench.begin()
                database.dies_at, database.after = database.writes + number, after
                with pytest.raises(Crash):
                    await to_the_end(bench, await bench.carry(run), again)
            database.dies_at = None
            async with Bench(tmp_path, model, again, database=database) as bench:
                found = await database.read(lambda connection, run=run: find_run(connection, SCOPE, run.id))
                if found.working:
                    found = await bench.take_up(found)
                found = await to_the_end(bench, found, again)
            assert (found.status, found.answer) == ("done", whole.answer), (number, after)
            assert effects(again) == effects(world), (number, after)
    await database.close()


async def test_other_arguments_of_a_person_hold_after_a_crash(tmp_path):
    script, world = sequence(("pay", {"amount": 100}), "Paid."), World()
    agent = Agent(name="helper", tools=["pay"])
    database = Mortal(f"sqlite:///{tmp_path}/guru.db")
    await database.open()
    async with Bench(tmp_path, Scripted(by=script), world, [agent], database) as bench:
        run = await bench.carry(await bench.begin())
        less = {(2, 0): Decision(say="yes", arguments={"amount": 1})}
        run = await bench.runs.approve(SCOPE, run.id, less)
        # It dies when it has written down that the call begins.
        database.dies_at, database.after = database.writes + 4, True
        with pytest.raises(Crash):
            await bench.carry(run)
    database.dies_at = None
    async with Bench(tmp_path, Scripted(by=script), world, database=database) as bench:
        run = await bench.take_up(run)
        assert run.status == "waiting" and world.done == []
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")}))
        assert run.status == "done" and world.done == [("pay", 1)]
    await database.close()


async def test_a_call_that_was_being_made_is_made_again_only_where_that_does_no_harm(tmp_path):
    class Deadly(World):
        dies = True

        def tools(self):
            tools = super().tools()
            for tool in tools:
                inner = tool.call

                async def call(arguments, context, inner=inner):
                    found = await inner(arguments, context)
                    if self.dies:
                        raise Crash
                    return found

                tool.call = call
            return tools

    script = sequence([("send", {"to": "ann"}), ("add", {"a": 1, "b": 2})], "Told.")
    world, agent = Deadly(), Agent(name="helper", tools=TOOLS)
    async with Bench(tmp_path, Scripted(by=script), world, [agent]) as bench:
        run = await bench.begin()
        with pytest.raises(Crash):
            await bench.carry(run)
    world.dies = False
    async with Bench(tmp_path, Scripted(by=script), world) as bench:
        run = await bench.take_up(run)
        assert run.status == "waiting"
        assert [call[0] for call in world.done] == ["send", "add", "add"]
        _, steps = await bench.runs.show(SCOPE, run.id)
        waiting = [step for step in steps if step.status == "waiting"]
        assert [step.name for step in waiting] == ["send"] and "Nobody knows" in waiting[0].reason
        done = {(waiting[0].number, waiting[0].part): Decision(say="done", text="sent to ann")}
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, done))
        assert (run.status, run.answer) == ("done", "Told.")
        assert [call[0] for call in world.done] == ["send", "add", "add"]
