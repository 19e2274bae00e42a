"""Runs as rows: approved, paused, edited, resumed, replayed, cancelled, watched."""

import asyncio

import pytest

from agents.acting import Scripted, World, sequence
from agents.lent import MINE, SCOPE, Bench
from guru.agents.agent import Agent
from guru.agents.records import Decision
from guru.agents.strategies.mark import FORMAT
from guru.errors import Conflict, InvalidParameter, NotFound
from guru.store.scope import Scope

HELPER = Agent(name="helper", tools=["add", "send", "look", "pay", "ask_person"])


def opened(tmp_path, script, world=None, agent=HELPER):
    return Bench(tmp_path, Scripted(by=script), world or World(), [agent])


async def waiting(bench, run):
    _, steps = await bench.runs.show(SCOPE, run.id)
    return [(step.number, step.part) for step in steps if step.status == "waiting"]


async def test_a_run_is_kept_with_every_step_and_what_it_used(tmp_path):
    async with opened(tmp_path, sequence(("add", {"a": 1, "b": 2}), "3")) as bench:
        run = await bench.carry(await bench.begin())
        assert (run.status, run.answer, run.steps, run.tokens) == ("done", "3", 3, 30)
        assert run.cost == pytest.approx(0.02) and run.traces == ["tr_test"] and run.finished_at
        _, steps = await bench.runs.show(SCOPE, run.id)
        assert [(step.number, step.kind, step.name, step.status) for step in steps] == [
            (1, "model", "think", "done"), (2, "tool", "add", "done"), (3, "model", "think", "done"),
        ]  # fmt: skip
        assert steps[1].request["arguments"] == '{"a": 1, "b": 2}' and steps[1].result["text"] == "3"
        for stranger in (Scope("other"), Scope("local", ("user:eve",))):
            with pytest.raises(NotFound):
                await bench.runs.show(stranger, run.id)
            assert await bench.runs.list(stranger) == []
        assert [found.id for found in await bench.runs.list(SCOPE, agent="helper", status="done")] == [run.id]


async def test_yes_no_other_arguments_and_done(tmp_path):
    calls = [
        ("pay", {"amount": 1}),
        ("pay", {"amount": 2}),
        ("pay", {"amount": 3}),
        ("pay", {"amount": 4}),
        ("add", {"a": 1, "b": 1}),
    ]
    world = World()
    async with opened(tmp_path, sequence(calls, "Done."), world) as bench:
        run = await bench.carry(await bench.begin())
        assert run.status == "waiting" and world.done == [("add", 1, 1)]
        places = await waiting(bench, run)
        assert places == [(2, 0), (2, 1), (2, 2), (2, 3)]
        one = await bench.runs.approve(SCOPE, run.id, {places[0]: Decision(say="yes")})
        assert one.status == "waiting" and world.done == [("add", 1, 1)]
        with pytest.raises(Conflict, match="Nothing waits at step 2, part 4"):
            await bench.runs.approve(SCOPE, run.id, {(2, 4): Decision(say="yes")})
        rest = {
            places[1]: Decision(say="no", text="too much"), places[2]: Decision(say="yes", arguments={"amount": 30}),
            places[3]: Decision(say="done", text="paid in cash"),
        }  # fmt: skip
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, rest))
        assert run.status == "done" and world.done == [("add", 1, 1), ("pay", 1), ("pay", 30)]
        _, steps = await bench.runs.show(SCOPE, run.id)
        assert [step.result["text"] for step in steps if step.name == "pay"] == [
            "paid 1", "A person did not allow this call: too much", "paid 30", "paid in cash",
        ]  # fmt: skip


async def test_a_question_to_a_person_is_answered(tmp_path):
    async with opened(tmp_path, sequence(("ask_person", {"question": "Which colour?"}), "Blue it is.")) as bench:
        run = await bench.carry(await bench.begin())
        _, steps = await bench.runs.show(SCOPE, run.id)
        assert (run.status, steps[-1].kind, steps[-1].reason) == ("waiting", "person", "Which colour?")
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes", text="blue")}))
        assert (run.status, run.answer) == ("done", "Blue it is.")


async def test_a_decision_that_comes_while_the_run_works_is_not_lost(tmp_path):
    world = World()
    async with opened(
        tmp_path, sequence([("pay", {"amount": 1}), ("look", {"page": "slow"})], "Done."), world
    ) as bench:
        run = await bench.begin()
        slow, tools = asyncio.Event(), world.tools()
        look = tools[2]
        inner = look.call

        async def wait(arguments, context):
            await slow.wait()
            return await inner(arguments, context)

        look.call = wait
        world.tools = lambda: tools
        carried = asyncio.create_task(bench.carry(run))
        async with asyncio.timeout(10):
            while await waiting(bench, run) != [(2, 0)]:
                await asyncio.sleep(0.01)
        await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")})
        slow.set()
        run = await carried
        assert run.status == "done" and sorted(world.done) == [("look", "slow"), ("pay", 1)]


async def test_paused_edited_and_resumed(tmp_path):
    world = World()
    script = sequence(("add", {"a": 1, "b": 2}), ("send", {"to": "ann"}), "Done.")
    async with opened(tmp_path, script, world) as bench:
        run = await bench.begin()
        tools = world.tools()
        inner = tools[0].call

        async def pause_then_add(arguments, context):
            await bench.runs.pause(SCOPE, run.id)
            return await inner(arguments, context)

        tools[0].call = pause_then_add
        world.tools = lambda: tools
        run = await bench.carry(run)
        assert run.status == "paused" and world.done == [("add", 1, 2)]
        with pytest.raises(InvalidParameter, match="no result of a tool"):
            await bench.runs.edit(SCOPE, run.id, 2, 0, {"text": 7})
        with pytest.raises(NotFound):
            await bench.runs.edit(SCOPE, run.id, 9, 0, {"text": "x"})
        await bench.runs.edit(SCOPE, run.id, 2, 0, {"text": "four"})
        run = await bench.carry(await bench.runs.resume(SCOPE, run.id))
        assert run.status == "done" and world.done == [("add", 1, 2), ("send", "ann", "")]
        told = bench.runs._hosts.model.requests[-1].messages
        assert [message.text for message in told if message.role == "tool"] == ["four", "sent to ann"]
        with pytest.raises(Conflict, match="is done"):
            await bench.runs.resume(SCOPE, run.id)
        # What was done after an edited step is forgotten.
        edited = await bench.runs.edit(SCOPE, run.id, 2, 0, {"text": "five"})
        assert (edited.status, edited.answer) == ("paused", None)
        assert len((await bench.runs.show(SCOPE, run.id))[1]) == 2


async def test_a_limit_is_raised_and_the_run_goes_on(tmp_path):
    world = World()
    agent = Agent(name="helper", tools=["add", "send"], max_steps=2)
    async with opened(tmp_path, sequence(("send", {"to": "ann"}), "Told."), world, agent) as bench:
        run = await bench.carry(await bench.begin())
        assert (run.status, run.error) == ("failed", "The run has reached its limit of 2 steps.")
        assert "max_steps" in run.hint
        # Nothing was begun that the limit forbade, so that nobody has to be asked about it.
        first = await bench.carry(await bench.begin(changes={"max_steps": 1}))
        assert (first.status, len((await bench.runs.show(SCOPE, first.id))[1])) == ("failed", 1)
        with pytest.raises(InvalidParameter, match="cannot be changed while"):
            await bench.runs.resume(SCOPE, run.id, {"model": "other"})
        run = await bench.carry(await bench.runs.resume(SCOPE, run.id, {"max_steps": 5}))
        assert (run.status, run.answer, run.error) == ("done", "Told.", None)
        assert world.done == [("send", "ann", "")]


async def test_money_counts_across_legs(tmp_path):
    agent = Agent(name="helper", tools=["pay"], max_usd=0.015)
    script = sequence(("pay", {"amount": 1}), ("pay", {"amount": 2}), "Done.")
    async with opened(tmp_path, script, agent=agent) as bench:
        run = await bench.carry(await bench.begin())
        run = await bench.carry(await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")}))
        assert run.status == "failed" and "0.015 US dollars" in run.error and run.cost == pytest.approx(0.02)


async def test_replayed_from_a_step_with_another_prompt(tmp_path):
    def script(request):
        system = request.messages[0].text.removesuffix(FORMAT).strip()
        if not any(message.role == "tool" for message in request.messages):
            return ("send", {"to": "ann"})
        return f"{system or 'plain'}, {request.model}"

    world = World()
    async with opened(tmp_path, script, world, Agent(name="helper", tools=["send"])) as bench:
        run = await bench.carry(await bench.begin())
        assert run.answer == "plain, default"
        changes = {"instructions": "Be brief.", "model": "other/model"}
        again = await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, step=3, changes=changes)
        again = await bench.carry(again)
        assert (again.answer, again.cause, again.definition["agent"]["model"]) == (
            "Be brief., other/model",
            run.id,
            "other/model",
        )
        assert world.done == [("send", "ann", "")]  # not done again
        whole = await bench.carry(await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, input="Again."))
        assert whole.status == "done" and len(world.done) == 2 and whole.messages[-1]["content"] == "Again."
        for step in (9, 5):
            with pytest.raises(Conflict, match="has not come to step"):
                await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, step=step)
        with pytest.raises(InvalidParameter):
            await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, changes={"nonsense": 1})


async def test_a_strategy_that_asks_for_something_else_says_so(tmp_path):
    async with opened(tmp_path, sequence(("add", {"a": 1, "b": 2}), "3")) as bench:
        run = await bench.carry(await bench.begin())
        other = {"strategy": "plan-and-execute"}
        again = await bench.runs.replay(SCOPE, run.id, owner="owner", caller={}, step=3, changes=other)
        again = await bench.carry(again)
        assert again.status == "failed" and "Step 1 of the run was something else" in again.error
        assert "--from 1" in again.hint


async def test_cancelled_and_taken_up_again(tmp_path):
    world = World()
    async with opened(tmp_path, sequence(("pay", {"amount": 1}), "Done."), world) as bench:
        run = await bench.carry(await bench.begin())
        run = await bench.runs.cancel(SCOPE, run.id)
        assert run.status == "cancelled"
        with pytest.raises(Conflict):
            await bench.runs.cancel(SCOPE, run.id)
        await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")})
        run = await bench.carry(await bench.runs.resume(SCOPE, run.id))
        assert run.status == "done" and world.done == [("pay", 1)]


async def test_only_the_job_that_was_given_a_run_works_on_it(tmp_path):
    world = World()
    async with opened(tmp_path, sequence(("pay", {"amount": 1}), "Done."), world) as bench:
        run = await bench.begin()
        first = run.job_id
        run = await bench.carry(run)
        resumed = await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")})
        stale = bench.jobs.jobs[first]
        assert resumed.job_id != first
        await bench.jobs.carry(type("Old", (), {"job_id": first}))
        assert world.done == [] and stale.status == "done"
        assert (await bench.carry(resumed)).status == "done"


async def test_what_fails_says_why_and_can_be_tried_again(tmp_path):
    answers = [ConnectionError("gone"), "Back."]
    async with opened(tmp_path, lambda request: answers.pop(0)) as bench:
        run = await bench.begin()
        with pytest.raises(ConnectionError):
            await bench.carry(run)
        run = await bench.runs.get(SCOPE, run.id)
        assert (run.status, run.error) == ("failed", "ConnectionError: gone")
        assert (await bench.carry(await bench.runs.resume(SCOPE, run.id))).answer == "Back."


async def test_no_word_is_lost_of_a_run_that_is_quicker_than_who_watches(tmp_path):
    async with opened(tmp_path, sequence("It is 3.")) as bench:
        run = await bench.begin()
        events = bench.runs.watch(SCOPE, run.id)
        look, looked = bench.runs.show, asyncio.Event()

        async def slow(*where):
            if not looked.is_set():  # everything happens while the rows are looked at for the first time
                looked.set()
                await bench.carry(run)
            return await look(*where)

        bench.runs.show = slow
        told = [item async for item in events]
        assert "".join(data["text"] for event, data in told if event == "delta") == "It is 3."
        assert told[-1][0] == "run"


async def test_watched_from_the_first_step_to_the_last(tmp_path):
    async with opened(tmp_path, sequence(("add", {"a": 1, "b": 2}), "It is 3.")) as bench:
        run = await bench.begin()

        async def watch():
            return [item async for item in bench.runs.watch(SCOPE, run.id)]

        watched = asyncio.create_task(watch())
        await asyncio.sleep(0)
        await bench.carry(run)
        events = await watched
        assert "".join(data["text"] for event, data in events if event == "delta") == "It is 3."
        steps = [(data.number, data.status) for event, data in events if event == "step"]
        assert steps[-1] == (3, "done") and [number for number, _ in steps] == sorted(number for number, _ in steps)
        assert events[-1][0] == "run" and events[-1][1].answer == "It is 3."


async def test_nothing_to_do_and_nobody_to_do_it(tmp_path):
    async with opened(tmp_path, sequence("x")) as bench:
        with pytest.raises(InvalidParameter, match="nothing to do"):
            await bench.begin(request=" ")
        with pytest.raises(NotFound, match="no agent 'helpr'"):
            await bench.begin("helpr")
        with pytest.raises(InvalidParameter, match="wants a tool 'fly'"):
            await bench.begin(changes={"tools": ["fly"]})
        with pytest.raises(InvalidParameter, match="another name"):
            await bench.begin(changes={"name": "x"})
        with pytest.raises(Conflict, match="is an agent 'helper' already"):
            await bench.registry.define(HELPER, **MINE)
