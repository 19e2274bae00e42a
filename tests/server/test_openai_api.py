"""The official client against a real server, whose model follows a script."""

import asyncio
import base64

import numpy as np
import openai
import pytest

from guru.errors import (
    ContextTooLong,
    InvalidParameter,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    UpstreamRateLimited,
)
from guru.types import Completed, Delta, Finished, TokenLogprob, ToolCallDelta, TopLogprob, Usage
from scripted import say

ASK = {"model": "default", "messages": [{"role": "user", "content": "Hi"}]}


async def test_an_answer_has_its_text_usage_and_headers(server):
    raw = await server.openai.chat.completions.with_raw_response.create(**ASK)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Hello there."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 8
    assert answer.model == raw.headers["x-guru-model"] == "test/scripted"
    assert raw.headers["x-guru-trace-id"].startswith("tr_")
    assert (raw.headers["x-guru-cost"], raw.headers["x-guru-cache"]) == ("unknown", "miss")


async def test_a_stream_says_the_same_piece_by_piece(server):
    server.model.script = say("One ", "two ", "three.")
    stream = await server.openai.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two three."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.completion_tokens == 3
    assert chunks[-1].choices == []


async def test_every_parameter_reaches_the_model(server):
    await server.openai.chat.completions.create(
        **ASK, temperature=0.5, top_p=0.9, seed=7, stop=["\n"], max_tokens=5, presence_penalty=0.1, logit_bias={"5": 1},
        user="anna", extra_body={"min_p": 0.1, "mirostat": 2},
    )  # fmt: skip
    (request,) = server.model.requests
    assert (request.temperature, request.top_p, request.seed, request.stop) == (0.5, 0.9, 7, ["\n"])
    assert (request.max_tokens, request.presence_penalty, request.logit_bias) == (5, 0.1, {"5": 1})
    assert (request.user, request.min_p, request.extra) == ("anna", 0.1, {"mirostat": 2})


async def test_several_choices_are_told_apart(server):
    server.model.script = [
        Delta(index=1, text="B"), Delta(index=0, text="A"), Finished("stop", 0), Finished("length", 1),
        Completed(model="test/scripted", usage=Usage(3, 2)),
    ]  # fmt: skip
    answer = await server.openai.chat.completions.create(**ASK, n=2)
    assert [(c.message.content, c.finish_reason) for c in answer.choices] == [("A", "stop"), ("B", "length")]


async def test_tool_calls_come_whole_and_in_pieces(server):
    server.model.script = [
        Delta(tool_calls=[ToolCallDelta(0, "call_1", "weather", "")]),
        Delta(tool_calls=[ToolCallDelta(0, arguments='{"city": ')]),
        Delta(tool_calls=[ToolCallDelta(0, arguments='"Bern"}')]),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(9, 5)),
    ]
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    answer = await server.openai.chat.completions.create(**ASK, tools=tools, tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city": "Bern"}')
    assert answer.choices[0].finish_reason == "tool_calls"
    stream = await server.openai.chat.completions.create(**ASK, tools=tools, stream=True)
    pieces = [c.choices[0].delta.tool_calls[0] async for c in stream if c.choices and c.choices[0].delta.tool_calls]
    assert "".join(piece.function.arguments for piece in pieces) == '{"city": "Bern"}'


async def test_response_format_and_logprobs(server):
    top = [TopLogprob("{}", -0.1, [123, 125])]
    server.model.script = [
        Delta(text="{}", logprobs=[TokenLogprob("{}", -0.1, [123, 125], top)]), Finished("stop"),
        Completed(model="test/scripted", usage=Usage(3, 1)),
    ]  # fmt: skip
    schema = {"type": "json_schema", "json_schema": {"name": "empty", "schema": {"type": "object"}}}
    answer = await server.openai.chat.completions.create(**ASK, response_format=schema, logprobs=True, top_logprobs=1)
    assert answer.choices[0].logprobs.content[0].top_logprobs[0].token == "{}"
    assert server.model.requests[0].response_format == schema


@pytest.mark.parametrize(
    ("error", "kind", "status", "code"),
    [
        (
            InvalidParameter("`mirostat` is unknown.", param="mirostat"),
            openai.BadRequestError,
            400,
            "invalid_parameter",
        ),
        (ContextTooLong("Too long.", hint="Shorten it."), openai.BadRequestError, 400, "context_length_exceeded"),
        (UpstreamRateLimited("Slowly."), openai.RateLimitError, 429, "upstream_rate_limited"),
        (ModelError("It broke."), openai.InternalServerError, 502, "model_error"),
        (ModelUnavailable("It restarts."), openai.InternalServerError, 503, "model_unavailable"),
        (ModelTimeout("It hangs."), openai.InternalServerError, 504, "model_timeout"),
        (ZeroDivisionError("secret detail"), openai.InternalServerError, 502, "model_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_have_openais_shape(server, error, kind, status, code, stream):
    server.model.script = [error]
    with pytest.raises(kind) as raised:
        await server.openai.chat.completions.create(**ASK, stream=stream)
    assert raised.value.status_code == status
    assert raised.value.code == code
    assert "secret" not in str(raised.value)
    assert "Traceback" not in str(raised.value)


async def test_an_unknown_model_is_named(server):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'") as raised:
        await server.openai.chat.completions.create(**ASK | {"model": "gpt-9"})
    assert raised.value.code == "model_not_found"
    assert raised.value.body["param"] == "model"


async def test_a_wrong_body_says_where(server):
    with pytest.raises(openai.BadRequestError) as raised:
        await server.openai.chat.completions.create(model="default", messages=[{"role": "king", "content": "x"}])
    assert raised.value.body["param"] == "messages[0].role"
    status, body = await server.request("POST", "/v1/chat/completions", data=b'{"model": ')
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"
    assert "not valid JSON" in body["error"]["message"]


async def test_an_error_in_the_middle_of_a_stream_is_not_a_clean_end(server):
    server.model.script = [Delta(text="Half an "), ModelUnavailable("The model stopped.", hint="Try again.")]
    stream = await server.openai.chat.completions.create(**ASK, stream=True)
    first = await anext(stream)
    assert first.choices[0].delta.content == "Half an "
    with pytest.raises(openai.APIError, match=r"The model stopped\. Try again\."):
        await anext(stream)
    events = await server.events("/v1/chat/completions", ASK | {"stream": True})
    assert "error" in events[-1][1]
    assert "[DONE]" not in [data for _, data in events]


async def test_text_completions_of_several_prompts(server):
    server.model.script = say("…and on")
    answer = await server.openai.completions.create(model="default", prompt=["Once", "Twice"], n=1, echo=False)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "…and on"), (1, "…and on")]
    assert answer.usage.prompt_tokens == 14
    assert [request.prompt for request in server.model.requests] == ["Once", "Twice"]
    stream = await server.openai.completions.create(model="default", prompt="Once", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream if chunk.choices]) == "…and on"


async def test_embeddings_as_numbers_and_as_bytes(server):
    texts = ["the sea", "a mountain"]
    numbers = await server.openai.embeddings.create(model="embedding", input=texts, encoding_format="float")
    _, raw = await server.post(
        "/v1/embeddings", {"model": "embedding", "input": texts, "encoding_format": "base64"}
    )  # fmt: skip
    decoded = np.frombuffer(base64.b64decode(raw["data"][1]["embedding"]), "<f4")
    assert np.allclose(decoded, numbers.data[1].embedding, atol=1e-6)
    assert numbers.model == "test/words"
    assert numbers.usage.prompt_tokens == 4


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"dimensions": 3}, "dimensions"),
        ({"input": []}, "input"),
        ({"input": ["fine", ""]}, "input[1]"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_embeddings_refuse_what_they_cannot_do(server, change, param):
    status, body = await server.post("/v1/embeddings", {"model": "embedding", "input": "text"} | change)
    assert (status, body["error"]["param"]) == (400, param)


async def test_models_are_listed_with_their_aliases(server):
    listed = [model.id async for model in server.openai.models.list()]
    assert listed == ["test/scripted", "default", "test/words", "embedding"]
    assert (await server.openai.models.retrieve("test/scripted")).owned_by == "test"
    with pytest.raises(openai.NotFoundError):
        await server.openai.models.retrieve("none")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_the_model(server, stream):
    server.model.script = [Delta(text="Slowly"), 30, *say("never")]
    connection = server.session.post(f"{server.url}/v1/chat/completions", json=ASK | {"stream": stream})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), connection as response:
            await response.read()
    async with asyncio.timeout(5):
        while not server.model.cancelled:
            await asyncio.sleep(0.01)
        while not (traces := (await server.get("/api/v1/traces"))[1]["traces"]):
            await asyncio.sleep(0.01)
    assert traces[0]["status"] == "cancelled"
    assert traces[0]["completion_tokens"] > 0


async def test_a_client_that_reads_slowly_gets_everything(server):
    server.model.script = say(*["word " * 200] * 2000)
    async with server.session.post(f"{server.url}/v1/chat/completions", json=ASK | {"stream": True}) as response:
        await asyncio.sleep(0.3)
        text = await response.text()
    assert text.count("word ") == 400_000
    assert text.endswith("data: [DONE]\n\n")


async def test_a_silent_stream_is_kept_alive(server, monkeypatch):
    monkeypatch.setattr("guru.server.sse.KEEP_ALIVE", 0.05)
    monkeypatch.setattr("guru.server.sse.PATIENCE", 0.05)
    server.model.script = [0.4, *say("At last.")]
    async with server.session.post(f"{server.url}/v1/chat/completions", json=ASK | {"stream": True}) as response:
        text = await response.text()
    assert ": keep-alive\n\n" in text
    assert "At last." in text
