"""Doors over a provider of another format: Ollama's, OpenAI's and Anthropic's clients, with Gemini behind them.

Each streams a call of a tool, and sends it back with its result; Gemini must find its signature there.
"""

import json

import anthropic
import ollama
import pytest

from guru.config import ProviderSettings
from guru.models import providers
from guru.models.http import HttpClient
from models.providers.conformance import KEY
from models.providers.replay import replaying
from models.providers.test_gemini import error, piece, stream, whole
from scripted import TestModels, run_server

MODEL = "google/gemini-3-pro"
SIGNED = {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "c2ln"}
CALL = stream(piece({"text": "I look.", "thought": True}), piece(SIGNED, reason="STOP"))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ASKED = [{"role": "user", "content": "Weather?"}]


class GeminiModels(TestModels):
    def __init__(self, url):
        super().__init__()
        self.http = HttpClient()
        settings = ProviderSettings(kind="gemini", api_key=KEY, base_url=f"{url}/v1beta")
        self.provider = providers.create("google", settings, self.http)

    def chat_model(self, name):
        if name.startswith("google/"):
            return self.provider.chat_model(name.removeprefix("google/"))
        return super().chat_model(name)

    async def aclose(self):
        await self.http.aclose()


@pytest.fixture
async def upstream():
    async with replaying() as upstream:
        yield upstream


@pytest.fixture
async def server(tmp_path, upstream):
    async with run_server(tmp_path / "home", models=GeminiModels(upstream.url)) as running:
        yield running


def check_return(upstream, *, signature="c2ln"):
    """What Gemini is sent: the call with its signature, and the result that belongs to it."""
    _, called, result = upstream.last.json["contents"]
    (call,), (response,) = called["parts"], result["parts"]
    assert call["thoughtSignature"] == signature
    assert (call["functionCall"]["name"], call["functionCall"]["args"]) == ("weather", {"city": "Bern"})
    assert response["functionResponse"]["id"] == call["functionCall"]["id"]
    assert response["functionResponse"]["response"] == {"output": "sun"}


async def test_anthropics_client(server, upstream):
    upstream.say(CALL)
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0) as client:
        async with client.messages.stream(model=MODEL, max_tokens=99, messages=ASKED, tools=tools) as events:
            message = await events.get_final_message()
        assert message.stop_reason == "tool_use"
        (call,) = [block for block in message.content if block.type == "tool_use"]
        assert call.input == {"city": "Bern"}
        upstream.say(whole({"text": "Sun."}))
        history = [
            *ASKED,
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sun"}]},
        ]
        answer = await client.messages.create(model=MODEL, max_tokens=99, messages=history, tools=tools)
        assert answer.content[0].text == "Sun."
    check_return(upstream)


async def test_openais_client(server, upstream):
    upstream.say(CALL)
    create = server.openai.chat.completions.create
    chunks = [chunk async for chunk in await create(model=MODEL, messages=ASKED, tools=[FUNCTION], stream=True)]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    parts = [part for delta in deltas for part in delta.tool_calls or ()]
    blocks = [block for delta in deltas for block in getattr(delta, "thinking_blocks", None) or ()]
    arguments = "".join(part.function.arguments for part in parts)
    assert json.loads(arguments) == {"city": "Bern"}
    function = {"name": "weather", "arguments": arguments}
    called = {"role": "assistant", "tool_calls": [{"id": parts[0].id, "type": "function", "function": function}]}
    result = {"role": "tool", "tool_call_id": parts[0].id, "content": "sun"}
    upstream.say(whole({"text": "Sun."}))
    for kept, signature in (({"thinking_blocks": blocks}, "c2ln"), ({}, "skip_thought_signature_validator")):
        answer = await create(model=MODEL, messages=[*ASKED, called | kept, result], tools=[FUNCTION])
        assert answer.choices[0].message.content == "Sun."
        check_return(upstream, signature=signature)


async def test_ollamas_client(server, upstream):
    upstream.say(CALL)
    async with ollama.AsyncClient(host=server.url) as client:
        stream = await client.chat(MODEL, ASKED, tools=[FUNCTION], stream=True, think="low")
        parts = [part async for part in stream]
        assert "".join(part.message.thinking or "" for part in parts) == "I look."
        assert upstream.last.json["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"
        (message,) = [part.message for part in parts if part.message.tool_calls]
        upstream.say(whole({"text": "Sun."}))
        result = {"role": "tool", "tool_name": "weather", "content": "sun"}
        answer = await client.chat(MODEL, [*ASKED, message, result], tools=[FUNCTION])
        assert answer.message.content == "Sun."
        check_return(upstream, signature="skip_thought_signature_validator")
        upstream.say(error(429, "Quota exceeded.", "RESOURCE_EXHAUSTED"))
        with pytest.raises(ollama.ResponseError, match="Quota exceeded") as raised:
            await client.chat(MODEL, ASKED)
        assert raised.value.status_code == 429
