"""Workflows on a real store, with tools that write down each time they do something."""

import asyncio
import contextlib

from guru.agents.tools.base import ToolResult, ToolSpec
from guru.agents.workflows.engine import Limits
from guru.agents.workflows.workflows import Workflows
from guru.errors import GuruError, NotFound, RateLimited
from guru.store.jobs import Jobs
from guru.store.scope import Scope


class Power(BaseException):
    """The moment in which a process is killed: nothing after it happens."""


class Desk:
    """The work of one caller: `double`, `note`, `charge` (never repeated), `flaky`, `slow`, `wire` (with approval)."""

    def __init__(self):
        self.done = []
        """Each thing that a tool did, with the id of its call."""
        self.failures = {}
        """How often `flaky` fails still, by its argument."""
        self.gates = {}
        self.running = 0
        self.most = 0

    tools = ("double", "note", "charge", "flaky", "slow", "wire")
    agents = ("helper",)

    def spec(self, tool):
        if tool not in self.tools:
            raise NotFound(f"There is no tool {tool!r}.")
        return ToolSpec(
            name=tool, description="", parameters={"type": "object"}, effect="write", repeatable=tool != "charge",
            approval=tool == "wire",
        )  # fmt: skip

    async def call(self, tool, arguments, place):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await getattr(self, f"do_{tool}")(arguments, place)
        finally:
            self.running -= 1

    async def do_double(self, arguments, place):
        return ToolResult(text="", data={"value": arguments["value"] * 2})

    async def do_note(self, arguments, place):
        self.done.append((place.call, arguments.get("text")))
        return ToolResult(text=f"noted {arguments.get('text')}")

    async def do_charge(self, arguments, place):
        self.done.append((place.call, arguments.get("text")))
        return ToolResult(text="charged", data={"charged": arguments.get("text")})

    do_wire = do_charge

    async def do_flaky(self, arguments, place):
        left = self.failures.get(arguments["name"], 0)
        if left:
            self.failures[arguments["name"]] = left - 1
            raise RateLimited("Too many.") if arguments.get("limit", True) else GuruError("Broken.")
        return ToolResult(text="at last", data={"name": arguments["name"]})

    async def do_slow(self, arguments, place):
        gate = self.gates.setdefault(arguments.get("gate", ""), asyncio.Event())
        await gate.wait()
        return ToolResult(text="slept")

    async def ask(self, prompt, *, system, model, schema, max_tokens, temperature):
        self.done.append(("model", prompt))
        text = '{"label": "refund"}' if schema else f"You said: {prompt}"
        return {"text": text, "model": model, "cost": 0.0}

    async def begin(self, agent, prompt, place, note):
        self.done.append((place.call, prompt))
        return f"{agent} did: {prompt}"

    async def follow(self, run):
        return {"text": run}

    def open(self, shop):
        """Called before jobs are run."""

    async def answer(self, question, collection, model):
        self.done.append((collection, question))
        return {"answer": "22 weeks", "citations": [], "outcome": "answered"}


class Shop:
    """One process that keeps and carries out workflows."""

    def __init__(self, database, desk=None, **limits):
        self.database = database
        self.desk = desk or Desk()
        self.jobs = Jobs(database)
        self.workflows = Workflows(database, self.jobs, self.work_as, limits=Limits(**limits))

    async def work_as(self, caller):
        return self.desk

    async def begin(self, definition, given=None, tenant="t", **options):
        await self.workflows.save(tenant, definition, {}, "owner")
        return await self.workflows.begin(
            tenant, definition["name"], {} if given is None else given, owner="owner", caller={}, **options
        )

    def scope(self, tenant):
        return Scope(tenant)

    async def get(self, run):
        return await self.workflows.runs.get(Scope(run.tenant), run.id)

    async def until(self, run, *statuses, seconds=60):
        """The run, when it is one of these."""
        async with asyncio.timeout(seconds):
            while (found := await self.get(run)).status not in statuses:
                await asyncio.sleep(0.01)
        return found

    async def ended(self, run):
        return await self.until(run, "done", "failed", "cancelled")

    async def run(self, definition, given=None, **options):
        return await self.ended(await self.begin(definition, given, **options))

    async def steps(self, run):
        return {step.path: step for step in await self.workflows.runs.steps(run.tenant, run.id)}

    async def say(self, run, path, **answer):
        return await self.workflows.answer(Scope(run.tenant), run.id, path, answer, by="owner")

    async def asked(self, run, path, seconds=60):
        """The question of a step, when it is asked."""
        async with asyncio.timeout(seconds):
            while (step := (await self.steps(run)).get(path)) is None or step.status != "asked":
                await asyncio.sleep(0.01)
        return step.ask


@contextlib.asynccontextmanager
async def open_shop(database, desk=None, **limits):
    shop = Shop(database, desk, **limits)
    shop.desk.open(shop)
    await shop.jobs.start()
    try:
        async with shop.workflows.keeping_time():
            yield shop
    finally:
        await shop.jobs.close()


def flow(*, start="a", name="flow", **steps):
    """A definition with these steps."""
    top = {key: steps.pop(key) for key in ("deadline", "max_steps", "input") if key in steps}
    return {"name": name, "start": start, "steps": steps, **top}


def task(tool, next=None, **more):
    return {"kind": "task", "tool": tool, **({"next": next} if next else {"end": True}), **more}
