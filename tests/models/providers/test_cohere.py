"""Cohere: the answers of its reference, and what only it has."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from guru.models.providers.errors import ContentFiltered
from guru.models.wire.cohere_answer import AnswerDecoder
from guru.models.wire.cohere_request import encode_request
from guru.tasks import EmbeddingRequest, Ranked, RerankRequest
from guru.types import (
    AudioPart,
    Delta,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCall,
    Usage,
)
from models.providers.conformance import PIXEL, SCHEMA, WEATHER, Conformance, Exchange, ask, hear
from models.providers.replay import answer, named_events

ID = "29f14a5a-11de-4cae-9800-25e4747408ea"
COUNTS = {
    "billed_units": {"input_tokens": 17, "output_tokens": 12}, "tokens": {"input_tokens": 215, "output_tokens": 12},
    "cached_tokens": 4,
}  # fmt: skip
USAGE = Usage(17, 12, 4)


def whole(reason="COMPLETE", **message):
    return answer({
        "id": ID, "finish_reason": reason, "message": {"role": "assistant", **message}, "usage": COUNTS,
    })  # fmt: skip


def event(kind, **fields):
    return (kind, {"type": kind, **fields})


def message_of(**message):
    return {"delta": {"message": message}}


def stream(*events, reason="COMPLETE", **end):
    start = event("message-start", id=ID, **message_of(role="assistant", content=[], tool_plan="", tool_calls=[]))
    last = event("message-end", delta={"finish_reason": reason, "usage": COUNTS, **end})
    return named_events(start, *events, last)


def texts(*pieces, kind="text", index=0):
    return (
        event("content-start", index=index, **message_of(content={"type": kind, kind: ""})),
        *(event("content-delta", index=index, **message_of(content={kind: piece})) for piece in pieces),
        event("content-end", index=index),
    )


def said(*pieces, native="COMPLETE", reason="stop"):
    return Exchange(
        whole(native, content=[{"type": "text", "text": "".join(pieces)}]),
        stream(*texts(*pieces), reason=native),
        text="".join(pieces), usage=USAGE, reason=reason,
    )  # fmt: skip


def calling(*cities):
    calls, events = [], [event("tool-plan-delta", **message_of(tool_plan="I will")),
                         event("tool-plan-delta", **message_of(tool_plan=" look."))]  # fmt: skip
    for index, city in enumerate(cities):
        head = {"id": f"get_weather_{index}", "type": "function"}
        text = msgspec.json.encode({"city": city}).decode()
        calls.append({**head, "function": {"name": "get_weather", "arguments": text}})
        start = {**head, "function": {"name": "get_weather", "arguments": ""}}
        events += [
            event("tool-call-start", index=index, **message_of(tool_calls=start)),
            *(event("tool-call-delta", index=index, **message_of(tool_calls={"function": {"arguments": part}}))
              for part in (text[:4], text[4:])),
            event("tool-call-end", index=index),
        ]  # fmt: skip
    return Exchange(
        whole("TOOL_CALL", tool_plan="I will look.", tool_calls=calls),
        stream(*events, reason="TOOL_CALL"),
        calls=[("get_weather", {"city": city}) for city in cities],
        reasoning="I will look.", usage=USAGE, reason="tool_calls",
    )  # fmt: skip


EXCHANGES = {
    "text": said("The", " sky", " is blue.", " 🦊"),
    "tools": calling("Paris"),
    "parallel_tools": calling("Paris", "Rome"),
    "images": said("A single", " pixel."),
    "json_schema": said('{"answer"', ":42}"),
    "stop": said("one, two,", " three, four, ", native="STOP_SEQUENCE"),
    "long": said("one,", " two", native="MAX_TOKENS", reason="length"),
    "thinking": Exchange(
        whole(content=[{"type": "thinking", "thinking": "2 and 2."}, {"type": "text", "text": "4"}]),
        stream(*texts("2 and", " 2.", kind="thinking"), *texts("4", index=1)),
        text="4", reasoning="2 and 2.", usage=USAGE,
    ),
}  # fmt: skip


def error(status, message):
    return answer({"id": ID, "message": message}, status)


ERRORS = [
    (error(400, "invalid request: temperature must be between 0 and 1.0 inclusive."), BadRequest),
    (error(400, "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs."),
     ContextTooLong),
    (error(401, "invalid api token"), ProviderRefused),
    (error(402, "Please add or update your payment method at https://dashboard.cohere.com/billing"), ProviderRefused),
    (error(404, "model 'command-z' not found, make sure the correct model ID was used"), ModelNotFound),
    (error(422, "invalid request: the schema has an unsupported keyword"), BadRequest),
    (error(429, "You are using a Trial key, which is limited to 20 API calls / minute."), UpstreamRateLimited),
    (error(498, "blocked input"), ContentFiltered),
    (error(500, "an internal error occurred"), ModelUnavailable),
    (error(503, "service unavailable"), ModelUnavailable),
    (error(504, "gateway timeout"), ModelTimeout),
]  # fmt: skip
STREAM_ERRORS = [
    (stream(*texts("Hel"), reason="ERROR", error="the model crashed"), ModelUnavailable),
    (stream(*texts("Hel"), reason="TIMEOUT"), ModelTimeout),
    (stream(reason="ERROR_LIMIT"), ContextTooLong),
    (named_events(event("content-delta", index=0, delta={"message": 7})), StreamCut),
]


class TestCohere(Conformance):
    kind = "cohere"
    model = "command-a-03-2025"
    exchanges = EXCHANGES
    errors = ERRORS
    stream_errors = STREAM_ERRORS

    def check_request(self, case, sent):
        assert (sent.method, sent.path) == ("POST", "/v2/chat")
        body = sent.json
        assert body["model"] == "command-a-03-2025"
        match case:
            case "text":
                assert body["messages"] == [
                    {"role": "system", "content": "You are brief."}, {"role": "user", "content": "Hello!"},
                ]  # fmt: skip
            case "tools" | "parallel_tools":
                assert body["tools"] == [msgspec.to_builtins(WEATHER)]
                assert "tool_choice" not in body
            case "images":
                assert body["messages"][0]["content"][1] == {
                    "type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
                }  # fmt: skip
            case "json_schema":
                assert body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
            case "stop":
                assert body["stop_sequences"] == ["five"]

    async def test_a_conversation_with_tools_goes_back(self, server, chat):
        server.say(whole(content=[{"type": "text", "text": "Sun."}]))
        call = ToolCall(id="get_weather_0", function=FunctionCall("get_weather", '{"city": "Paris"}'))
        await hear(
            chat,
            ask(
                Message("user", "Weather?"),
                Message("assistant", reasoning_content="I will look.", tool_calls=[call]),
                Message("tool", "sun", tool_call_id="get_weather_0"),
                Message("assistant", "Sun.", reasoning_content="It says sun."),
                Message("user", "Thanks."),
            ),
        )
        assert server.last.json["messages"][1:4] == [
            {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [msgspec.to_builtins(call)]},
            {"role": "tool", "tool_call_id": "get_weather_0", "content": "sun"},
            {"role": "assistant",
             "content": [{"type": "thinking", "thinking": "It says sun."}, {"type": "text", "text": "Sun."}]},
        ]  # fmt: skip

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_documents_are_sent_and_citations_kept(self, server, chat, streamed):
        source = {"type": "document", "id": "doc:0", "document": {"id": "doc:0", "text": "It is blue."}}
        citation = {"start": 0, "end": 4, "text": "Blue", "sources": [source], "type": "TEXT_CONTENT"}
        cited = event("citation-start", index=0, **message_of(citations=citation))
        server.say(
            stream(*texts("Blue."), cited, event("citation-end", index=0))
            if streamed
            else whole(content=[{"type": "text", "text": "Blue."}], citations=[citation])
        )
        documents = [{"id": "doc:0", "data": {"text": "It is blue."}}]
        extra = {"documents": documents, "citation_options": {"mode": "FAST"}, "safety_mode": "STRICT"}
        heard = await hear(chat, ask(stream=streamed, extra=extra))
        kept = [each.extra["cohere"] for each in heard.events if isinstance(each, Delta) and each.extra]
        assert kept == [{"citations": [citation]}]
        assert {name: server.last.json[name] for name in extra} == extra
        assert heard.completed.extra["cohere"] == {"id": ID, "usage": COUNTS}

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [("none", "NONE"), ("required", "REQUIRED"), ("auto", None),
         ({"type": "function", "function": {"name": "get_weather"}}, "REQUIRED")],
    )  # fmt: skip
    async def test_the_choice_of_tools(self, server, chat, choice, sent):
        server.say(whole(content=[]))
        other = msgspec.convert({"type": "function", "function": {"name": "other", "strict": True}}, type(WEATHER))
        await hear(chat, ask(tools=[WEATHER, other], tool_choice=choice))
        body = server.last.json
        assert body.get("tool_choice") == sent
        certain = isinstance(choice, dict)
        names = ["get_weather"] if certain else ["get_weather", "other"]
        assert [tool["function"]["name"] for tool in body["tools"]] == names
        assert body.get("strict_tools") == (None if certain else True)
        assert body["tools"][-1]["function"]["parameters"]["type"] == "object"

    @pytest.mark.parametrize(
        ("fields", "sent"),
        [({"reasoning_effort": "none"}, {"type": "disabled"}), ({"reasoning_effort": "low"}, {"type": "enabled"}),
         ({"thinking": {"type": "enabled", "budget_tokens": 99}}, {"type": "enabled", "token_budget": 99}),
         ({"thinking": {"type": "disabled"}}, {"type": "disabled"})],
    )  # fmt: skip
    async def test_thinking(self, server, chat, fields, sent):
        server.say(whole(content=[]))
        await hear(chat, ask(**fields))
        assert server.last.json["thinking"] == sent

    async def test_sampling_has_cohere_s_names(self, server, chat):
        server.say(whole(content=[]))
        await hear(chat, ask(top_p=0.9, top_k=5, logprobs=True))
        assert {name: server.last.json[name] for name in ("p", "k", "logprobs")} == {"p": 0.9, "k": 5, "logprobs": True}

    async def test_logprobs(self, server, chat):
        items = [{"text": "Blue", "token_ids": [4, 5], "logprobs": [-0.5, -0.25]}]
        server.say(answer({
            "id": ID, "finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "Blue"}]},
            "logprobs": items,
        }))  # fmt: skip
        heard = await hear(chat, ask(logprobs=True))
        assert heard.events[1].logprobs == [TokenLogprob("Blue", -0.75, list(b"Blue"))]
        assert heard.completed.usage.estimated

    async def test_what_it_cannot_take_is_refused(self, server, chat):
        for message in (
            Message("user", [AudioPart({"data": "AA==", "format": "wav"})]),
            Message("user", "Hi", name="a"),
        ):
            with pytest.raises(InvalidParameter) as raised:
                await hear(chat, ask(message))
            assert raised.value.param.startswith("messages[0].")
        assert server.requests == []

    async def test_embeddings(self, server, http):
        model = self.make(server, http).embedding_model("embed-v4.0")

        def embedded(*vectors):
            meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}}
            return answer({"id": ID, "embeddings": {"float": list(vectors)}, "texts": [], "meta": meta})

        server.say(embedded(*([[0.1, 0.2]] * 96)), embedded([0.3, 0.4]))
        request = EmbeddingRequest(model="m", input=["a"] * 97, dimensions=2, input_type="query", extra={"priority": 1})
        found = await model.embeddings(request)
        assert (len(found.vectors), found.vectors[96], found.usage) == (97, [0.3, 0.4], Usage(4))
        assert server.last.path == "/v2/embed"
        assert server.last.json == {
            "model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 2,
            "texts": ["a"], "priority": 1,
        }  # fmt: skip
        server.say(embedded([0.3, 0.4]))
        await model.embeddings(EmbeddingRequest(model="m", input=["a"]))
        assert server.last.json["input_type"] == "search_document"
        for reply in (embedded(), answer([]), answer({"embeddings": {"float": "no"}})):
            server.say(reply)
            with pytest.raises(StreamCut):
                await model.embeddings(EmbeddingRequest(model="m", input=["a"]))
        with pytest.raises(InvalidParameter):
            await model.embeddings(EmbeddingRequest(model="m", input=[[1]]))

    async def test_rerank(self, server, http):
        model = self.make(server, http).reranker("rerank-v3.5")
        results = [{"index": 1, "relevance_score": 0.99}, {"index": 0, "relevance_score": 0.07}]
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        server.say(answer({"id": ID, "results": results, "meta": meta}))
        found = await model.rerank(RerankRequest(model="m", query="q", documents=["a", "b"], top_n=2))
        assert found.results == [Ranked(1, 0.99), Ranked(0, 0.07)]
        assert found.usage == Usage(searches=1)
        assert server.last.path == "/v2/rerank"
        assert server.last.json == {"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 2}
        for body in ({"results": [{"index": 7, "relevance_score": 1}]}, {"results": 7}, []):
            server.say(answer(body))
            with pytest.raises(StreamCut):
                await model.rerank(RerankRequest(model="m", query="q", documents=["a"]))
        server.say(error(429, "slow down"))
        with pytest.raises(UpstreamRateLimited):
            await model.rerank(RerankRequest(model="m", query="q", documents=["a"]))

    async def test_the_models_are_listed_page_by_page(self, server, http):
        server.say(
            answer({"models": [{"name": "command-a-03-2025"}], "next_page_token": "x="}),
            answer({"models": [{"name": "embed-v4.0"}]}),
        )
        assert await self.make(server, http).list_models() == ["command-a-03-2025", "embed-v4.0"]
        assert server.last.path == "/v1/models?page_size=1000&page_token=x%3D"


NAMES = st.sampled_from([
    "type", "delta", "message", "content", "text", "tool_calls", "function", "index", "usage", "finish_reason", "id",
    "citations", "tool_plan", "logprobs", "billed_units", "tokens",
])  # fmt: skip
KINDS = st.sampled_from([
    "content-delta", "content-start", "tool-call-start", "tool-call-delta", "message-end", "citation-start", "debug",
])  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=14,
)


@given(JSON_VALUES | st.binary(max_size=30))
def test_garbage_is_an_error_of_ours_or_an_answer(value):
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    for read in ("feed", "whole"):
        try:
            getattr(AnswerDecoder("acme", "acme/m"), read)(data)
        except GuruError:
            pass


PARTS = st.one_of(
    st.text(min_size=1).map(TextPart),
    st.text(min_size=1).map(RefusalPart),
    st.just(ImagePart(ImageUrl("https://x.org/a.png", "low"))),
)


@given(st.lists(st.lists(PARTS, min_size=1), min_size=1))
def test_no_part_is_lost(messages):
    body = encode_request(ask(*(Message("user", parts) for parts in messages)), "m")
    assert [len(message["content"]) for message in body["messages"]] == [len(parts) for parts in messages]
