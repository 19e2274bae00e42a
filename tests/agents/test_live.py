"""Answers of runs, as those see them who watch: early, late, slowly, from another process, over a crash."""

import asyncio

import pytest

from agents.acting import World
from agents.lent import SCOPE, Bench, LentHosts
from agents.test_streaming import ADD, MARK, Slow, Speaking, Spoken, in_turn
from guru.agents.agent import Agent
from guru.agents.live import MOST, Live
from guru.agents.records import Decision
from guru.agents.runs import Runs

HELPER = Agent(name="helper", tools=["add", "pay"])


def opened(tmp_path, model):
    return Bench(tmp_path, model, World(), [HELPER])


class Watching:
    """Somebody who watches a run."""

    def __init__(self, runs, run):
        self.answers = []
        self.status = None
        self.heard = asyncio.Event()
        self.task = asyncio.create_task(self._watch(runs, run))

    async def _watch(self, runs, run):
        async for event, data in runs.watch(SCOPE, run.id):
            if event == "answer":
                self.answers.append(data)
                self.heard.set()
            elif event == "run":
                self.status = data.status

    @property
    def text(self):
        """What they have of the answer."""
        text = ""
        for piece in self.answers:
            assert piece["start"] in (0, len(text)) and piece["text"]
            text = text[: piece["start"]] + piece["text"]
        return text


async def stopped(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_whoever_comes_late_is_shown_what_there_is_and_then_the_rest(tmp_path):
    model = Speaking(in_turn(Spoken("I add.", ADD), Slow(MARK, "It ", "is 5.")))
    async with asyncio.timeout(60), opened(tmp_path, model) as bench:
        run = await bench.begin()
        early = Watching(bench.runs, run)
        carried = asyncio.create_task(bench.carry(run))
        await early.heard.wait()
        assert early.answers == [{"start": 0, "text": "It"}]
        late = Watching(bench.runs, run)
        await late.heard.wait()
        assert late.answers == early.answers and not carried.done()
        model.heard.set()
        assert (await carried).answer == "It is 5."
        await asyncio.gather(early.task, late.task)
        assert early.text == late.text == "It is 5." and early.status == "done"
        after = Watching(bench.runs, run)
        await after.task
        assert after.answers == [{"start": 0, "text": "It is 5."}]


async def test_who_watches_in_another_process_has_it_in_one_piece(tmp_path):
    model = Speaking(lambda request: Slow(MARK, "It ", "is 5."))
    async with asyncio.timeout(60), opened(tmp_path, model) as bench:
        elsewhere = Runs(bench.database, bench.jobs, bench.registry, LentHosts(model, World()))
        bench.jobs.handle("agent", bench.runs._carrier.carry)
        run = await bench.begin()
        here, there = Watching(bench.runs, run), Watching(elsewhere, run)
        carried = asyncio.create_task(bench.carry(run))
        await here.heard.wait()
        assert there.answers == []
        model.heard.set()
        await asyncio.gather(carried, here.task, there.task)
        assert here.answers[0]["text"] == "It" and there.answers == [{"start": 0, "text": "It is 5."}]


@pytest.mark.parametrize("anew", ["It is 6.", "Six."])
async def test_an_answer_that_is_begun_anew_after_a_crash_is_said_to_be(tmp_path, anew):
    model = Speaking(lambda request: Slow(MARK, "It is 5", ".") if len(model.requests) == 1 else MARK + anew)
    async with asyncio.timeout(60), opened(tmp_path, model) as bench:
        run = await bench.begin()
        watched = Watching(bench.runs, run)
        carried = asyncio.create_task(bench.carry(run))
        await watched.heard.wait()
        await stopped(carried)
        assert (await bench.take_up(run)).answer == anew
        await watched.task
        assert watched.answers[0] == {"start": 0, "text": "It is 5"} and watched.text == anew


async def test_a_run_that_waited_goes_on_from_what_it_had_said(tmp_path):
    before_paying = Spoken([MARK, "I shall pay."], ("pay", {"amount": 5}), awaited=True)
    model = Speaking(in_turn(before_paying, Slow(MARK, "Paid", " it.")))
    async with asyncio.timeout(60), opened(tmp_path, model) as bench:
        run = await bench.begin()
        before = Watching(bench.runs, run)
        model.heard = before.heard
        await bench.carry(run)
        await before.task
        assert (before.text, before.status) == ("I shall pay.", "waiting")
        run = await bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")})
        model.heard = asyncio.Event()
        after = Watching(bench.runs, run)
        carried = asyncio.create_task(bench.carry(run))
        await after.heard.wait()
        assert after.answers == [{"start": 0, "text": "I shall pay.\n\nPaid"}]
        model.heard.set()
        assert (await carried).answer == "I shall pay.\n\nPaid it."
        await after.task
        assert after.text == "I shall pay.\n\nPaid it."


async def test_what_no_database_keeps_is_not_shown_either(tmp_path):
    model = Speaking(lambda request: Slow(MARK, "\0It\0", " is\ud800", " 5.", "\0"))
    async with asyncio.timeout(60), opened(tmp_path, model) as bench:
        run = await bench.begin()
        watched = Watching(bench.runs, run)
        carried = asyncio.create_task(bench.carry(run))
        await watched.heard.wait()
        assert watched.answers == [{"start": 0, "text": "It is? 5."}] and not carried.done()
        model.heard.set()
        assert (await carried).answer == "It is? 5."
        await watched.task
        assert len(watched.answers) == 1


def test_a_slow_watcher_has_nothing_piling_up_and_misses_nothing():
    live = Live()
    with live.drafting("run_1") as draft, live.watching("run_1") as slow:
        for number in range(2 * MOST):
            draft.add(f"{number} ")
            live.tell("run_1", "delta", {"text": "word"})
        told = list(slow.waiting())
        assert len(told) == MOST and [event for event, _ in told].count("answer") == 1
        draft.add("end")
        assert list(slow.waiting()) == [("answer", {"start": len(told[0][1]["text"]), "text": "end"})]
        assert told[0][1]["text"] + "end" == "".join(draft.pieces)
        with live.watching("run_1") as full:
            for _ in range(2 * MOST):
                live.tell("run_1", "delta", {"text": "word"})
            draft.add("!")  # no place for a word of it
            assert "answer" in dict(full.waiting())
            draft.add("!")
            assert next(full.waiting())[1]["text"].endswith("end!!") or next(full.waiting(), None) is None
    with live.watching("run_1") as late:  # the run is not carried any more
        assert list(late.waiting()) == [] and late.rest("all") == ("answer", {"start": 0, "text": "all"})
