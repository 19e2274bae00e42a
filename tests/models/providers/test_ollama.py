"""Ollama: the answers of its reference, and what only it has."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.config import ProviderSettings
from guru.errors import (
    BadRequest,
    ContextTooLong,
    GuruError,
    InvalidParameter,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models.wire.ollama import AnswerDecoder, LineParser, encode_request
from guru.tasks import EmbeddingRequest
from guru.types import (
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    TextPart,
    TextRequest,
    TokenLogprob,
    ToolCall,
    TopLogprob,
    Usage,
)
from models.providers.conformance import PIXEL, SCHEMA, WEATHER, Conformance, Exchange, ask, hear
from models.providers.replay import answer, lines

HEAD = {"model": "llama3.2", "created_at": "2025-07-07T20:22:19.184789Z"}
METRICS = {
    "total_duration": 182242375, "load_duration": 41295167, "prompt_eval_count": 169, "prompt_eval_duration": 24573166,
    "eval_count": 15, "eval_duration": 115959084,
}  # fmt: skip


def piece(content="", **message):
    return HEAD | {"message": {"role": "assistant", "content": content, **message}, "done": False}


def last(reason="stop", **message):
    return piece(**message) | {"done_reason": reason, "done": True, **METRICS}


def said(*pieces, reason="stop"):
    return Exchange(
        answer(last(reason, content="".join(pieces))),
        lines(*(piece(each) for each in pieces), last(reason)),
        text="".join(pieces), usage=Usage(169, 15), reason=reason,
    )  # fmt: skip


def call(city, **more):
    return {**more, "function": {"name": "get_weather", "arguments": {"city": city}}}


def calling(*calls):
    return Exchange(
        answer(last(tool_calls=list(calls))),
        lines(*(piece(tool_calls=[each]) for each in calls), last()),
        calls=[("get_weather", each["function"]["arguments"]) for each in calls],
        usage=Usage(169, 15), reason="tool_calls",
    )  # fmt: skip


def thinking():
    return Exchange(
        answer(last(content="4", thinking="2 and 2.")),
        lines(piece(thinking="2 and"), piece(thinking=" 2."), piece("4"), last()),
        text="4", reasoning="2 and 2.", usage=Usage(169, 15),
    )  # fmt: skip


EXCHANGES = {
    "text": said("The", " sky", " is blue. 🦊"),
    "tools": calling(call("Paris")),
    "parallel_tools": calling(call("Paris", id="call_1"), call("Rome", id="call_2")),
    "images": said("A single", " pixel."),
    "json_schema": said('{"answer"', ":42}"),
    "stop": said("one, two,", " three, four, "),
    "long": said("one, two", reason="length"),
    "thinking": thinking(),
}

ERRORS = [
    (answer({"error": "invalid think value"}, 400), BadRequest),
    (answer({"error": '"llama3.2" does not support tools'}, 400), BadRequest),
    (answer({"error": "the input length exceeds the context length"}, 400), ContextTooLong),
    (answer({"error": "unauthorized", "message": "unauthorized"}, 401), ProviderRefused),
    (answer({"error": "model 'llama3.2' not found"}, 404), ModelNotFound),
    (answer({"error": "you have reached your hourly usage limit"}, 429), UpstreamRateLimited),
    (answer({"error": "llama runner process has terminated: exit status 2"}, 500), ModelUnavailable),
    (answer({"error": "server busy, please try again. maximum pending requests exceeded"}, 503), ModelUnavailable),
    (answer({"error": "timed out"}, 504), ModelTimeout),
]

STREAM_ERRORS = [
    (lines(piece("Hel"), {"error": "an error was encountered while running the model"}), ModelUnavailable),
    (lines({"error": "the input length exceeds the context length", "status": 400}), ContextTooLong),
]


class TestOllama(Conformance):
    kind = "ollama"
    model = "llama3.2"
    exchanges = EXCHANGES
    errors = ERRORS
    stream_errors = STREAM_ERRORS

    def check_request(self, case, sent):
        assert (sent.method, sent.path) == ("POST", "/api/chat")
        body = sent.json
        assert body["model"] == "llama3.2"
        assert body["stream"] in (True, False)
        match case:
            case "text":
                assert body["messages"] == [
                    {"role": "system", "content": "You are brief."}, {"role": "user", "content": "Hello!"},
                ]  # fmt: skip
            case "tools" | "parallel_tools":
                assert body["tools"][0]["function"]["parameters"]["required"] == ["city"]
            case "images":
                assert body["messages"] == [{"role": "user", "content": "What is this?", "images": [PIXEL]}]
            case "json_schema":
                assert body["format"] == SCHEMA
            case "stop":
                assert body["options"] == {"stop": ["five"]}

    async def test_a_conversation_with_tools_goes_back(self, server, chat):
        server.say(answer(last(content="Sun.")))
        await hear(
            chat,
            ask(
                Message("user", "Weather?"),
                Message(
                    "assistant",
                    reasoning_content="Hm.",
                    tool_calls=[ToolCall(id="call_7", function=FunctionCall("get_weather", '{"city": "Paris"}'))],
                ),
                Message("tool", "sun", tool_call_id="call_7"),
            ),
        )
        function = {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}
        assert server.last.json["messages"][1:] == [
            {"role": "assistant", "content": "", "thinking": "Hm.",
             "tool_calls": [{"id": "call_7", "function": function}]},
            {"role": "tool", "content": "sun", "tool_call_id": "call_7", "tool_name": "get_weather"},
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("fields", "sent"),
        [({"reasoning_effort": "none"}, False), ({"reasoning_effort": "medium"}, "medium"),
         ({"reasoning_effort": "minimal"}, "low"), ({"reasoning_effort": "xhigh"}, "max"),
         ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True), ({"thinking": {"type": "disabled"}}, False)],
    )  # fmt: skip
    async def test_thinking(self, server, chat, fields, sent):
        server.say(answer(last(content="4")))
        await hear(chat, ask(**fields))
        assert server.last.json["think"] == sent

    async def test_ollamas_own_fields_go_where_they_belong(self, server, chat):
        server.say(answer(last(content="4")))
        extra = {"num_ctx": 8192, "repeat_last_n": 5, "keep_alive": "5m", "options": {"new_option": 1}}
        await hear(chat, ask(extra=extra, temperature=0.5))
        body = server.last.json
        assert body["options"] == {"temperature": 0.5, "num_ctx": 8192, "repeat_last_n": 5, "new_option": 1}
        assert body["keep_alive"] == "5m"

    @pytest.mark.parametrize(
        "message",
        [Message("user", [ImagePart(ImageUrl("https://x.org/a.png"))]), Message("user", "Hi", name="ann"),
         Message("assistant", tool_calls=[ToolCall(id="1", function=FunctionCall("f", "[1"))])],
    )  # fmt: skip
    async def test_what_ollama_cannot_take_is_refused(self, server, chat, message):
        with pytest.raises(InvalidParameter) as raised:
            await hear(chat, ask(message))
        assert raised.value.param.startswith("messages[0].")
        assert server.requests == []

    async def test_a_choice_of_tools_is_refused_or_dropped(self, server, http, chat):
        server.say(answer(last(content="4")))
        await hear(chat, with_choice("none"))
        assert "tools" not in server.last.json
        with pytest.raises(InvalidParameter):
            await hear(chat, with_choice("required"))
        await hear(self.make(server, http, drop_params=["tool_choice"]).chat_model(self.model), with_choice("required"))
        assert "tool_choice" not in server.last.json

    async def test_logprobs(self, server, chat):
        entry = {"token": "4", "logprob": -0.1, "bytes": [52], "top_logprobs": [{"token": "4", "logprob": -0.1}]}
        server.say(lines(piece("4") | {"logprobs": [entry]}, last()))
        heard = await hear(chat, ask(stream=True, logprobs=True, top_logprobs=1))
        assert heard.events[0].logprobs == [TokenLogprob("4", -0.1, [52], [TopLogprob("4", -0.1)])]

    async def test_what_the_server_measured_is_kept(self, server, chat):
        server.say(answer(last(content="4") | {"remote_model": "big"}))
        completed = (await hear(chat, ask())).completed
        assert completed.extra["ollama"]["remote_model"] == "big"
        assert completed.extra["ollama"]["load_duration"] == METRICS["load_duration"]
        assert completed.timings["tokens_per_second"] == pytest.approx(129.36, abs=0.01)

    @pytest.mark.parametrize("suffix", [None, "return x"])
    async def test_text_is_continued(self, server, chat, suffix):
        generated = {"response": "x): ", "done": False}
        server.say(lines(HEAD | generated, HEAD | {"response": "", "done": True, "done_reason": "stop", **METRICS}))
        request = TextRequest(model="m", prompt="def f(", suffix=suffix, stream=True, max_tokens=5)
        text = "".join([event.text async for event in chat.complete(request) if hasattr(event, "text")])
        assert text == "x): "
        assert server.last.path == "/api/generate"
        body = server.last.json
        assert body["options"] == {"num_predict": 5}
        assert (body.get("raw"), body.get("suffix")) == ((True, None) if suffix is None else (None, suffix))

    async def test_embeddings(self, server, http):
        model = self.make(server, http).embedding_model("all-minilm")
        server.say(answer({"model": "all-minilm", "embeddings": [[0.1, 0.2], [0.3, 0.4]], "prompt_eval_count": 8}))
        found = await model.embeddings(EmbeddingRequest(model="m", input=["a", "b"], dimensions=2))
        assert (found.model, found.vectors) == ("acme/all-minilm", [[0.1, 0.2], [0.3, 0.4]])
        assert found.usage == Usage(8)
        assert server.last.json == {"model": "all-minilm", "input": ["a", "b"], "dimensions": 2}
        extra = {"num_ctx": 9, "keep_alive": "5m"}
        await model.embeddings(EmbeddingRequest(model="m", input=["a", "b"], extra=extra))
        assert server.last.json["options"] == {"num_ctx": 9}
        assert server.last.json["keep_alive"] == "5m"
        for body in ({"embeddings": [[0.1]]}, {"embeddings": "no"}, [], {"error": 7}):
            server.say(answer(body))
            with pytest.raises(StreamCut):
                await model.embeddings(EmbeddingRequest(model="m", input=["a", "b"]))
        for fields in ({"input": [[1, 2]]}, {"input": ["a"], "input_type": "query"}):
            with pytest.raises(InvalidParameter):
                await model.embeddings(EmbeddingRequest(model="m", **fields))

    async def test_the_models_are_listed(self, server, http):
        server.say(answer({"models": [{"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 1}]}))
        provider = self.make(server, http)
        assert await provider.list_models() == ["llama3.2:latest"]
        assert (server.last.method, server.last.path) == ("GET", "/api/tags")
        server.say(answer({"models": 7}))
        with pytest.raises(StreamCut):
            await provider.check()

    def test_it_is_found_without_a_key(self):
        provider = self.cls()("ollama", ProviderSettings(), None)
        assert provider.base_url == "http://localhost:11434"
        assert "authorization" not in provider.headers


def with_choice(choice):
    return ask(tools=[WEATHER], tool_choice=choice)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["message", "content", "tool_calls", "function", "name", "arguments", "done", "error",
                         "logprobs", "status", "eval_count", "response", "id"]) | st.text(max_size=3),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON_VALUES | st.binary(max_size=30))
def test_garbage_is_an_error_of_ours_or_an_answer(value):
    decoder = AnswerDecoder("acme", "acme/m")
    try:
        decoder.feed(value if isinstance(value, bytes) else msgspec.json.encode(value))
    except GuruError:
        pass


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_come_whole_however_they_are_split(wanted, data):
    parser, whole, found = LineParser(), b"".join(line + b"\n" for line in wanted), []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        found += parser.feed(whole[:size])
        whole = whole[size:]
    assert [event.data for event in found] == [line for line in wanted if line.strip()]
    assert parser.end() == []


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1, max_size=9)))
def test_no_text_is_lost(texts, stops):
    parts = [TextPart(text) for text in texts]
    body = encode_request(ask(Message("user", parts), stop=stops), "m")
    assert all(text in body["messages"][0]["content"] for text in texts)
    assert body.get("options", {}).get("stop", []) == stops
