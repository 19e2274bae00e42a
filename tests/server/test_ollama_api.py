"""Ollama's own client runs unchanged: whole answers and streams, tools, images, structure, embeddings, models."""

import base64
import json

import ollama
import pytest

from guru.config import AliasSettings, Deployment, KeySettings, ProviderSettings, ServerSettings, Settings
from guru.errors import ModelUnavailable
from guru.server.ollama_api import API_VERSION
from guru.types import (
    Completed,
    Delta,
    Finished,
    ImagePart,
    TextRequest,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from scripted import TestModels, run_server, say

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


class WatchedModels(TestModels):
    """Models that can be pulled, by a job of a server's own."""

    def __init__(self):
        super().__init__()
        self.services = None
        self.removed = []

    async def pull(self, tenant, name):
        return await self.services.jobs.submit(tenant, "test-pull", {"name": name})

    async def remove(self, name):
        self.removed.append(name)


@pytest.fixture
async def server(tmp_path):
    models = WatchedModels()
    async with run_server(tmp_path / "home", models=models) as running:
        models.services = running.services
        yield running


@pytest.fixture
async def client(server):
    async with ollama.AsyncClient(host=server.url) as client:
        yield client


def calls(*arguments):
    """A script whose model calls a function once for each of `arguments`, in pieces."""
    return [
        *(
            Delta(tool_calls=[ToolCallDelta(index, call_id, "weather", ""), ToolCallDelta(index, arguments=text[:5])])
            for index, (call_id, text) in enumerate(arguments)
        ),
        *(
            Delta(tool_calls=[ToolCallDelta(index, arguments=text[5:])])
            for index, (_, text) in enumerate(arguments)
        ),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(9, 5)),
    ]  # fmt: skip


async def test_a_chat(server, client):
    answer = await client.chat(
        "default:latest",
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        options={"num_predict": 9, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "seed": 7, "stop": ["x"],
                 "repeat_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3, "typical_p": 0.7,
                 "num_ctx": 4096, "repeat_last_n": 5},
        keep_alive="5m",
        think=False,
    )  # fmt: skip
    assert answer.message.content == "Hello there."
    assert answer.message.role == "assistant"
    assert (answer.done, answer.done_reason, answer.model) == (True, "stop", "default")
    assert (answer.prompt_eval_count, answer.eval_count) == (7, 1)
    assert answer.total_duration > 0
    assert answer.eval_duration > 0
    (request,) = server.model.requests
    assert [message.role for message in request.messages] == ["system", "user"]
    assert (request.max_tokens, request.temperature, request.top_k, request.top_p) == (9, 0.5, 3, 0.9)
    assert (request.min_p, request.seed, request.stop, request.repeat_penalty) == (0.1, 7, ["x"], 1.1)
    assert (request.presence_penalty, request.frequency_penalty, request.typical_p) == (0.2, 0.3, 0.7)
    assert request.reasoning_effort == "none"
    assert request.stream is False
    assert request.extra == {"repeat_last_n": 5}  # how to load a model says nothing to this one


async def test_a_streamed_chat(server, client):
    server.model.script = [Delta(reasoning="Hm."), *say("Hel", "lo")]
    parts = [part async for part in await client.chat("default", [{"role": "user", "content": "Hi"}], stream=True)]
    assert "".join(part.message.content for part in parts) == "Hello"
    assert "".join(part.message.thinking or "" for part in parts) == "Hm."
    assert [part.done for part in parts] == [False, False, False, True]
    assert parts[-1].done_reason == "stop"
    assert server.model.requests[0].stream is True


async def test_streaming_is_the_default(server):
    async with server.session.post(
        f"{server.url}/api/chat", json={"model": "default", "messages": [{"role": "user", "content": "Hi"}]}
    ) as response:
        assert response.headers["content-type"].startswith("application/x-ndjson")
        assert response.headers["x-guru-model"] == "test/scripted"
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [line["done"] for line in lines] == [False, True]


@pytest.mark.parametrize("stream", [False, True])
async def test_tools(server, client, stream):
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
          city: Where
        """
        return city

    server.model.script = calls(("call_1", '{"city": "Bern"}'), (None, '{"city": "Rome"}'))
    asked = [{"role": "user", "content": "Weather?"}]
    answer = await client.chat("default", asked, tools=[weather], stream=stream)
    messages = [part.message async for part in answer] if stream else [answer.message]
    (message,) = [message for message in messages if message.tool_calls]
    assert [call.function.arguments for call in message.tool_calls] == [{"city": "Bern"}, {"city": "Rome"}]
    assert server.model.requests[0].tools[0].function.parameters["properties"]["city"]["type"] == "string"

    results = [{"role": "tool", "tool_name": "weather", "content": text} for text in ("sun", "rain")]
    server.model.script = say("Mixed.")
    await client.chat("default", [*asked, message, *results], tools=[weather])
    _, called, first, second = server.model.requests[1].messages
    ids = [call.id for call in called.tool_calls]
    assert len(set(ids)) == 2
    assert [first.tool_call_id, second.tool_call_id] == ids
    assert json.loads(called.tool_calls[1].function.arguments) == {"city": "Rome"}


async def test_arguments_that_are_no_object_are_an_error(server, client):
    server.model.script = calls(("call_1", '["Bern"]'))
    with pytest.raises(ollama.ResponseError, match="no JSON object") as raised:
        await client.chat("default", [{"role": "user", "content": "Weather?"}])
    assert raised.value.status_code == 502


async def test_images(server, client):
    await client.chat("default", [{"role": "user", "content": "What is this?", "images": [PNG]}])
    text, image = server.model.requests[0].messages[0].content
    assert text.text == "What is this?"
    assert isinstance(image, ImagePart)
    assert image.image_url.url == f"data:image/png;base64,{PNG}"


async def test_structured_output(server, client):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    server.model.script = say('{"n": 1}')
    await client.chat("default", [{"role": "user", "content": "One?"}], format=schema)
    await client.chat("default", [{"role": "user", "content": "One?"}], format="json")
    first, second = server.model.requests
    assert first.response_format["json_schema"]["schema"] == schema
    assert second.response_format == {"type": "json_object"}


async def test_logprobs(server, client):
    top = [TopLogprob("Hi", -0.1, [72, 105])]
    server.model.script = [Delta(text="Hi", logprobs=[TokenLogprob("Hi", -0.1, [72, 105], top)]), *say("!")]
    answer = await client.chat("default", [{"role": "user", "content": "Hi"}], logprobs=True, top_logprobs=1)
    assert answer.logprobs[0].top_logprobs[0].token == "Hi"
    assert server.model.requests[0].top_logprobs == 1


async def test_generate(server, client):
    answer = await client.generate("default", "Why?", system="Be brief.", images=[PNG])
    assert answer.response == "Hello there."
    system, user = server.model.requests[0].messages
    assert system.text == "Be brief."
    assert user.text == "Why?"
    assert len(user.content) == 2
    parts = [part async for part in await client.generate("default", "Why?", stream=True)]
    assert "".join(part.response for part in parts) == "Hello there."
    assert parts[-1].done_reason == "stop"


async def test_generate_continues_bare_text(server, client):
    await client.generate("default", "def f(", raw=True)
    await client.generate("default", "def f(", suffix="return x")
    raw, middle = server.model.requests
    assert isinstance(raw, TextRequest)
    assert (raw.prompt, raw.suffix) == ("def f(", None)
    assert (middle.prompt, middle.suffix) == ("def f(", "return x")


@pytest.mark.parametrize(
    "field", [{"template": "{{ .Prompt }}"}, {"context": [1, 2]}, {"options": {"num_predict": 0}}, {"format": "yaml"},
              {"think": "a lot"}, {"images": ["no base64"]}, {"options": {"temperature": "hot"}}],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused(server, field):
    status, body = await server.post("/api/generate", {"model": "default", "prompt": "Hi", **field})
    assert status == 400
    assert next(iter(field)) in body["error"]
    assert server.model.requests == []


async def test_a_request_without_a_question_only_loads(server, client):
    answer = await client.chat("default")
    assert (answer.done_reason, answer.message.content) == ("load", "")
    assert (await client.generate("default", keep_alive=-1)).done_reason == "load"
    assert server.model.requests == []
    with pytest.raises(ollama.ResponseError, match="unloaded"):
        await client.generate("default", keep_alive=0)
    with pytest.raises(ollama.ResponseError, match="no model"):
        await client.generate("nothing")


async def test_embeddings(server, client):
    answer = await client.embed("embedding:latest", ["red car", "blue car"])
    assert len(answer.embeddings) == 2
    assert len(answer.embeddings[0]) == server.models.words.dimension
    assert answer.prompt_eval_count == 4
    assert len((await client.embed("embedding", "red car")).embeddings) == 1
    assert (await client.embeddings("embedding", "red car")).embedding == answer.embeddings[0]


async def test_models(server, client):
    listed = await client.list()
    assert [model.model for model in listed.models] == ["test/scripted", "default", "test/words", "embedding"]
    assert all(len(model.digest) == 64 for model in listed.models)
    shown = await client.show("default")
    assert shown.capabilities == ["completion", "tools"]
    family = shown.modelinfo["general.architecture"]
    assert shown.modelinfo[f"{family}.context_length"] == 4096
    assert (await client.show("embedding")).capabilities == ["embedding"]
    running = await client.ps()
    assert running.models[0].context_length == 4096
    assert (await client.delete("test/elsewhere")).status == "success"
    assert server.models.removed == ["test/elsewhere"]
    assert (await server.get("/api/version"))[1]["version"] == API_VERSION


async def test_pull(server, client):
    async def fetch(run):
        run.progress(done=1, total=4)
        if run.job.arguments["name"] == "broken":
            raise ModelUnavailable("The line is down.")
        return {}

    server.services.jobs.handle("test-pull", fetch)
    parts = [part async for part in await client.pull("smollm2", stream=True)]
    assert parts[0].status == "pulling manifest"
    assert parts[-1].status == "success"
    assert (1, 4) in [(part.completed, part.total) for part in parts]
    assert (await client.pull("smollm2")).status == "success"
    with pytest.raises(ollama.ResponseError, match="line is down"):
        await client.pull("broken")
    with pytest.raises(ollama.ResponseError, match="line is down"):
        _ = [part async for part in await client.pull("broken", stream=True)]


async def test_errors_have_ollamas_shape(server, client):
    with pytest.raises(ollama.ResponseError, match="no model 'nothing'") as raised:
        await client.chat("nothing", [{"role": "user", "content": "Hi"}])
    assert raised.value.status_code == 404
    server.model.script = [ModelUnavailable("It is down.")]
    with pytest.raises(ollama.ResponseError, match=r"It is down\.") as raised:
        _ = [part async for part in await client.chat("default", [{"role": "user", "content": "Hi"}], stream=True)]
    assert raised.value.status_code == 503
    assert await server.post("/api/chat", {"messages": []}) == (
        400, {"error": "`model` is missing. Send `model`."}
    )  # fmt: skip
    assert (await server.get("/api/chat"))[0] == 405


async def test_a_stream_that_breaks_ends_in_an_error(server, client):
    server.model.script = [*say("Hel")[:1], ModelUnavailable("It went away.")]
    parts = await client.chat("default", [{"role": "user", "content": "Hi"}], stream=True)
    assert (await anext(parts)).message.content == "Hel"
    with pytest.raises(ollama.ResponseError, match="went away"):
        await anext(parts)


async def test_how_to_load_a_model_is_told_to_ollama_servers(tmp_path):
    models = TestModels()
    models.chat_model = lambda name: models.model
    settings = Settings(
        providers={"box": ProviderSettings(kind="ollama")},
        models={"llama": AliasSettings(deployments=[Deployment(model="box/llama3.2")])},
    )
    async with (
        run_server(tmp_path / "home", settings, models) as server,
        ollama.AsyncClient(host=server.url) as client,
    ):
        for name in ("llama:latest", "box/llama3.2", "openai/gpt-4o"):
            await client.chat(
                name, [{"role": "user", "content": "Hi"}], options={"num_ctx": 8192}, keep_alive=60, stream=False
            )
    told = [request.extra for request in server.model.requests]
    assert told == [{"num_ctx": 8192, "keep_alive": 60.0}, {"num_ctx": 8192, "keep_alive": 60.0}, {}]


async def test_a_key_sees_and_does_what_it_may(tmp_path):
    key = "sk-guru-0123456789abcdef0123456789abcdef"
    settings = Settings(
        server=ServerSettings(require_key=True), keys={"app": KeySettings(key=key, models=["default", "embedding"])}
    )
    async with run_server(tmp_path / "home", settings) as server:
        async with ollama.AsyncClient(host=server.url) as stranger:
            with pytest.raises(ollama.ResponseError) as raised:
                await stranger.list()
        assert raised.value.status_code == 401
        async with ollama.AsyncClient(host=server.url, headers={"authorization": f"Bearer {key}"}) as client:
            assert [model.model for model in (await client.list()).models] == ["default", "embedding"]
            assert (await client.chat("default", [{"role": "user", "content": "Hi"}])).done
            assert len((await client.embed("embedding", "red car")).embeddings) == 1
            for forbidden in (
                client.pull("smollm2"),
                client.delete("default"),
                client.show("test/scripted"),
                client.generate("test/scripted"),
                client.chat("test/scripted", [{"role": "user", "content": "Hi"}]),
            ):
                with pytest.raises(ollama.ResponseError) as raised:
                    await forbidden
                assert raised.value.status_code == 403
