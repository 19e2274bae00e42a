"""Every method that the official clients have: it works, or the answer says in the client's own shape why it does not.

A method that a newer client brings is found here by itself: it has to be refused as an address that is not there,
until Guru has it and `WORK` says so.
"""

import asyncio
import inspect
import warnings

import anthropic
import ollama
import openai
import pytest
from pydantic import BaseModel

from guru.types import Completed, Delta, Finished, TokenLogprob, ToolCallDelta, TopLogprob, Usage
from scripted import say

ASK = {"model": "default", "messages": [{"role": "user", "content": "Hello?"}]}
GIVEN = {"file": ("lines.jsonl", b"{}"), "image": ("image.png", b"png"), "data": b"bytes", "video": b"bytes"}
"""What a parameter without a default is given; others get a word."""
COUNTED = {"model": "default", "input": "Hello?"}
WORK = {
    "openai.batches.list": {},
    "openai.chat.completions.create": ASK,
    "openai.chat.completions.parse": ASK,
    "openai.completions.create": {"model": "default", "prompt": "Hello?"},
    "openai.embeddings.create": {"model": "embedding", "input": "Hello?"},
    "openai.files.create": {"file": ("lines.jsonl", b"{}"), "purpose": "batch"},
    "openai.files.list": {},
    "openai.models.list": {},
    "openai.models.retrieve": {"model": "default"},
    "openai.responses.create": COUNTED,
    "openai.responses.parse": COUNTED,
    "openai.responses.input_tokens.count": COUNTED,
    "anthropic.messages.count_tokens": ASK,
    "anthropic.messages.create": ASK | {"max_tokens": 9},
    "anthropic.messages.parse": ASK | {"max_tokens": 9},
    "anthropic.models.list": {},
    "anthropic.models.retrieve": {"model_id": "default"},
    "ollama.chat": ASK,
    "ollama.embed": {"model": "embedding", "input": "Hello?"},
    "ollama.embeddings": {"model": "embedding", "prompt": "Hello?"},
    "ollama.generate": {"model": "default", "prompt": "Hello?"},
    "ollama.list": {},
    "ollama.ps": {},
    "ollama.show": {"model": "default"},
}
"""What works with these arguments alone. Methods that need something made before have tests beside their doors."""
NOT_ASKED = {
    "stream", "tool_runner", "thread", "connect", "close", "unwrap", "verify_signature", "parse_unverified", "poller",
    "worker", "upload_file_chunked", "web_search", "web_fetch", "systemone", "request",
}  # fmt: skip
"""Methods that ask nobody by themselves, open a WebSocket, or speak to the maker's own server."""
PRUNED = {"admin", "organization", "beta"}
"""The accounts of the maker's own customers, and what is tried out there."""


@pytest.fixture
async def claude(server):
    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0, http_client=http) as client:
        yield client


def methods(client, name):
    """Every method below a client as `(openai.files.list, method)`."""
    for key in dir(type(client)):
        if key.startswith(("_", "with_")) or key in PRUNED | NOT_ASKED:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = getattr(client, key)
        if ".resources" in type(value).__module__:
            yield from methods(value, f"{name}.{key}")
        elif inspect.ismethod(value) and (".resources" in type(client).__module__ or name == "ollama"):
            yield f"{name}.{key}", value


def required(method):
    parameters = inspect.signature(method).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        each.name: GIVEN.get(each.name, "word")
        for each in parameters
        if each.default is inspect.Parameter.empty and each.kind in kinds
    }


async def check_every_method(client, name, failure, least):
    """Call every method; those of `WORK` work, and all others are refused by an error of the client's own."""
    found = dict(methods(client, name))
    assert len(found) > least
    assert {known for known in WORK if known.startswith(f"{name}.")} <= found.keys()
    for path, method in found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path in WORK:
                await method(**WORK[path])
                continue
            try:
                await method(**required(method))
            except failure as error:
                status = error.status_code
                text = error.error if name == "ollama" else error.body
                message = text if isinstance(text, str) else (text.get("error", text))["message"]
                assert 400 <= status < 500, (path, status)
                assert len(message) > 15, (path, message)
            except (TypeError, ValueError, RuntimeError, AttributeError, OSError):
                pass  # the client itself wants more than a word, and asked nobody
            else:
                raise AssertionError(f"{path} works: add it to WORK")


async def test_every_method_of_openais_client_works_or_is_refused(server):
    await check_every_method(server.openai, "openai", openai.APIStatusError, 100)


async def test_every_method_of_anthropics_client_works_or_is_refused(claude):
    await check_every_method(claude, "anthropic", anthropic.APIStatusError, 10)


async def test_every_method_of_ollamas_client_works_or_is_refused(server):
    async with ollama.AsyncClient(host=server.url) as client:
        await check_every_method(client, "ollama", ollama.ResponseError, 8)


# ---------------------------------------------------------------------------- OpenAI


class City(BaseModel):
    name: str
    people: int


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
            "additionalProperties": False,
        },
    },
}  # fmt: skip
TWO_CALLS = [
    ToolCallDelta(0, id="call_1", name="weather", arguments='{"city": '),
    ToolCallDelta(0, arguments='"Rome"}'),
    ToolCallDelta(1, id="call_2", name="weather", arguments='{"city": "Oslo"}'),
]


def calling():
    return [
        *(Delta(tool_calls=[call]) for call in TWO_CALLS),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(5, 9)),
    ]


async def test_openais_stream_helper_gathers_calls_and_usage(server):
    server.model.script = calling()
    kinds = []
    async with server.openai.chat.completions.stream(
        **ASK, tools=[TOOL], parallel_tool_calls=True, stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("tool_calls.function.arguments.done") == 2
    assert [call.function.parsed_arguments for call in final.choices[0].message.tool_calls] == [
        {"city": "Rome"}, {"city": "Oslo"},
    ]  # fmt: skip
    assert (final.choices[0].finish_reason, final.usage.total_tokens) == ("tool_calls", 14)


async def test_openais_parse_gives_objects(server):
    server.model.script = say('{"name": "Rome", ', '"people": 3}')
    parsed = await server.openai.chat.completions.parse(**ASK, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Rome", people=3)
    (request,) = server.model.requests
    assert request.response_format["type"] == "json_schema"
    async with server.openai.chat.completions.stream(**ASK, response_format=City) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.parsed == City(name="Rome", people=3)
    async with server.openai.responses.stream(model="default", input="Hello?", text_format=City) as stream:
        response = await stream.get_final_response()
    assert response.output_parsed == City(name="Rome", people=3)


async def test_openais_synchronous_client(server):
    def ask():
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            whole = client.chat.completions.create(**ASK).choices[0].message.content
            pieces = [
                chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ASK, stream=True)
            ]
            vectors = client.embeddings.create(model="embedding", input=["a", "b"]).data
            listed = [model.id for model in client.models.list()]
            return whole, "".join(pieces), len(vectors), listed

    whole, pieces, vectors, listed = await asyncio.to_thread(ask)
    assert (whole, pieces, vectors) == ("Hello there.", "Hello there.", 2)
    assert "default" in listed


CARRIED = {
    "max_completion_tokens": 50,
    "reasoning_effort": "low",
    "verbosity": "low",
    "prediction": {"type": "content", "content": "Hello"},
    "store": True,
    "metadata": {"job": "nightly"},
    "service_tier": "flex",
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "web_search_options": {"search_context_size": "low"},
    "modalities": ["text"],
    "top_logprobs": 2,
    "logprobs": True,
}


@pytest.mark.parametrize("name", CARRIED)
async def test_no_parameter_of_openais_chat_is_lost_on_the_way_to_the_model(server, name):
    given = {name: CARRIED[name]} | ({"logprobs": True} if name == "top_logprobs" else {})
    await server.openai.chat.completions.create(**ASK, **given)
    (request,) = server.model.requests
    field = {"max_completion_tokens": "max_tokens"}.get(name, name)
    found = request.extra.get(name, getattr(request, field, None))
    assert found == CARRIED[name] or getattr(found, "effort", None) == CARRIED[name], (name, found)


async def test_a_developer_speaks_as_the_system_does(server):
    messages = [{"role": "developer", "content": "Be brief."}, *ASK["messages"]]
    await server.openai.chat.completions.create(model="default", messages=messages)
    (request,) = server.model.requests
    assert request.messages[0].role in ("developer", "system")
    assert request.messages[0].text == "Be brief."


async def test_logprobs_come_with_a_stream(server):
    token = TokenLogprob("Hi", -0.1, top_logprobs=[TopLogprob("Hi", -0.1), TopLogprob("Ho", -2.0)])
    server.model.script = [
        Delta(text="Hi", logprobs=[token]), Finished("stop"), Completed(model="test/scripted", usage=Usage(1, 1)),
    ]  # fmt: skip
    stream = await server.openai.chat.completions.create(**ASK, logprobs=True, top_logprobs=2, stream=True)
    tokens = [
        each
        async for chunk in stream
        if chunk.choices and chunk.choices[0].logprobs
        for each in chunk.choices[0].logprobs.content or []
    ]
    assert [(each.token, [top.token for top in each.top_logprobs]) for each in tokens] == [("Hi", ["Hi", "Ho"])]


async def test_the_tokens_of_a_response_are_counted(server):
    counted = await server.openai.responses.input_tokens.count(model="default", input="Hello there, how are you?")
    assert counted.object == "response.input_tokens"
    short = counted.input_tokens
    first = await server.openai.responses.create(model="default", input="A question before. " * 20)
    longer = await server.openai.responses.input_tokens.count(
        model="default", input="Hello there, how are you?", previous_response_id=first.id
    )
    assert longer.input_tokens > short + 20
    with pytest.raises(openai.NotFoundError, match="no model"):
        await server.openai.responses.input_tokens.count(model="nothing", input="x")


# ------------------------------------------------------------------------- Anthropic


async def test_anthropics_tool_runner_runs_to_the_answer(server, claude):
    asked = []

    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        server.model.script = say("Sunny in both.")
        return "sunny"

    server.model.script = calling()
    runner = claude.beta.messages.tool_runner(**ASK, max_tokens=99, tools=[weather])
    final = await runner.until_done()
    assert asked == ["Rome", "Oslo"]
    assert final.content[0].text == "Sunny in both."
    assert [message.role for message in server.model.requests[-1].messages][-2:] == ["tool", "tool"]


@pytest.mark.parametrize("beta", [False, True])
async def test_anthropics_parse_gives_objects(server, claude, beta):
    server.model.script = say('{"name": "Rome", "people": 3}')
    messages = claude.beta.messages if beta else claude.messages
    found = await messages.parse(**ASK, max_tokens=99, output_format=City)
    assert found.parsed_output == City(name="Rome", people=3)
    assert server.model.requests[0].response_format["type"] == "json_schema"


async def test_anthropics_stream_helper_tells_of_calls_as_they_come(server, claude):
    server.model.script = calling()
    async with claude.messages.stream(**ASK, max_tokens=99) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert "input_json" in kinds
    assert [block.input for block in final.content] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert final.stop_reason == "tool_use"


async def test_anthropics_synchronous_client(server):
    def ask():
        with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0) as client:
            whole = client.messages.create(**ASK, max_tokens=9).content[0].text
            with client.messages.stream(**ASK, max_tokens=9) as stream:
                return whole, "".join(stream.text_stream)

    assert await asyncio.to_thread(ask) == ("Hello there.", "Hello there.")


# ---------------------------------------------------------------------------- Ollama


async def test_ollamas_synchronous_client(server):
    def ask():
        with ollama.Client(host=server.url) as client:
            whole = client.chat(**ASK).message.content
            pieces = [part.message.content for part in client.chat(**ASK, stream=True)]
            written = client.generate(model="default", prompt="Hello?", format=City.model_json_schema()).response
            return whole, "".join(pieces), written, [model.model for model in client.list().models]

    whole, pieces, written, listed = await asyncio.to_thread(ask)
    assert (whole, pieces, written) == ("Hello there.",) * 3
    assert "default" in listed
    assert server.model.requests[-1].response_format["type"] == "json_schema"


async def test_ollama_s_refusals_say_what_to_do(server):
    async with ollama.AsyncClient(host=server.url) as client:
        with pytest.raises(ollama.ResponseError, match=r"guru\.toml"):
            await client.copy("default", "other")
        with pytest.raises(ollama.ResponseError, match="guru models pull"):
            await client.create(model="other", from_="default")
        with pytest.raises(ollama.ResponseError, match="publishes"):
            await client.push("default")
