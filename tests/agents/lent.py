"""What a server lends to runs, for tests that need none: jobs that a test carries, and a model in place of the road."""

import contextlib
import time

from agents.acting import Scripted
from guru.agents.embedded import ModelHost
from guru.agents.members import members_of
from guru.agents.performing import no_span
from guru.agents.registry import Registry
from guru.agents.runs import Runs
from guru.agents.tools.toolbox import Toolbox
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Job, JobRun
from guru.store.scope import Scope
from guru.types import Message

MINE = {"tenant": "local", "owner": "owner", "caller": {"tenant": "local"}}
SCOPE = Scope("local")


class LentHost(ModelHost):
    trace_id = "tr_test"

    def __init__(self, model, tools):
        super().__init__(model)
        self.tools = Toolbox(tools)

    def small(self, model):
        return False

    def span(self, name):
        return no_span()


class LentHosts:
    def __init__(self, model, world):
        self.model, self.world = model, world

    @contextlib.asynccontextmanager
    async def open(self, run):
        yield LentHost(self.model, self.world.tools())

    async def check(self, definition, caller):
        members_of(definition, Toolbox(self.world.tools()), lambda model: False)

    async def prompt(self, agent, tenant):
        raise AssertionError("no agent of these tests has one")

    async def ended(self, run, steps):
        pass


class HandJobs:
    """Jobs that are carried when a test says so."""

    def __init__(self, database):
        self.database = database
        self.jobs = {}

    def handle(self, kind, handler, at_once=1):
        self.handler = handler

    async def submit(self, tenant, kind, arguments, *, person=None, also=None):
        job = Job(
            id=new_id("job"), tenant=tenant, person=person, kind=kind, subject=None, status="queued",
            arguments=arguments, progress={}, result=None, error=None, created_at=time.time(), started_at=None,
            finished_at=None,
        )  # fmt: skip
        await self.database.write(lambda connection: also(connection, job.id))
        self.jobs[job.id] = job
        return job

    async def get(self, tenant, job_id):
        return self.jobs[job_id]

    async def cancel(self, tenant, job_id):
        self.jobs[job_id].status = "cancelled"

    async def watch(self, tenant, job_id):
        if job_id in self.jobs:
            yield self.jobs[job_id]

    async def carry(self, run):
        job = self.jobs[run.job_id]
        job.status = "running"
        result = await self.handler(JobRun(job, self))
        job.status = "done"
        return result

    def announce(self):
        pass


class Bench:
    """A store with runs in it. `world` and the rows outlive a crash; nothing else does."""

    def __init__(self, home, model, world, agents=(), database=None):
        """`database` is one that is open, and stays so."""
        self.kept = database is not None
        self.database = database or Database(f"sqlite:///{home}/guru.db")
        self.jobs = HandJobs(self.database)
        self.registry = Registry(self.database, {}, tenant="local")
        self.runs = Runs(self.database, self.jobs, self.registry, LentHosts(model or Scripted(), world))
        self.agents = agents

    async def __aenter__(self):
        if not self.kept:
            await self.database.open()
        for agent in self.agents:
            await self.registry.define(agent, **MINE)
        return self

    async def __aexit__(self, *error):
        if not self.kept:
            await self.database.close()

    async def begin(self, name="helper", request="Go.", **more):
        return await self.runs.begin(name, [Message("user", request)], **MINE, **more)

    async def carry(self, run):
        await self.jobs.carry(run)
        return await self.runs.get(SCOPE, run.id)

    async def take_up(self, run):
        """As another process does with a job whose process is gone."""
        self.jobs.jobs[run.job_id] = Job(
            id=run.job_id, tenant="local", person=None, kind="agent", subject=None, status="queued",
            arguments={"run": run.id}, progress={}, result=None, error=None, created_at=0.0, started_at=None,
            finished_at=None,
        )  # fmt: skip
        return await self.carry(run)
