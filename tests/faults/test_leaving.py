"""A client that goes away ends the calls that were made for it, at every stage, and pays for no more than was sent."""

import asyncio

import pytest

from faults.rig import FIRST_A, begin_then, configuration, fail, gateway, providers, silence, until


async def leave(client):
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)


async def check(guru, *upstreams):
    """Nothing is left of the calls, and none is billed that was not sent."""
    await guru.at_rest()
    calls = [call for upstream in upstreams for call in upstream.calls]
    for call in calls:
        if not call.billed:
            await until(call.gone.is_set, "the provider still works for nobody")
    made, totals = await guru.books()
    billed = [call for call in made if call.get("prompt_tokens")]
    assert len(billed) <= len(calls)
    assert totals["cancelled"] == totals["requests"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_before_the_first_byte_in_the_middle_and_while_hedging(tmp_path, stream):
    async with providers(2) as (a, b):
        hedged = '[models.hedged]\nhedge_after = 0.01\ndeployments = [{ model = "a/m" }, { model = "b/m" }]'
        async with gateway(tmp_path / "home", configuration(a, b, alias=FIRST_A, more=hedged)) as guru:
            a.usual = b.usual = silence
            client = asyncio.create_task(guru.chat(stream=stream))
            await until(lambda: len(a.calls) == 1)
            await leave(client)
            client = asyncio.create_task(guru.chat(stream=stream, model="hedged"))
            await until(lambda: (len(a.calls), len(b.calls)) == (2, 1))
            await leave(client)
            if stream:
                a.usual = begin_then("one", "two")
                body = {"model": "robust", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
                async with guru.session.post(f"{guru.url}/v1/chat/completions", json=body) as response:
                    await response.content.readany()
                    response.close()
            await check(guru, a, b)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_while_a_retry_waits(tmp_path, stream):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a)) as guru:
        a.usual = fail(429, retry_after="15")
        client = asyncio.create_task(guru.chat(stream=stream))
        await until(lambda: guru.health("a/gpt-4o").failures == 1)
        await leave(client)
        await guru.at_rest()
        assert len(a.calls) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_in_the_queue_for_a_connection(tmp_path, stream):
    async with (
        providers(1) as (a,),
        gateway(tmp_path / "home", configuration(a, options="max_connections = 1")) as guru,
    ):
        a.usual = silence
        first = asyncio.create_task(guru.chat("first"))
        await until(lambda: a.calls)
        second = asyncio.create_task(guru.chat("second", stream=stream))
        await until(lambda: guru.health("a/gpt-4o").in_flight == 2)
        await leave(second)
        await until(lambda: guru.health("a/gpt-4o").in_flight == 1)
        await leave(first)
        await check(guru, a)
        assert len(a.calls) == 1


async def test_a_socket_that_closes(tmp_path):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a)) as guru:
        for number, act in enumerate((silence, begin_then("one")), start=1):
            a.usual = act
            async with guru.session.ws_connect(f"{guru.url}/api/v1/chat/ws") as socket:
                await socket.send_json({"type": "message", "model": "robust", "message": "Hi"})
                await until(lambda number=number: len(a.calls) == number)
        await check(guru, a)


DOORS = {
    "/v1/completions": {"model": "robust", "prompt": "Hi"},
    "/v1/responses": {"model": "robust", "input": "Hi"},
    "/v1/messages": {"model": "robust", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/embeddings": {"model": "robust", "input": "Hi"},
    "/v1/moderations": {"model": "robust", "input": "Hi"},
    "/v1/rerank": {"model": "robust", "query": "Hi", "documents": ["a", "b"]},
    "/v1/images/generations": {"model": "robust", "prompt": "Hi"},
    "/v1/audio/speech": {"model": "robust", "input": "Hi", "voice": "alloy"},
    "/api/chat": {"model": "robust", "messages": [{"role": "user", "content": "Hi"}], "stream": False},
    "/api/generate": {"model": "robust", "prompt": "Hi"},
    "/api/embed": {"model": "robust", "input": "Hi"},
    "/api/v1/chat": {"model": "robust", "message": "Hi"},
}


async def test_at_every_door(tmp_path):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a)) as guru:
        a.usual = silence
        for number, (door, body) in enumerate(DOORS.items(), start=1):
            client = asyncio.create_task(guru.post(door, body))
            await until(lambda number=number, client=client: len(a.calls) == number or client.done(), door)
            assert not client.done(), (door, client.result())
            await leave(client)
            await until(a.calls[-1].gone.is_set, f"{door}: the provider still works for nobody")
        await check(guru, a)
