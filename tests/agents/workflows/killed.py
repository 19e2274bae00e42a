"""A process that carries out a run, and is killed at the n-th moment at which that could matter, by SIGKILL."""

import asyncio
import os
import signal
from types import SimpleNamespace

from agents.acting import Scripted, sequence
from agents.lent import LentHosts
from agents.workflows.rig import Desk, open_shop
from guru.agents.records import Decision
from guru.agents.registry import Registry
from guru.agents.runs import Runs
from guru.agents.tools.base import ToolResult
from guru.agents.tools.function import FunctionTool
from guru.agents.workflows.runs import RunStore
from guru.config.agent import AgentSettings
from guru.gateway.identity import Caller
from guru.server.workflow_agents import RoadAgents
from guru.store.database import Database
from guru.store.scope import Scope

CALLER = Caller(tenant="t", route="", trace_id="", owner=True)


class Moments:
    """Counts the moments, and ends the process at one of them."""

    def __init__(self, end=None):
        self.count = 0
        self._end = end

    def __call__(self):
        self.count += 1
        if self.count == self._end:
            os.kill(os.getpid(), signal.SIGKILL)


class Till:
    """What the agent may use: it pays in the file."""

    def __init__(self, desk):
        self.desk = desk

    def tools(self):
        async def pay(text: str) -> str:
            """Pay."""
            self.desk.do("pay", SimpleNamespace(call="run:agent"), text)
            return "paid"

        return [FunctionTool(pay, effect="write", approval=True, repeatable=False)]


class FileDesk(Desk):
    """Its tools do their work in a file, which outlives the process; each doing is a moment."""

    def __init__(self, path, moment):
        super().__init__()
        self.path = path
        self.moment = moment

    def do(self, tool, place, text):
        self.moment()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{tool}\t{place.call.partition(':')[2]}\t{text}\n")

    def open(self, shop):
        """An agent that pays, when a person allows it."""
        registry = Registry(shop.database, {"helper": AgentSettings(tools=["pay"])}, tenant="t")
        hosts = LentHosts(Scripted(by=sequence(("pay", {"text": "bill"}), "Paid.")), Till(self))
        self.runs = Runs(shop.database, shop.jobs, registry, hosts)
        self.runner = RoadAgents(SimpleNamespace(registry=registry, runs=self.runs))

    async def begin(self, agent, prompt, place, note):
        return await self.runner.begin(CALLER, agent, prompt, place, note)

    async def take_up(self, run):
        await self.runner.take_up(CALLER, run)

    async def follow(self, run):
        return await self.runner.follow(CALLER, run)

    async def allow(self, run_id):
        """A person allows what an agent waits for, having looked whether it was done."""
        scope = Scope("t")
        run, steps = await self.runs.show(scope, run_id)
        said = Decision(say="done", text="paid") if any(kind == "pay" for kind, _, _ in self.effects()) else None
        open_ = [step for step in steps if step.status == "waiting" and step.decision is None]
        decisions = {(step.number, step.part): said or Decision(say="yes") for step in open_}
        if run.status == "waiting" and decisions:
            await self.runs.approve(scope, run_id, decisions)

    def effects(self):
        return (
            [tuple(line.split("\t")) for line in self.path.read_text("utf-8").splitlines()]
            if self.path.exists()
            else []
        )

    async def do_note(self, arguments, place):
        self.do("note", place, arguments.get("text"))
        return ToolResult(text=f"noted {arguments.get('text')}")

    async def do_charge(self, arguments, place):
        self.do("charge", place, arguments.get("text"))
        return ToolResult(text="charged", data={"charged": arguments.get("text")})

    async def do_flaky(self, arguments, place):
        """Fails until its third attempt, and remembers nothing: the id of the call says which it is."""
        self.do("flaky", place, arguments.get("name"))
        return await super().do_flaky(arguments, place) if not place.call.endswith(":3") else ToolResult(text="at last")


class Watched(RunStore):
    """Before each write is a moment: what came before it has been done, and is not written down."""

    moment = None

    async def fenced(self, run, work, **change):
        self.moment()
        return await super().fenced(run, work, **change)

    def note_agent(self, run, path):
        def note(connection, agent_run):
            noted(connection, agent_run)
            self.moment()  # the run of the agent is about to begin

        noted = super().note_agent(run, path)
        return note


async def carry_out(url, path, tenant, run_id, moment, answers):
    """Until the run has ended; people answer at once what `answers` says."""
    database = Database(url)
    await database.open()
    desk = FileDesk(path, moment)
    desk.failures = {"x": 10**9}
    try:
        async with open_shop(database, desk) as shop:
            shop.workflows.runs.__class__ = Watched
            shop.workflows.runs.moment = moment
            run = await shop.workflows.runs.get(shop.scope(tenant), run_id)
            while not (run := await shop.get(run)).ended:
                for step in (await shop.steps(run)).values():
                    if run.status == "waiting" and step.status == "parked":
                        await desk.allow(step.agent_run)
                for path_, step in (await shop.steps(run)).items():
                    if step.status == "asked" and step.ask.id in answers:
                        await shop.say(run, path_, **answers[step.ask.id](desk, step))
                    elif step.status == "asked" and step.ask.id.startswith("unsure"):
                        await shop.say(run, path_, **answers["unsure"](desk, step))
                await asyncio.sleep(0.01)
            return run
    finally:
        await database.close()


def killed_at(url, path, tenant, run_id, end, answers):
    """In a process of its own."""
    asyncio.run(carry_out(url, path, tenant, run_id, Moments(end), {name: ANSWERS[name] for name in answers}))


def unsure(desk, step):
    """A person looks whether the charge was made."""
    made = any(tool == "charge" and call.startswith(f"{step.path}:") for tool, call, _ in desk.effects())
    return {"decision": "done", "output": {"charged": step.input["text"]}} if made else {"decision": "again"}


ANSWERS = {
    "human": lambda desk, step: {"decision": step.ask.decisions[0]},
    "unsure": unsure,
    "approval": lambda desk, step: {"decision": "approve"},
}
