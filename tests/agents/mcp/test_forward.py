"""The questions of other servers reach the client of ours; any server of ours goes on, and nothing is done twice."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from processes import ANN, STRANGERS, Events, Process
from sqlalchemy import func, select, update

import mcp_remote
from databases import Stores
from guru.agents.mcp.client import rounds
from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.pins import Pins
from guru.agents.mcp.client.servers import McpServers
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.serving import held, left, legacy_sessions
from guru.agents.mcp.serving.forward import MOST_QUESTIONS
from guru.agents.mcp.serving.peer import modes_of
from guru.agents.mcp.serving.tools import ContractTools
from guru.agents.tools.toolbox import Toolbox
from guru.cli.mcp_http import SessionHttp
from guru.config import McpServerSettings
from guru.store.tables import mcp_tasks

FORM = {
    "message": "Who comes?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}
VISIT = {"mode": "url", "message": "Log in.", "url": "https://a.example/in"}
ABLE = {"elicitation": {"form": {}, "url": {}}}
NAME = {"action": "accept", "content": {"name": "Ann"}}
EITHER = pytest.mark.parametrize("modern", [True, False], ids=["modern", "legacy"])
"""Of the other server."""


class Passing:
    """What a server serves here: the tools of the others."""

    def __init__(self, servers):
        self.servers = servers
        self.changes = []
        self._tools = ContractTools(self._toolbox, self._change)

    async def tools(self, access):
        return await self._tools.tools(access)

    async def _toolbox(self, access):
        return Toolbox(await self.servers.tools())

    async def _change(self, name, arguments, access):
        self.changes.append(name)


class World:
    """Two processes of ours on one database, and a server of somebody else."""

    def __init__(self, processes, remote):
        self.one, self.other = self.processes = processes
        self.remote = remote

    async def ask(self, process, *questions, able=ABLE, access=ANN, state=None, answer=None, **more):
        """What a call of a modern client is answered with."""
        again = {} if state is None else {"requestState": state["requestState"]}
        if answer is not None:
            again["inputResponses"] = {next(iter(state["inputRequests"])): answer}
        arguments = {"questions": list(questions), **more}
        said = await process.modern("tools/call", access, able, name="s__ask", arguments=arguments, **again)
        return said.get("result", said.get("error"))

    async def legacy(self, process, *questions, able=ABLE, answers, **more):
        """What a call of a legacy client is answered with. Each of `answers` goes to the next question."""
        session = await process.open(able)
        call = {"name": "s__ask", "arguments": {"questions": list(questions), **more}}
        answers, asked = iter(answers), []
        async for message in Events(await process.post({"id": 1, "method": "tools/call", "params": call}, session)):
            if "method" not in message:
                return message.get("result", message.get("error")), asked
            asked.append(message["params"])
            await process.post({"id": message["id"], **next(answers)}, session)
        raise AssertionError

    async def rows(self):
        query = select(func.count()).select_from(mcp_tasks)
        return await self.one.database.read(lambda connection: connection.scalar(query))


@asynccontextmanager
async def world_of(stores, home, monkeypatch, *, modern, **settings):
    for module in (left, legacy_sessions, held):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    settings = {"approval": "never", "serve": True, "elicitation_seconds": 60.0} | settings
    async with mcp_remote.serving(modern=modern) as remote, aiohttp.ClientSession() as session:

        async def open_client(name, settings, changed):
            channel = StreamableChannel(SessionHttp(session), remote.url, {}, idle=60)
            host = Host(name, asks=settings.elicitation, patience=settings.elicitation_seconds)
            return McpClient(channel, host, timeout=settings.timeout, changed=changed)

        processes = []
        for _ in range(2):
            database = stores.database(home)
            await database.open()
            named = {"s": McpServerSettings(url=remote.url, **settings)}
            servers = McpServers(named, Pins(database, "local"), open_client)
            processes.append(Process(database, Passing(servers)))
        try:
            yield World(processes, remote)
        finally:
            for process in processes:
                await process.served.aclose()
                await process.source.servers.aclose()
                await process.database.close()


@pytest.fixture
def world(tmp_path, monkeypatch):
    return lambda **settings: world_of(Stores(), tmp_path, monkeypatch, **settings)


def said_of(result):
    """What the other server says that it was told."""
    return json.loads(result["content"][0]["text"])


def asked_by(result):
    [(name, request)] = result["inputRequests"].items()
    return name, request["params"]


@EITHER
async def test_any_server_goes_on_with_the_answer(stores, tmp_path, monkeypatch, modern):
    async with world_of(stores, tmp_path, monkeypatch, modern=modern) as world:
        first = await world.ask(world.one, FORM, VISIT)
        name, params = asked_by(first)
        assert name == "s-1" and params["message"].startswith("The MCP server 's' asks you this, in its own words.\n")
        assert params["message"].endswith("\nWho comes?") and list(params["requestedSchema"]["properties"]) == ["name"]
        second = await world.ask(world.other, FORM, VISIT, state=first, answer=NAME)
        name, params = asked_by(second)
        assert (name, params["mode"], params["url"]) == ("s-2", "url", VISIT["url"])
        assert "elicitationId" not in params
        done = await world.ask(world.one, FORM, VISIT, state=second, answer={"action": "accept"})
        assert said_of(done) == [NAME, {"action": "accept"}]
        assert len(world.remote.calls) == (3 if modern else 1), "no call is made twice that need not be"
        assert [process.source.changes for process in world.processes] == [["s__ask"], []]
        assert await world.rows() == 0


@EITHER
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_no_is_passed_on_as_it_was_said(world, modern, action):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM)
        done = await world.ask(world.one, FORM, state=first, answer={"action": action, "content": {"name": "Ann"}})
        assert said_of(done) == [{"action": action}]
        result, _ = await world.legacy(world.one, FORM, answers=[{"result": {"action": action}}])
        assert said_of(result) == [{"action": action}]


@EITHER
async def test_a_legacy_client_is_asked_on_its_stream(world, modern):
    async with world(modern=modern) as world:
        answers = [{"result": NAME}, {"result": {"action": "accept"}}]
        result, asked = await world.legacy(world.one, FORM, VISIT, answers=answers)
        assert said_of(result) == [NAME, {"action": "accept"}]
        assert [params["mode"] for params in asked] == ["form", "url"]
        assert asked[1]["elicitationId"] and "'s'" in asked[1]["message"]
        assert await world.rows() == 0


@EITHER
@pytest.mark.parametrize("answer", [
    {}, [], {"action": "perhaps"}, {"action": "accept"}, {"action": "accept", "content": {"name": 3}},
    {"action": "accept", "content": {"name": "x" * 70_000}}, {"action": "accept", "content": "Ann"},
])  # fmt: skip
async def test_what_is_no_answer_reaches_nobody(world, modern, answer):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM)
        for process in world.processes:
            refused = await world.ask(process, FORM, state=first, answer=answer)
            assert refused["code"] == -32602, refused
        done = await world.ask(world.one, FORM, state=first, answer=NAME)
        assert said_of(done) == [NAME] and world.remote.told == [NAME]


@EITHER
async def test_a_legacy_client_whose_answer_is_none_has_its_call_cancelled(world, modern):
    async with world(modern=modern) as world:
        refusals = [{"result": {"action": "accept", "content": {"name": 3}}}, {"error": {"code": -1, "message": "No."}}]
        for refusal in refusals:
            result, _ = await world.legacy(world.one, FORM, answers=[refusal])
            assert result["isError"] and "its call was cancelled" in result["content"][0]["text"]
        if not modern:
            await world.remote.cancelled.wait()
        assert world.remote.told == []


@EITHER
async def test_the_question_comes_again_where_there_is_no_answer(world, modern):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM)
        for process in world.processes:
            again = await world.ask(process, FORM, state=first)
            assert again["inputRequests"] == first["inputRequests"]
        assert said_of(await world.ask(world.other, FORM, state=again, answer=NAME)) == [NAME]
        assert len(world.remote.calls) == (2 if modern else 1)


@EITHER
async def test_nobody_else_answers_and_nothing_is_changed_on_the_way(world, modern):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM)
        for stranger in STRANGERS:
            for process in world.processes:
                refused = await world.ask(process, FORM, state=first, answer=NAME, access=stranger)
                assert "integrity" in refused["message"]
        other = await world.ask(world.one, FORM, VISIT, state=first, answer=NAME)
        assert "integrity" in other["message"], "it is another call"
        sealed = first["requestState"]
        for place in (0, len(sealed) // 2, len(sealed) - 5):
            changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
            refused = await world.ask(world.one, FORM, state=first | {"requestState": changed}, answer=NAME)
            assert refused["code"] == -32602
        assert world.remote.told == [] and len(world.remote.calls) == 1
        assert said_of(await world.ask(world.one, FORM, state=first, answer=NAME)) == [NAME]


@EITHER
async def test_a_server_that_may_ask_no_more_is_not_called_anew_for_the_answer(world, modern):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM)
        settings = McpServerSettings(url=world.remote.url, approval="never", serve=True, elicitation=False)
        world.one.source.servers.configure({"s": settings})
        assert said_of(await world.ask(world.one, FORM, state=first, answer=NAME)) == [NAME]
        assert [params.get("requestState") for params in world.remote.calls] == ([None, "[]"] if modern else [None])


async def test_an_answer_that_comes_twice_is_taken_once(world):
    async with world(modern=False) as world:
        first = await world.ask(world.one, FORM, VISIT)
        second = await world.ask(world.one, FORM, VISIT, state=first, answer=NAME)
        for process in world.processes:
            late = await world.ask(process, FORM, VISIT, state=first, answer=NAME)
            assert "has been answered" in late["message"]
        done = await world.ask(world.other, FORM, VISIT, state=second, answer={"action": "accept"})
        assert said_of(done) == [NAME, {"action": "accept"}]
        for process in world.processes:
            late = await world.ask(process, FORM, VISIT, state=second, answer={"action": "accept"})
            assert "has been answered" in late["message"]
        assert len(world.remote.calls) == 1 and len(world.remote.told) == 2


@EITHER
async def test_two_at_once_have_each_their_own(world, modern):
    async with world(modern=modern) as world:
        people = (ANN, STRANGERS[1])
        firsts = [await world.ask(world.one, FORM, access=access) for access in people]
        answers = [{"action": "accept", "content": {"name": name}} for name in ("Ann", "Ben")]
        given = zip(firsts, answers, people, strict=True)
        done = await asyncio.gather(
            *(world.ask(world.other, FORM, state=state, answer=answer, access=who) for state, answer, who in given)
        )
        assert [said_of(result) for result in done] == [[answer] for answer in answers]


async def test_a_call_whose_server_died_is_not_made_again(world):
    async with world(modern=False) as world:
        first = await world.ask(world.one, FORM)
        await world.one.served._modern._held._keeper.aclose()  # it says no more that it lives
        await world.other.database.write(lambda connection: connection.execute(update(mcp_tasks).values(alive_at=0.0)))
        gone = await world.ask(world.other, FORM, state=first, answer=NAME)
        assert "how far it came is not known" in gone["message"]
        assert len(world.remote.calls) == 1 and world.remote.told == []


async def test_a_server_that_stops_cancels_what_it_kept_open(world):
    async with world(modern=False) as world:
        first = await world.ask(world.one, FORM)
        await world.one.served.aclose()
        await world.remote.cancelled.wait()
        gone = await world.ask(world.other, FORM, state=first, answer=NAME)
        assert "has stopped" in gone["message"] and len(world.remote.calls) == 1


async def test_a_question_survives_every_server_where_the_other_side_can_go_on(world):
    async with world(modern=True) as world:
        first = await world.ask(world.one, FORM)
        await world.one.served.aclose()
        assert said_of(await world.ask(world.other, FORM, state=first, answer=NAME)) == [NAME]
        assert world.remote.calls[1]["requestState"] == "[]", "as the other server gave it"


@EITHER
@pytest.mark.parametrize("place", ["here", "elsewhere"])
async def test_a_client_that_leaves_cancels_the_call(world, modern, place):
    async with world(modern=modern) as world:
        first = await world.ask(world.one, FORM, hang=True)
        process = world.one if place == "here" else world.other
        waiting = asyncio.create_task(world.ask(process, FORM, state=first, answer=NAME, hang=True))
        await world.remote.hanging.wait()
        waiting.cancel()
        await world.remote.cancelled.wait()
        while not modern and world.one.served._modern._held._here:
            await asyncio.sleep(0.01)


async def test_who_is_late_is_told_so_and_the_call_is_cancelled(world):
    async with world(modern=False, elicitation_seconds=0.3) as world:
        first = await world.ask(world.one, FORM)
        await world.remote.cancelled.wait()
        while world.one.served._modern._held._here:
            await asyncio.sleep(0.01)
        if "requestState" in first:  # else the store was slower than that, and the result says it already
            late = str(await world.ask(world.other, FORM, state=first, answer=NAME))
            assert "too late" in late or "Nobody answered" in late
        session = await world.one.open(ABLE)
        said = await world.one.call(1, "tools/call", session, name="s__ask", arguments={"questions": [FORM]})
        assert "Nobody answered within 0.3 seconds" in said[-1]["result"]["content"][0]["text"]
        assert world.remote.told == []


@EITHER
async def test_there_are_only_so_many_questions(world, modern):
    async with world(modern=modern) as world:
        many = [FORM] * (MOST_QUESTIONS + 5)
        said = await world.ask(world.one, *many)
        while "requestState" in said:
            said = await world.ask(world.one, *many, state=said, answer=NAME)
        assert said["isError"] and len(world.remote.told) <= MOST_QUESTIONS
        result, _ = await world.legacy(world.one, *many, answers=[{"result": NAME}] * MOST_QUESTIONS)
        assert result["isError"] and len(world.remote.told) <= 2 * MOST_QUESTIONS


async def test_what_is_too_large_to_be_carried_is_kept_open(world, monkeypatch):
    monkeypatch.setattr(rounds, "MOST_STATE", 10)
    async with world(modern=True) as world:
        first = await world.ask(world.one, FORM, VISIT)
        assert await world.rows() == 1
        second = await world.ask(world.other, FORM, VISIT, state=first, answer=NAME)
        done = await world.ask(world.one, FORM, VISIT, state=second, answer={"action": "decline"})
        assert said_of(done) == [NAME, {"action": "decline"}] and await world.rows() == 0


@EITHER
@pytest.mark.parametrize(("able", "question", "why"), [
    ({}, FORM, "fill in a form"), ({"elicitation": {}}, VISIT, "open an address"),
    ({"elicitation": {"url": {}}}, FORM, "fill in a form"),
])  # fmt: skip
async def test_a_client_is_asked_only_as_it_can_be(world, modern, able, question, why):
    async with world(modern=modern) as world:
        result = await world.ask(world.one, question, able=able)
        legacy, asked = await world.legacy(world.one, question, able=able, answers=[])
        assert asked == [] and world.remote.told == ([] if modern else [{"action": "decline"}] * 2)
        if modern:
            modes = {mode: {} for mode in sorted(modes_of(able))} or None
            assert world.remote.offered == [modes, modes]
        for said in (result, legacy):
            text = said["content"][0]["text"]
            assert ("lacks elicitation" if modern else f"The MCP server s wanted you to {why}") in text


@pytest.mark.parametrize("question", [
    {"message": "?", "requestedSchema": {"type": "object", "properties": {"a": {"type": "object"}}}},
    {"message": "x" * 30_000, "requestedSchema": {"type": "object", "properties": {}}},
    {"mode": "url", "message": "Log in.", "url": "http://a.example/"},
    {"mode": "url", "message": "Log in.", "url": "https://bank.example@evil.example/"},
])  # fmt: skip
async def test_what_must_not_be_asked_is_not(world, question):
    async with world(modern=False) as world:
        result, asked = await world.legacy(world.one, question, answers=[])
        assert asked == []
        assert "cannot be asked" in str(world.remote.told) or said_of(result) == [{"action": "decline"}]


async def test_what_may_mislead_is_shown(world):
    async with world(modern=True) as world:
        form = {"message": "Hi\u202e", "requestedSchema": {"properties": {"password": {"type": "string"}}}}
        _, params = asked_by(await world.ask(world.one, form))
        head, _, words = params["message"].partition("\n\n")
        assert words == "Hi<U+202E>" and "Warning: it seems to ask for a secret" in head


async def test_a_call_that_needs_approval_is_allowed_first(world):
    async with world(modern=False, approval="writes") as world:
        first = await world.ask(world.one, FORM)
        assert list(first["inputRequests"]) == ["approval"] and world.remote.calls == []
        allowed = {"action": "accept", "content": {"allow": True}}
        second = await world.ask(world.other, FORM, state=first, answer=allowed)
        done = await world.ask(world.one, FORM, state=second, answer=NAME)
        assert said_of(done) == [NAME] and len(world.remote.calls) == 1
        assert [process.source.changes for process in world.processes] == [[], ["s__ask"]]


@pytest.mark.parametrize("action", ["accept", "decline"])
@pytest.mark.parametrize("client", ["modern", "legacy"])
async def test_an_address_that_must_be_opened_first_is_shown(world, client, action):
    visit = VISIT | {"elicitationId": "e1"}
    async with world(modern=False) as world:
        if client == "modern":
            first = await world.ask(world.one, visit=visit)
            _, asked = asked_by(first)
            result = await world.ask(world.other, visit=visit, state=first, answer={"action": action})
        else:
            result, [asked] = await world.legacy(world.one, visit=visit, answers=[{"result": {"action": action}}])
        assert asked["url"] == VISIT["url"]
        if action == "accept":
            assert said_of(result) == [] and len(world.remote.calls) == 2
        else:
            assert "did not open the address" in result["content"][0]["text"] and len(world.remote.calls) == 1


async def test_a_cancelled_request_of_a_legacy_client_cancels_the_call(world):
    async with world(modern=False) as world:
        session = await world.one.open(ABLE)
        call = {"name": "s__ask", "arguments": {"questions": [FORM]}}
        events = Events(await world.one.post({"id": 1, "method": "tools/call", "params": call}, session))
        async for message in events:
            assert message["method"] == "elicitation/create"
            cancel = {"method": "notifications/cancelled", "params": {"requestId": 1}}
            await world.other.post(cancel, session)
        await world.remote.cancelled.wait()
        assert world.remote.told == []


def test_a_client_that_names_no_way_to_be_asked_can_fill_in_forms():
    assert modes_of({"elicitation": {}}) == {"form"} and modes_of({"elicitation": {"url": {}}}) == {"url"}
    assert modes_of({}) == modes_of({"elicitation": True}) == set()
