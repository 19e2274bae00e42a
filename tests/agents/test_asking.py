"""Servers of tools that ask a person during a run: over real connections, in both eras, across kills."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from agents.acting import Scripted, sequence
from agents.lent import SCOPE, Bench
from guru.agents.agent import Agent
from guru.agents.limits import Limits
from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.pins import Pins
from guru.agents.mcp.client.servers import McpServers
from guru.agents.mcp.client.stdio import StdioChannel
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.protocol import LEGACY, MODERN
from guru.agents.records import Decision, read_asked
from guru.agents.tools.asking import Elicitation, Elicited, Unhurried
from guru.cli.mcp_http import SessionHttp
from guru.config import McpServerSettings, McpSettings, Settings
from guru.errors import Conflict, InvalidParameter
from guru.store.tables import agent_runs, agent_steps
from scripted import run_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROGRAM = Path(__file__).parents[1] / "mcp_program.py"
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name\u200b", "minLength": 2},
        "born": {"type": "string", "format": "date"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
        "meal": {"type": "string", "enum": ["fish", "rice"], "enumNames": ["Fish", "Rice"]},
    },
    "required": ["name", "seats"],
}
ASK = {"method": "elicitation/create", "params": {"message": "Who comes?", "requestedSchema": FORM}}
VISIT = {"method": "elicitation/create", "params": {"mode": "url", "message": "Log in.", "url": "https://a.example/in"}}
MULTI, BOTH = "s__test_input_required_result_multi_round", "s__test_input_required_result_elicitation"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory):
    fixtures = Settings(mcp=McpSettings(conformance_fixtures=True))
    async with run_server(tmp_path_factory.mktemp("served"), fixtures) as server:
        yield server


HELPER = Agent(name="helper", tools=["s__*"], untrusted="allow")


class Asking:
    """A bench whose only tools are those of a server, which may ask."""

    def __init__(
        self,
        folder,
        script,
        *,
        agents=(HELPER,),
        served=None,
        revision=MODERN,
        tools=("ask", "visit", "add"),
        **settings,
    ):
        self.folder, self.served, self.revision = folder, served, revision
        settings = {"approval": "never", "elicitation_seconds": 60.0} | settings
        self.settings = McpServerSettings(url="http://x" if served else None, **settings)
        self.file = folder / "tools.json"
        listed = [{"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}} for name in tools]
        if settings.get("trusted"):
            listed = [item | {"annotations": {"idempotentHint": True}} for item in listed]
        self.file.write_text(json.dumps(listed), encoding="utf-8")
        self.bench = Bench(folder, Scripted(by=script), self, agents)
        self.found = []

    def tools(self):
        return self.found

    async def open(self, name, settings, changed):
        if self.served is not None:
            channel = StreamableChannel(SessionHttp(self.served.session), f"{self.served.url}/mcp", {}, idle=60)
        else:
            channel = StdioChannel([sys.executable, str(PROGRAM), str(self.file)], {})
        host = Host(name, asks=settings.elicitation, patience=settings.elicitation_seconds)
        return McpClient(channel, host, timeout=60, revisions=(self.revision,), changed=changed)

    async def __aenter__(self):
        await self.bench.__aenter__()
        self.servers = McpServers({"s": self.settings}, Pins(self.bench.database, "local"), self.open)
        self.found = await self.servers.tools()
        return self

    async def __aexit__(self, *error):
        await self.servers.aclose()
        await self.bench.__aexit__(*error)

    async def until(self, run, *statuses, after=None):
        """The step that waits for a person, once it has one of these, and asks something else than `after`."""
        async with asyncio.timeout(60):
            while True:
                run, steps = await self.bench.runs.show(SCOPE, run.id)
                found = [step for step in steps if step.status in statuses and (after is None or step.asked != after)]
                if found and run.status == "waiting":
                    return found[0]
                assert run.status in ("queued", "running", "waiting"), run.error
                await asyncio.sleep(0.01)

    async def say(self, run, step, say="yes", content=None):
        decision = Decision(say=say, content=content)
        return await self.bench.runs.approve(SCOPE, run.id, {(step.number, step.part): decision})

    async def rows(self):
        """All that is kept of steps, as text."""
        found = await self.bench.database.read(lambda connection: connection.execute(select(agent_steps)).all())
        return str(found)


def told(asking):
    """What the tools gave, as the model was told, without the marks of data."""
    requests = asking.bench.runs._hosts.model.requests
    texts = [message.text for message in requests[-1].messages if message.role == "tool"]
    return ["\n".join(text.split("\n")[1:-1]) if text.startswith("<data-") else text for text in texts]


async def test_a_modern_server_waits_for_days_and_over_restarts(served, tmp_path):
    script = sequence((MULTI, {}), "Done.")
    async with Asking(tmp_path, script, served=served) as first:
        run = await first.bench.carry(await first.bench.begin())
        assert run.status == "waiting"  # no job works on it, and no connection is open
        step = await first.until(run, "waiting")
        asked = read_asked(step)
        assert asked.question.server == "s" and list(asked.question.schema["properties"]) == ["name"]
        assert step.reason == "The MCP server s asks you something."
        for wrong in ({}, {"name": 3}, {"name": "Ann", "more": 1}):
            with pytest.raises(InvalidParameter):
                await first.say(run, step, content=wrong)
        with pytest.raises(InvalidParameter):
            await first.say(run, step, "done")
    async with Asking(tmp_path, script, served=served, agents=()) as second:
        run = await second.bench.runs.get(SCOPE, run.id)
        second.bench.jobs.jobs = {run.job_id: ended_job(run)}
        run = await second.bench.carry(await second.say(run, step, content={"name": "Ann"}))
        step = await second.until(run, "waiting")
        assert run.status == "waiting" and "name" not in read_asked(step).question.schema["properties"]
        (field,) = read_asked(step).question.schema["properties"]
        run = await second.bench.carry(await second.say(run, step, content={field: "blue-green"}))
        assert (run.status, run.answer) == ("done", "Done.")
        assert told(second) == ["Multi-round complete for Ann who likes blue-green"]
        _, steps = await second.bench.runs.show(SCOPE, run.id)
        assert [read_asked(step).said for step in steps if step.kind == "tool"] == ["yes"]
        # What was filled in is the server's alone, and so is what it wanted back.
        assert "'content': {" not in await second.rows() and "requestState" not in await second.rows()


def ended_job(run):
    from guru.store.jobs import Job

    return Job(
        id=run.job_id, tenant="local", person=None, kind="agent", subject=None, status="done", arguments={},
        progress={}, result=None, error=None, created_at=0.0, started_at=None, finished_at=None,
    )  # fmt: skip


@pytest.mark.parametrize("say", ["no", "cancel"])
async def test_declined_and_cancelled(served, tmp_path, say):
    async with Asking(tmp_path, sequence((BOTH, {}), "Done."), served=served) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        step = await asking.until(run, "waiting")
        run = await asking.bench.carry(await asking.say(run, step, say, content={"name": "Ann"}))
        assert run.status == "done" and "Ann" not in str(told(asking)) + await asking.rows()


@pytest.mark.parametrize("over", ["program", "http"])
async def test_a_legacy_server_is_kept_waiting(served, tmp_path, over):
    call = ("s__ask", ASK) if over == "program" else (BOTH, {})
    more = {} if over == "program" else {"served": served}
    async with Asking(tmp_path, sequence(call, "Done."), revision=LEGACY[0], **more) as asking:
        run = await asking.bench.begin()
        carried = asyncio.create_task(asking.bench.carry(run))
        step = await asking.until(run, "asking")
        asked = read_asked(step)
        assert asked.until is not None and asked.state is None
        run = await asking.say(
            run, step, content={"name": "Ann", "born": "1990-02-01"} if over == "program" else {"name": "Ann"}
        )
        assert run.status == "running"
        run = await carried
        assert run.status == "done"
        if over == "program":
            content = {"name": "Ann", "born": "1990-02-01", "seats": 2}
            assert [json.loads(text) for text in told(asking)] == [{"action": "accept", "content": content}]
            # Hidden characters reach nobody's eyes as if they were not there.
            assert asked.question.schema["properties"]["name"]["title"] == "Your name<U+200B>"
        else:
            assert "Ann" in told(asking)[0]
        _, steps = await asking.bench.runs.show(SCOPE, run.id)
        assert [step.decision for step in steps if step.kind == "tool"] == [{"say": "yes"}]


async def test_the_answer_may_be_said_to_another_process(tmp_path):
    async with Asking(tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.begin()
        carried = asyncio.create_task(asking.bench.carry(run))
        step = await asking.until(run, "asking")
        other = Bench(tmp_path, Scripted(), asking)
        async with other:
            other.jobs.jobs = asking.bench.jobs.jobs
            said = {(step.number, step.part): Decision(say="no")}
            assert (await other.runs.approve(SCOPE, run.id, said)).status == "running"
        assert (await carried).status == "done"
        assert [json.loads(text) for text in told(asking)] == [{"action": "decline"}]


async def test_a_call_is_not_kept_open_for_ever(tmp_path):
    async with Asking(
        tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0], elicitation_seconds=0.2
    ) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        assert run.status == "done" and [json.loads(text) for text in told(asking)] == [{"action": "cancel"}]
        _, steps = await asking.bench.runs.show(SCOPE, run.id)
        (step,) = [step for step in steps if step.kind == "tool"]
        assert read_asked(step).said is None and read_asked(step).until is None
        with pytest.raises(Conflict, match="Nothing waits"):
            await asking.say(run, step, content={"name": "Ann"})


async def test_a_server_that_asks_again_and_again_is_not_answered(tmp_path):
    """Nobody was there for the first question: the others are not waited for."""
    often = ("s__ask", ASK | {"times": 50})
    async with Asking(tmp_path, sequence(often, "Done."), revision=LEGACY[0], elicitation_seconds=1.0) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        assert run.status == "done" and [json.loads(text) for text in told(asking)] == [{"action": "cancel"}]


async def killed(asking, run):
    """What a kill leaves while a call is kept open, and nothing that a process does at its end."""
    carried = asyncio.create_task(asking.bench.carry(run))
    step = await asking.until(run, "asking")
    carried.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await carried

    def put_back(connection):
        connection.execute(update(agent_runs).values(status="waiting"))
        here = (agent_steps.c.number == step.number, agent_steps.c.part == step.part)
        values = {"status": "asking", "asked": step.asked, "decision": None}
        connection.execute(update(agent_steps).where(*here).values(values))

    await asking.bench.database.write(put_back)
    return step


async def test_after_a_kill_nobody_knows_what_the_call_has_done(tmp_path):
    async with Asking(tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.begin()
        await killed(asking, run)
        run = await asking.bench.take_up(run)
        assert run.status == "waiting"
        step = await asking.until(run, "waiting")
        assert "Nobody knows whether it was done" in step.reason and step.asked is None
        with pytest.raises(InvalidParameter, match="asks for no form"):
            await asking.say(run, step, content={"name": "Ann"})
        said = {(step.number, step.part): Decision(say="done", text="it was")}
        run = await asking.bench.carry(await asking.bench.runs.approve(SCOPE, run.id, said))
        assert run.status == "done" and told(asking) == ["it was"]


async def test_after_a_kill_a_call_that_does_no_harm_is_begun_anew(tmp_path):
    async with Asking(tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0], trusted=True) as asking:
        run = await asking.bench.begin()
        left = await killed(asking, run)
        carried = asyncio.create_task(asking.bench.take_up(run))
        step = await asking.until(run, "asking", after=left.asked)
        await asking.say(run, step, content={"name": "Ann"})
        assert (await carried).status == "done"
        assert json.loads(told(asking)[0])["content"] == {"name": "Ann", "seats": 2}


async def test_an_answer_that_was_given_before_a_kill_is_not_lost_on_another_question(tmp_path):
    """The call is gone: its answer goes to nobody."""
    async with Asking(tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.begin()
        step = await killed(asking, run)
        assert (await asking.say(run, step, content={"name": "Ann"})).status == "running"
        run = await asking.bench.take_up(run)
        step = await asking.until(run, "waiting")
        assert (run.status, step.decision, step.asked) == ("waiting", None, None)


async def test_an_address_is_opened_in_both_ways(tmp_path):
    calls = [("s__ask", VISIT), ("s__visit", {"url": "https://b.example/log?in=1"})]
    script = sequence(calls[0], calls[1], "Done.")
    async with Asking(tmp_path, script, revision=LEGACY[0]) as asking:
        run = await asking.bench.begin()
        carried = asyncio.create_task(asking.bench.carry(run))
        step = await asking.until(run, "asking")
        assert read_asked(step).question.url == "https://a.example/in"
        await asking.say(run, step)
        run = await carried
        # Refused until an address has been opened: nothing is kept open for it.
        step = await asking.until(run, "waiting")
        assert (run.status, read_asked(step).question.url) == ("waiting", "https://b.example/log?in=1")
        run = await asking.bench.carry(await asking.say(run, step))
        assert run.status == "done" and [json.loads(told(asking)[0]), told(asking)[1]] == [
            {"action": "accept"},
            "visited",
        ]


async def test_an_address_that_is_not_opened_fails_the_call(tmp_path):
    call = ("s__visit", {"url": "https://b.example/"})
    async with Asking(tmp_path, sequence(call, "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        step = await asking.until(run, "waiting")
        run = await asking.bench.carry(await asking.say(run, step, "no"))
        assert run.status == "done" and "did not open the address" in told(asking)[0]


async def test_questions_beside_other_calls_and_approvals(tmp_path):
    """Two calls of one program at once: nobody can tell which of them asks, so nobody is asked."""
    both = [("s__ask", ASK), ("s__ask", ASK | {"again": 1})]
    async with Asking(tmp_path, sequence(both, "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        assert run.status == "done"
        assert [json.loads(text)["action"] for text in told(asking)] == ["decline", "decline"]


async def test_a_decision_and_a_question_of_one_step(tmp_path):
    script = sequence([("s__add", {"a": 1, "b": 2}), ("s__ask", ASK)], "Done.")
    async with Asking(tmp_path, script, revision=LEGACY[0]) as asking:
        run = await asking.bench.begin(changes={"approve": ["s__add"]})
        carried = asyncio.create_task(asking.bench.carry(run))
        question = await asking.until(run, "asking")
        # The yes is kept, and the run still waits for the other answer.
        assert (await asking.bench.runs.approve(SCOPE, run.id, {(2, 0): Decision(say="yes")})).status == "waiting"
        assert (await asking.say(run, question, "no")).status == "running"
        run = await carried
        assert run.status == "done" and told(asking)[0] == "3"


async def test_a_cancelled_run_asks_no_longer(tmp_path):
    async with Asking(tmp_path, sequence(("s__ask", ASK), "Done."), revision=LEGACY[0]) as asking:
        run = await asking.bench.begin()
        carried = asyncio.create_task(asking.bench.carry(run))
        step = await asking.until(run, "asking")
        assert (await asking.bench.runs.cancel(SCOPE, run.id)).status == "cancelled"
        carried.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await carried
        run, steps = await asking.bench.runs.show(SCOPE, run.id)
        assert run.status == "cancelled" and not [step for step in steps if step.status == "asking"]
        with pytest.raises(Conflict):
            await asking.say(run, step, content={"name": "Ann"})


async def test_nobody_is_asked_where_the_configuration_says_so_or_too_many_wait(tmp_path, monkeypatch):
    script = sequence(("s__ask", ASK), "Done.")
    async with Asking(tmp_path, script, revision=LEGACY[0], elicitation=False) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        assert run.status == "done" and json.loads(told(asking)[0]) == {"action": "decline"}
    monkeypatch.setattr("guru.agents.asking.MOST_OPEN", 0)
    (tmp_path / "other").mkdir()
    async with Asking(tmp_path / "other", script, revision=LEGACY[0]) as asking:
        run = await asking.bench.carry(await asking.bench.begin())
        assert run.status == "done" and json.loads(told(asking)[0]) == {"action": "cancel"}


async def test_a_limit_stands_still_while_a_person_is_asked():
    seen = []

    class Person:
        async def ask(self, question, state):
            seen.append(limit.when())
            return Elicited(action="decline")

    async with asyncio.timeout(60) as limit:
        both = Unhurried(Person(), limit)
        await asyncio.gather(*(both.ask(Elicitation(server="s", message="?"), None) for _ in range(2)))
        assert seen == [None, None] and limit.when() is not None
    await both.ask(Elicitation(server="s", message="?"), None)  # what it limited has ended


async def test_no_time_of_work_passes_while_a_person_is_asked():
    limits = Limits(HELPER)
    with limits.stopped():
        before = limits.seconds
        with limits.stopped():
            await asyncio.sleep(0.01)
        assert limits.seconds == before
