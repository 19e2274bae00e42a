"""A stream that the provider cuts: an error that clients of every API see; before the first token, another answers."""

import asyncio
import json
from contextlib import aclosing

import aiohttp
import anthropic
import ollama
import openai
import pytest

from faults.rig import (
    FIRST_A,
    begin_then,
    configuration,
    cut,
    gateway,
    providers,
    reset,
)  # fmt: skip

ASKED = [{"role": "user", "content": "Hi"}]


async def from_chat(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(model="robust", messages=ASKED, stream=True)
        async for chunk in stream:
            for choice in chunk.choices:
                yield choice.delta.content or ""


async def from_completions(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        async for chunk in await client.completions.create(model="robust", prompt="Hi", stream=True):
            for choice in chunk.choices:
                yield choice.text


async def from_responses(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        ended = None
        async for event in await client.responses.create(model="robust", input="Hi", stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta
            ended = event
        if ended.type != "response.completed":
            raise ConnectionError(ended.type)


async def from_anthropic(url):
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client,
        client.messages.stream(model="robust", max_tokens=50, messages=ASKED) as stream,
    ):
        async for text in stream.text_stream:
            yield text
        await stream.get_final_message()


async def from_ollama(url):
    client = ollama.AsyncClient(host=url)
    try:
        async for part in await client.chat(model="robust", messages=ASKED, stream=True):
            yield part.message.content
        assert part.done, "it just ended"
    finally:
        await client._client.aclose()


async def from_guru(url):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/chat", json={"model": "robust", "message": "Hi", "stream": True}) as response,
    ):
        assert response.status == 200, await response.text()
        name = None
        async for line in response.content:
            if line.startswith(b"event: "):
                name = line[7:].strip()
                if name == b"error":
                    raise ConnectionError
            elif line.startswith(b"data: ") and name == b"delta":
                yield json.loads(line[6:])["text"]
        assert name == b"done"


async def from_socket(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/api/v1/chat/ws") as socket:
        await socket.send_json({"type": "message", "model": "robust", "message": "Hi"})
        while (event := await socket.receive_json())["type"] != "done":
            if event["type"] == "error":
                raise ConnectionError
            if event["type"] == "delta":
                yield event["text"]


CLIENTS = [from_chat, from_responses, from_anthropic, from_ollama, from_guru, from_socket]
SEEN = (openai.APIError, anthropic.APIError, ollama.ResponseError, ConnectionError)


@pytest.mark.parametrize("ending", [cut, reset], ids=["cut", "reset"])
async def test_a_cut_stream_is_an_error_in_every_api(tmp_path, ending):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a)) as guru:
        for client in CLIENTS:
            arrived = asyncio.Event()

            async def cut_when_read(call, arrived=arrived):
                await arrived.wait()
                await ending(call)

            a.usual = begin_then("one ", "two", then=cut_when_read)
            got = ""
            with pytest.raises(SEEN):
                async with aclosing(client(guru.url)) as texts:
                    async for text in texts:
                        got += text
                        if got == "one two":
                            arrived.set()
            assert got == "one two", client
        await guru.at_rest()


async def test_before_the_first_token_another_answers_in_every_api(tmp_path):
    async with providers(2) as (a, b), gateway(tmp_path / "home", configuration(a, b, alias=FIRST_A)) as guru:
        a.usual = begin_then(then=cut)
        for number, client in enumerate(CLIENTS, start=1):
            got = [text async for text in client(guru.url)]
            assert ("".join(got), len(a.calls)) == ("Hello there", number), client
        await guru.at_rest()
