"""Servers that are programs."""

import asyncio
import json
import os

import psutil
import pytest
from programs import ADD, tool

from guru.agents.mcp.client.channel import ServerGone
from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.stdio import StdioChannel
from guru.errors import GuruError, ModelTimeout


async def test_a_program_is_greeted_listed_and_called(program):
    program.offer(ADD)
    async with program.client() as client:
        assert client.revision == "2025-11-25"
        [add] = await client.tools()
        result = await client.call(add, {"a": 2, "b": 3})
        assert (result["content"][0]["text"], result["structuredContent"]) == ("5", {"sum": 5})


async def test_many_calls_at_once_each_get_their_own_answer(program):
    program.offer(ADD)
    async with program.client() as client:
        results = await asyncio.gather(*(client.call(ADD, {"a": n, "b": 1}) for n in range(50)))
        assert [int(result["content"][0]["text"]) for result in results] == list(range(1, 51))


async def test_progress_is_told(program):
    heard = []
    program.offer(tool("progress"))
    async with program.client() as client:
        await client.call(tool("progress"), {}, progress=lambda *said: heard.append(said))
    assert heard == [(1, 2, None), (2, 2, None)]


async def test_a_program_gets_no_secret_of_ours(program, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    program.offer(tool("env"))
    async with program.client(env={"TOKEN": "its own"}) as client:
        seen = json.loads((await client.call(tool("env"), {}))["content"][0]["text"])
    assert seen["TOKEN"] == "its own" and "OPENAI_API_KEY" not in seen and seen["PATH"] == os.environ["PATH"]


async def test_a_call_that_takes_too_long_is_cancelled_and_the_program_told(program):
    program.offer(ADD)
    async with program.client(timeout=1.0) as client:
        with pytest.raises(ModelTimeout):
            await client.call(tool("hang"), {})
        assert (await client.call(ADD, {"a": 1, "b": 1}))["content"][0]["text"] == "2"
        while not any("cancelled" in line for line in client._channel._said):
            await asyncio.sleep(0.01)


async def test_a_program_that_dies_says_so_and_what_it_said(program):
    program.offer(ADD)
    async with program.client() as client:
        with pytest.raises(ServerGone, match="has ended") as caught:
            await client.call(tool("die"), {})
        assert "It is over." in str(caught.value)
        with pytest.raises(ServerGone):
            await client.call(ADD, {"a": 1, "b": 1})


async def test_what_is_no_message_is_read_over(program):
    program.offer(ADD)
    async with program.client() as client:
        assert (await client.call(tool("garbage"), {}))["content"][0]["text"] == "still here"


async def test_a_program_ends_with_its_client(program):
    program.offer(ADD)
    async with program.client() as client:
        process = psutil.Process(client._channel._process.pid)
        assert process.is_running()
    assert not process.is_running()


@pytest.mark.parametrize("command", [["/nowhere/program"], ["/"], ["a\0b"]])
async def test_a_program_that_is_none_is_an_error_that_says_so(command):
    client = McpClient(StdioChannel(command, {}), Host("p"), timeout=5)
    with pytest.raises(ServerGone, match="cannot be started"):
        await client.connect()
    await client.aclose()


async def test_a_program_that_says_nothing_is_given_up(tmp_path):
    client = McpClient(StdioChannel(["/bin/sleep", "60"], {}), Host("p"), timeout=0.3)
    with pytest.raises(GuruError):
        await client.connect()
    await client.aclose()
