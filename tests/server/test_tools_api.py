"""Tools over HTTP: who sees which, and calling one by hand."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

from guru.config import (
    FilesToolSettings,
    ServerSettings,
    Settings,
    ToolsSettings,
    TraceSettings,
    WebToolSettings,
)
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from guru.server.tools_api import brief
from scripted import run_server


@pytest.fixture
async def server(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("Lunch is at noon.", encoding="utf-8")
    tools = ToolsSettings(
        web=WebToolSettings(),
        files={
            "notes": FilesToolSettings(root=str(tmp_path / "notes"), write=True, allow=["user:ann"]),
            "gone": FilesToolSettings(root=str(tmp_path / "gone")),
        },
    )
    async with run_server(tmp_path / "home", Settings(tools=tools)) as found:
        yield found


async def ask(server, method, path, secret=None, **options):
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    async with server.session.request(method, server.url + path, headers=headers, **options) as answer:
        return answer.status, json.loads(await answer.read())


async def call(server, name, secret=None, **arguments):
    return await ask(server, "POST", f"/api/v1/tools/{name}/call", secret, json={"arguments": arguments})


async def test_the_tools_are_listed_with_what_is_wrong(server):
    status, found = await ask(server, "GET", "/api/v1/tools")
    assert status == 200
    tools = {tool["name"]: tool for tool in found["tools"]}
    assert tools.keys() == {
        "calculator", "list_collections", "search_documents", "ask_documents", "fetch_page",
        "notes_list", "notes_read", "notes_search", "notes_write",
    }  # fmt: skip
    assert tools["notes_write"]["approval"] and tools["notes_write"]["effect"] == "write"
    assert tools["calculator"]["parameters"]["required"] == ["expression"]
    assert [problem["place"] for problem in found["problems"]] == ["tools.files.gone"]


async def test_a_person_calls_a_tool_by_hand(server):
    status, result = await call(server, "calculator", expression="17% of 230")
    assert (status, result["text"], result["failed"]) == (200, "39.1", False)
    assert result["data"] == {"value": "39.1", "exact": True}
    status, result = await call(server, "notes_write", path="b.txt", content="Dinner.")
    assert (status, result["failed"]) == (200, False)
    assert (await call(server, "notes_read", path="b.txt"))[1]["text"] == "Dinner."


async def test_a_call_that_fails_is_an_answer_and_a_tool_that_is_not_there_is_none(server):
    status, result = await call(server, "calculator", expression="1/0")
    assert (status, result["failed"]) == (200, True)
    status, result = await call(server, "calculator", wrong=1)
    assert (status, result["failed"]) == (200, True) and "required property" in result["text"]
    status, error = await call(server, "calculater")
    assert status == 404 and "Did you mean 'calculator'?" in error["error"]["hint"]
    status, error = await ask(server, "POST", "/api/v1/tools/calculator/call", json={"arguments": [1]})
    assert status == 400


async def traced(server):
    """The traces of calls by hand, the newest first."""
    _, listed = await ask(server, "GET", "/api/v1/traces")
    found = [each for each in listed["traces"] if (each["requested"] or "").startswith("tool/")]
    return [(await ask(server, "GET", f"/api/v1/traces/{each['id']}"))[1] for each in found]


async def test_a_call_by_hand_has_a_trace(server):
    await call(server, "calculator", expression="1/0")
    await call(server, "calculator", expression="6*7")
    right, wrong = await traced(server)
    assert (right["requested"], right["route"], right["status"]) == ("tool/calculator", "tools.call", "ok")
    said = right["spans"][0]["attributes"]
    assert (said["gen_ai.tool.call.arguments"], said["gen_ai.tool.call.result"]) == ('{"expression":"6*7"}', "42")
    assert (wrong["status"], wrong["spans"][0]["attributes"]["guru.tool.failed"]) == ("error", True)


async def test_what_changes_something_is_in_the_audit_log_and_nothing_else(server):
    await call(server, "calculator", expression="6*7")
    await call(server, "notes_read", path="a.txt")
    await call(server, "notes_write", path="b.txt", content="x" * 10_000)
    _, found = await ask(server, "GET", "/api/v1/audit?action=tools")
    (entry,) = found["entries"]
    (trace, *_) = await traced(server)
    assert (entry["action"], entry["subject"], entry["after"]["trace"]) == ("tools.call", "notes_write", trace["id"])
    assert entry["after"]["arguments"] == {"path": "b.txt", "content": "x" * 200 + "…"}


def test_the_audit_log_is_told_no_secret():
    arguments = {"name": "ann", "api_key": ["a", "b"], "body": {"password": "hunter2", "age": 7}, "author": "Bea"}
    assert brief(arguments) == {
        "name": "ann", "api_key": "[hidden]", "body": '{"password":[hidden],"age":7}', "author": "Bea",
    }  # fmt: skip


async def test_what_tools_are_told_is_not_kept_where_content_is_not(tmp_path):
    async with run_server(tmp_path / "home", Settings(traces=TraceSettings(content=False))) as server:
        await call(server, "calculator", expression="6*7")
        (trace,) = await traced(server)
    said = trace["spans"][0]["attributes"]
    assert said["gen_ai.tool.name"] == "calculator" and not {name for name in said if "tool.call" in name}


async def test_the_server_itself_is_not_fetched(server):
    for path in ("/metrics", "/api/v1/keys"):
        _, result = await call(server, "fetch_page", url=server.url + path)
        assert result["failed"] and "address" in result["text"]


async def test_documents_are_searched_by_the_road(server):
    form = aiohttp.FormData()
    form.add_field("files", b"Lunch is at noon on every day.", filename="lunch.txt")
    async with server.session.post(f"{server.url}/api/v1/collections/default/documents", data=form) as answer:
        assert answer.status == 202
        job = (await answer.json())["job"]["id"]
    async with server.session.get(f"{server.url}/api/v1/jobs/{job}/events") as events:
        await events.read()
    status, result = await call(server, "search_documents", query="When is lunch?")
    assert (status, result["failed"]) == (200, False)
    assert "lunch.txt" in result["text"] and "noon" in result["data"][0]["text"]


async def test_a_caller_that_goes_away_ends_the_call(server):
    started, ended = asyncio.Event(), asyncio.Event()

    class Slow:
        async def tools(self, scope):
            return [self]

        @property
        def spec(self):
            from guru.agents.tools.base import ToolSpec

            return ToolSpec(name="slow", description="Slow.", parameters={"type": "object"})

        async def call(self, arguments, context):
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    server.services.tools.sources.append(Slow())
    asking = asyncio.create_task(call(server, "slow"))
    await started.wait()
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(10):
        await ended.wait()


async def test_each_sees_and_calls_what_is_his(tmp_path):
    (tmp_path / "notes").mkdir()
    files = {"notes": FilesToolSettings(root=str(tmp_path / "notes"), allow=["user:ann"])}
    settings = Settings(server=ServerSettings(require_key=True), tools=ToolsSettings(files=files))
    async with run_server(tmp_path / "home", settings) as server:
        secrets = {}
        for tenant, name, values in (
            ("local", "ann", {"user": "ann"}), ("local", "ben", {"user": "ben"}), ("local", "eye", {"role": "viewer"}),
            ("local", "boss", {"role": "admin"}), ("acme", "chief", {"role": "admin"}),
        ):  # fmt: skip
            boss = Caller(tenant=tenant, route="", trace_id="", role="admin")
            if user := values.get("user"):
                from guru.gateway.identity.records import User

                await server.services.changes.create_user(boss, User(tenant=tenant, name=user))
            key = Key(id="", tenant=tenant, name=name, hash=b"", **values)
            _, secrets[name] = await server.services.changes.create_key(boss, key)
        for name, sees in (("ann", True), ("boss", True), ("ben", False), ("chief", False)):
            _, found = await ask(server, "GET", "/api/v1/tools", secrets[name])
            assert (name, "notes_read" in str(found)) == (name, sees)
            status, _ = await call(server, "notes_list", secrets[name])
            assert (name, status) == (name, 200 if sees else 404)
        assert (await call(server, "calculator", secrets["eye"], expression="1"))[0] == 403
        assert (await ask(server, "GET", "/api/v1/tools"))[0] == 401
