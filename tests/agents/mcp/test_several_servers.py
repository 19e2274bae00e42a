"""Two servers on one database serve one session and answer for each other's tasks, also when one of them stops."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from msgspec import structs
from processes import ANN, STRANGERS, Events, Process
from sqlalchemy import func, select, update

from databases import Stores
from guru.agents.mcp.protocol import LEGACY
from guru.agents.mcp.serving import left, legacy_sessions, session_rows, task_rows, tasks
from guru.agents.mcp.serving.fixture import Fixture, filled, question
from guru.agents.mcp.serving.tools import text
from guru.store.tables import mcp_mail, mcp_sessions, mcp_streams, mcp_tasks

NAME = question("What is your name?", {"name": {"type": "string"}})
URI = "note:1"


class Source:
    """What a server serves here. `go` lets its tools end; `mark` is that of its one resource."""

    def __init__(self):
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = 0
        self.mark = "1"

    async def tools(self, access):
        return [
            Fixture("ask", "Asks", self._ask, task="optional"),
            Fixture("wait", "Waits", self._wait, task="optional"),
            Fixture("hang_up", "Waits, and the client comes back", self._hang_up),
        ]

    async def _ask(self, arguments, peer):
        await peer.log("info", "It asks.")
        answers = await peer.ask({"name": NAME})
        return text(f"Hello, {filled(answers['name'], 'name')}!")

    async def _wait(self, arguments, peer):
        self.begun.set()
        try:
            await peer.log("info", "It waits.")
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return text("Done")

    async def _hang_up(self, arguments, peer):
        peer.hang_up()
        return await self._wait(arguments, peer)

    async def resources(self, access, cursor):
        return [], None

    async def templates(self, access):
        return []

    async def read(self, access, uri):
        return None

    async def marks(self, access, uris):
        return {"": self.mark} | dict.fromkeys(uris, self.mark)

    async def prompts(self, access):
        return []

    async def get(self, access, name, arguments, peer):
        return None

    async def complete(self, access, name, argument, value):
        return []


@asynccontextmanager
async def two(stores, home, monkeypatch):
    """Two processes on one database, which look at it often."""
    for module in (left, legacy_sessions, tasks):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(legacy_sessions, "LISTEN_SECONDS", 0.02)
    processes = []
    for _ in range(2):
        database = stores.database(home)
        await database.open()
        processes.append(Process(database, Source()))
    try:
        yield processes
    finally:
        for process in processes:
            await process.served.aclose()
            await process.database.close()


@pytest.fixture
async def pair(tmp_path, monkeypatch):
    async with two(Stores(), tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
async def each(stores, tmp_path, monkeypatch):
    """The same, on SQLite and on PostgreSQL: for what the store has to do."""
    async with two(stores, tmp_path, monkeypatch) as found:
        yield found


async def counted(process, table):
    return await process.database.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


async def test_a_session_of_one_is_served_by_the_other(each):
    one, other = each
    session = await one.open()
    await other.call(1, "logging/setLevel", session, level="error")
    one.source.go.set()
    said = await one.call(2, "tools/call", session, name="wait")
    assert [message.get("id") for message in said] == [2], "what it logs is not loud enough"
    assert said[0]["result"]["content"][0]["text"] == "Done"
    for number in range(40):
        [answer] = await each[number % 2].call(number, "ping", session)
        assert answer["result"] == {}


async def test_a_session_is_that_of_its_person_and_key_alone(pair):
    one, other = pair
    session = await one.open()
    for stranger in STRANGERS:
        for process in pair:
            reply = await process.post({"id": 1, "method": "ping"}, session, stranger)
            assert (reply.status, reply.message["error"]["code"]) == (404, -32001)
            assert (await process.served.get({"mcp-session-id": session}, stranger)).status == 404
            assert (await process.served.delete({"mcp-session-id": session}, stranger)).status == 404
    [answer] = await other.call(1, "ping", session)
    assert answer["result"] == {}


async def test_an_answer_to_one_reaches_the_question_of_the_other(each):
    one, other = each
    session = await one.open({"elicitation": {}})
    events = Events(await one.post({"id": 1, "method": "tools/call", "params": {"name": "ask"}}, session))
    said = []
    async for message in events:
        said.append(message)
        if message.get("method") == "elicitation/create":
            answer = {"action": "accept", "content": {"name": "Ann"}}
            for number in ("guru-0000000000000000", "x\0", 7):  # nobody has asked that
                assert (await other.post({"id": number, "result": answer}, session)).status == 202
            await other.post({"id": message["id"], "result": answer}, session)
            await other.post({"id": message["id"], "result": answer | {"content": {"name": "Eve"}}}, session)
    assert said[-1]["result"]["content"][0]["text"] == "Hello, Ann!"
    assert await counted(one, mcp_mail) == 0


async def test_a_request_is_cancelled_by_way_of_the_other(pair):
    one, other = pair
    session = await one.open()
    call = asyncio.create_task(one.call("a \0", "tools/call", session, name="wait"))
    await one.source.begun.wait()
    for wanted in ("b", 3, None, "x" * 10_000, "a \0"):
        cancel = {"method": "notifications/cancelled", "params": {"requestId": wanted}}
        assert (await other.post(cancel, session)).status == 202
    assert [message["method"] for message in await call] == ["notifications/message"]
    assert one.source.cancelled == 1


async def begin_and_leave(process, session, tool="wait"):
    """Call a tool, and go away when it has said something; the id of the last event."""
    events = Events(await process.post({"id": 1, "method": "tools/call", "params": {"name": tool}}, session))
    async for message in events:
        assert message["method"] == "notifications/message"
        break
    await events.leave()
    return events.last


async def rest(process, session, last):
    reply = await process.get(session, last)
    return [message async for message in Events(reply)]


async def test_an_answer_that_broke_off_goes_on_at_the_other(each):
    one, other = each
    session = await one.open()
    last = await begin_and_leave(one, session)
    reading = asyncio.create_task(rest(other, session, last))
    one.source.go.set()
    assert [message["result"]["content"][0]["text"] for message in await reading] == ["Done"]
    again = [await rest(process, session, last) for process in each]
    assert [len(messages) for messages in again] == [1, 1], "and at both once more"
    earlier = last.rpartition("-")[0] + "-0"
    assert [len(await rest(process, session, earlier)) for process in each] == [2, 2]


async def test_a_stream_that_one_still_believes_to_be_read_is_given_to_the_other(pair):
    one, other = pair
    session = await one.open()
    events = Events(await one.post({"id": 1, "method": "tools/call", "params": {"name": "wait"}}, session))
    messages = aiter(events)
    await anext(messages)  # and no more: the connection is cut, and nobody has noticed
    reading = asyncio.create_task(rest(other, session, events.last))
    while not await counted(other, mcp_streams):
        await asyncio.sleep(0.01)
    one.source.go.set()
    assert len(await reading) == 1
    await events.leave()


async def test_a_stream_that_its_server_closes_is_read_on_at_the_other(pair):
    one, other = pair
    session = await one.open()
    events = Events(await one.post({"id": 1, "method": "tools/call", "params": {"name": "hang_up"}}, session))
    assert [message async for message in events] == []
    one.source.go.set()
    assert [message.get("id") for message in await rest(other, session, events.last)] == [None, 1]


async def test_there_is_nothing_to_resume_where_nothing_was(pair):
    one, other = pair
    session = await one.open()
    for last in ("s0123456789abcdef-1", "x-1", "s1", "../x-3"):
        reply = await other.get(session, last)
        assert (reply.status, reply.message["error"]["code"]) == (400, -32600)
    assert await counted(one, mcp_mail) == 0


async def test_a_session_that_is_deleted_at_one_ends_at_the_other(each):
    one, other = each
    session = await one.open()
    listening = await one.get(session)
    heard = asyncio.create_task(collect(listening))
    last = await begin_and_leave(one, session)
    assert (await other.served.delete({"mcp-session-id": session}, ANN)).status == 204
    await heard
    while not one.source.cancelled:
        await asyncio.sleep(0.01)
    for process in each:
        assert (await process.post({"id": 1, "method": "ping"}, session)).status == 404
        assert (await process.get(session, last)).status == 404
    assert [await counted(one, table) for table in (mcp_sessions, mcp_streams, mcp_mail)] == [0, 0, 0]


async def collect(reply):
    return [message async for message in Events(reply)]


async def test_who_listens_at_one_is_told_of_what_was_subscribed_at_the_other(each):
    one, other = each
    session = await one.open()
    events = Events(await other.get(session))
    messages = aiter(events)
    first = asyncio.ensure_future(anext(messages))
    await one.call(1, "resources/subscribe", session, uri=URI)
    while URI not in other.served._legacy._sessions._here[session].listener.uris:
        await asyncio.sleep(0.01)
    seen = {(await tell_until(other.source, first))["method"]}
    while len(seen) < 2:
        other.source.mark += "1"
        seen.add((await anext(messages))["method"])
    assert seen == {"notifications/resources/updated", "notifications/resources/list_changed"}
    await events.leave()
    again = aiter(Events(await one.get(session, events.last)))
    told = [await anext(again), await anext(again)]
    assert told[0]["method"] == "notifications/resources/list_changed", "it may have missed anything"
    assert told[1]["params"] == {"uri": URI}


async def tell_until(source, heard):
    """Change the resource until somebody has heard of it."""
    while not heard.done():
        source.mark += "1"
        await asyncio.sleep(0.03)
    return heard.result()


async def test_a_server_that_stops_says_so_to_who_asks_the_other_for_the_rest(pair):
    one, other = pair
    session = await one.open()
    last = await begin_and_leave(one, session)
    await one.served.aclose()
    [message] = await rest(other, session, last)
    assert (message["id"], "has stopped" in message["error"]["message"]) == (1, True)
    [answer] = await other.call(2, "ping", session)
    assert answer["result"] == {}


async def test_a_server_that_died_is_found_out(pair):
    one, other = pair
    session = await one.open()
    last = await begin_and_leave(one, session)
    while not await counted(one, mcp_streams):
        await asyncio.sleep(0.01)
    await one.served._legacy._sessions._keeper.aclose()  # it says no more that it lives
    await change(other, mcp_streams, alive_at=0.0)
    [message] = await rest(other, session, last)
    assert (message["id"], "has stopped" in message["error"]["message"]) == (1, True)


async def change(process, table, **values):
    await process.database.write(lambda connection: connection.execute(update(table).values(values)))


async def test_a_session_that_nobody_uses_ends(pair):
    one, other = pair
    session = await one.open()
    await change(one, mcp_sessions, used_at=0.0)
    assert (await other.post({"id": 1, "method": "ping"}, session)).status == 404
    await one.open()
    assert await counted(one, mcp_sessions) == 1


async def test_a_session_in_use_does_not_end(pair, monkeypatch):
    monkeypatch.setattr(session_rows, "TOUCH_SECONDS", 0.0)
    one, other = pair
    session = await one.open()
    await change(one, mcp_sessions, used_at=session_rows.time.time() - session_rows.IDLE_SECONDS + 60)
    before = (await other.served._legacy._sessions.rows.known([session]))[session].used_at
    await other.call(1, "ping", session)
    assert (await one.served._legacy._sessions.rows.known([session]))[session].used_at > before


async def test_the_oldest_session_of_a_person_makes_room(each, monkeypatch):
    monkeypatch.setattr(session_rows, "MOST", 200)
    one, other = each
    sessions = [await process.open() for process in (one, other, one)]
    status = [(await other.post({"id": 1, "method": "ping"}, session)).status for session in sessions]
    assert status == [404, 200, 200]


async def test_there_are_not_too_many_sessions_of_all(pair, monkeypatch):
    monkeypatch.setattr(session_rows, "MOST", 1)
    params = {"protocolVersion": LEGACY[0], "capabilities": {}}
    replies = []
    for person in ("user:ann", "user:ben"):
        access = structs.replace(ANN, person=person)
        replies.append(await pair[0].post({"id": 0, "method": "initialize", "params": params}, access=access))
    assert [reply.status for reply in replies] == [200, 400]


async def test_what_is_too_long_to_be_kept_is_refused(pair):
    one = pair[0]
    params = {"protocolVersion": LEGACY[0], "capabilities": {"experimental": {"x": "x" * 70_000}}}
    reply = await one.post({"id": 0, "method": "initialize", "params": params})
    assert (reply.status, reply.message["error"]["code"]) == (400, -32602)
    session = await one.open()
    [answer] = await one.call(1, "resources/subscribe", session, uri="x" * 5000)
    assert answer["error"]["code"] == -32602


async def test_of_answers_that_broke_off_the_oldest_make_room(pair, monkeypatch):
    monkeypatch.setattr(left, "STREAMS", 2)
    one = pair[0]
    session = await one.open()
    for count in (1, 2, 2):
        await begin_and_leave(one, session)
        while await counted(one, mcp_streams) < count or one.served._legacy._sessions._doing:
            await asyncio.sleep(0.01)
        [work] = one.served._legacy._sessions._here[session].running.values()
        work.task.cancel()
        await asyncio.wait({work.task})
    assert await counted(one, mcp_streams) == 2


async def test_both_answer_for_a_task(each):
    one, other = each
    made = (await one.modern("tools/call", name="ask", arguments={}))["result"]
    assert made["resultType"] == "task", "what may go on behind the request asks by the task"
    task = await other.task(made["taskId"], "input_required")
    [key] = task["inputRequests"]
    for stranger in STRANGERS:
        refused = await other.modern("tasks/get", access=stranger, taskId=made["taskId"])
        assert refused["error"]["code"] == -32602
    wrong = await other.modern("tasks/update", taskId=made["taskId"], inputResponses={key: {"action": "x"}})
    assert wrong["error"]["code"] == -32602
    given = {key: {"action": "accept", "content": {"name": "Ann"}}, "nothing": {}}
    assert (await other.modern("tasks/update", taskId=made["taskId"], inputResponses=given))["result"]
    task = await other.task(made["taskId"], "completed")
    assert task["result"]["content"][0]["text"] == "Hello, Ann!"
    assert (await one.task(made["taskId"], "completed"))["result"] == task["result"]


async def test_a_task_is_cancelled_by_way_of_the_other(pair):
    one, other = pair
    made = (await one.modern("tools/call", name="wait", arguments={}))["result"]
    await one.source.begun.wait()
    await other.modern("tasks/cancel", taskId=made["taskId"])
    while not one.source.cancelled:
        await asyncio.sleep(0.01)
    assert [(await process.task(made["taskId"], "cancelled"))["status"] for process in pair] == ["cancelled"] * 2


async def test_a_task_outlives_its_server_as_far_as_it_has_come(pair):
    one, other = pair
    one.source.go.set()
    done = (await one.modern("tools/call", name="wait", arguments={}))["result"]["taskId"]
    await one.task(done, "completed")
    one.source.go.clear()
    stopped = (await one.modern("tools/call", name="wait", arguments={}))["result"]["taskId"]
    await one.served.aclose()
    assert (await other.task(done, "completed"))["result"]["content"][0]["text"] == "Done"
    assert "has stopped" in (await other.task(stopped, "failed"))["error"]["message"]


async def test_a_task_of_a_server_that_died_has_failed(pair):
    one, other = pair
    made = (await one.modern("tools/call", name="wait", arguments={}))["result"]["taskId"]
    await one.served._modern._tasks._keeper.aclose()
    await change(other, mcp_tasks, alive_at=0.0)
    assert "has stopped" in (await other.task(made, "failed"))["error"]["message"]


async def test_tasks_are_forgotten_and_there_are_not_too_many(pair, monkeypatch):
    one, other = pair
    made = (await one.modern("tools/call", name="wait", arguments={}))["result"]["taskId"]
    monkeypatch.setattr(task_rows, "AT_ONCE", 1)
    refused = await other.modern("tools/call", name="wait", arguments={})
    assert "too many tasks" in refused["error"]["message"]
    await change(one, mcp_tasks, created_at=0.0)
    assert (await other.modern("tasks/get", taskId=made))["error"]["code"] == -32602
    assert (await other.modern("tools/call", name="wait", arguments={}))["result"]["resultType"] == "task"
    assert await counted(one, mcp_tasks) == 1
