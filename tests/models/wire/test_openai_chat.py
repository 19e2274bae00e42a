"""OpenAI chat: requests keep every field, answers have OpenAI's shape, chunks come back as the same events."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import BadRequest, InvalidParameter
from guru.models.wire.openai_chat import ChunkDecoder, decode_chat_request, encode_chat_request
from guru.models.wire.openai_encoder import ChatEncoder
from guru.types import (
    ChatRequest,
    Citation,
    Cited,
    Completed,
    Delta,
    Finished,
    Grounding,
    Started,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Unsupported,
    Usage,
)

FULL = {
    "model": "local/m",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "f1"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "7"},
    ],
    "tools": [{"type": "function", "function": {
        "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True,
    }}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "metadata": {"run": "7"}, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "typical_p": 0.9,
    "repeat_penalty": 1.1, "presence_penalty": -1, "frequency_penalty": 1, "logit_bias": {"17": -100},
    "max_tokens": 9, "stop": ["a", "b"], "seed": 3, "n": 2, "logprobs": True, "top_logprobs": 2, "user": "u",
    "reasoning_effort": "low", "vendor": {"deep": [1]},
}  # fmt: skip


def decode(**fields):
    base = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return decode_chat_request(json.dumps(base | fields).encode())


def test_no_field_is_lost_between_json_and_request():
    request, options = decode_chat_request(json.dumps(FULL).encode())
    assert (request.reasoning_effort, request.extra) == ("low", {"vendor": {"deep": [1]}})
    assert not options.stream
    again = encode_chat_request(request)
    assert again | {"messages": None} == FULL | {"messages": None}
    assert decode_chat_request(json.dumps(again).encode())[0] == request


def test_the_newer_limit_wins_and_stop_may_be_one_text():
    request, _ = decode(max_completion_tokens=5, max_tokens=9, stop="x")
    assert (request.max_tokens, request.stop) == (5, ["x"])


def test_grounding_and_stream_options_are_read():
    request, options = decode(guru={"collection": "handbook"}, stream=True, stream_options={"include_usage": True})
    assert request.guru == Grounding(collection="handbook")
    assert options.stream
    assert options.include_usage


def test_what_only_answers_carry_may_come_back_with_the_history():
    history = [{"role": "assistant", "content": "Yes", "annotations": [{"x": 1}], "refusal": None, "audio": None}]
    request, _ = decode(messages=[*history, {"role": "user", "content": "And?"}])
    assert request.messages[0].text == "Yes"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "mood": 1}]}]},
            "messages[0].content[0].mood",
        ),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"stream": True}}, "stream_options.stream"),
        ({"guru": {"collektion": "x"}}, "guru.collektion"),
    ],
)
def test_a_mistake_is_named_by_its_place(fields, param):
    with pytest.raises(InvalidParameter) as caught:
        decode(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadRequest):
        decode_chat_request(body)


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=8))  # fmt: skip
def test_any_json_is_read_or_refused_with_an_error_of_ours(value):
    for body in (value, {"model": "m", "messages": value}, {"model": value, "messages": [{"role": "user"}]}):
        try:
            decode_chat_request(msgspec.json.encode(body))
        except BadRequest:
            continue


EVENTS = [
    Started("local/m", "tr_1"),
    Delta(text="Hel", logprobs=[TokenLogprob("Hel", -0.5, [72], [TopLogprob("Hel", -0.5, [72])])]),
    Delta(text="lo [1]"),
    Cited([Citation(n=1, document="a.pdf", page=2, start=3, end=9, quote="hello!", score=0.9)]),
    Unsupported(0, 5),
    Finished("stop"),
    Completed(model="local/m", usage=Usage(7, 2, 3), outcome="answered", confidence=0.8),
]


def encoder(**fields):
    request = ChatRequest(model="m", messages=[])
    return ChatEncoder("chatcmpl-1", "local/m", 1700000000, request, **fields)


def test_a_whole_answer_has_openais_shape_and_our_member():
    answer = encoder().collect(EVENTS)
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hello [1]", "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"]["content"][0]["top_logprobs"][0]["token"] == "Hel"
    assert answer["usage"]["total_tokens"] == 9
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}
    assert answer["guru"]["citations"][0]["quote"] == "hello!"
    assert answer["guru"]["unsupported"] == [{"start": 0, "end": 5}]
    assert (answer["guru"]["outcome"], answer["guru"]["trace_id"]) == ("answered", "tr_1")


def test_a_stream_says_the_role_once_and_the_usage_last():
    stream = encoder(include_usage=True)
    chunks = [chunk for event in EVENTS if (chunk := stream.chunk(event))]
    roles = [choice["delta"].get("role") for chunk in chunks for choice in chunk["choices"]]
    assert roles == ["assistant", None, None, None, None]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


pieces = st.builds(
    Delta,
    index=st.integers(0, 2),
    text=st.text(max_size=5),
    reasoning=st.text(max_size=5),
    tool_calls=st.lists(
        st.builds(ToolCallDelta, st.integers(0, 2), st.none() | st.text(), st.none() | st.text(), st.text()), max_size=2
    ),
)


@given(st.lists(pieces | st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls"]), st.integers(0, 2))))
def test_events_survive_the_way_over_the_wire(events):
    stream, decoder = encoder(), ChunkDecoder()
    back = [event for sent in events for event in decoder.events(stream.chunk(sent))]
    assert back == [e for e in events if isinstance(e, Finished) or e.text or e.reasoning or e.tool_calls]


def test_tool_calls_are_put_together():
    answer = encoder().collect([
        Delta(tool_calls=[ToolCallDelta(0, "call_1", "f")]),
        Delta(tool_calls=[ToolCallDelta(0, arguments='{"a":'), ToolCallDelta(1, "call_2", "g", "{}")]),
        Delta(tool_calls=[ToolCallDelta(0, arguments=" 1}")]),
        Finished("tool_calls"),
        Completed(model="m", usage=Usage()),
    ])  # fmt: skip
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "f", "arguments": '{"a": 1}'}, {"name": "g", "arguments": "{}"},
    ]  # fmt: skip


def test_unknown_members_of_messages_travel_with_them():
    mine = {"role": "assistant", "content": "So", "prefix": True, "reasoning": "Hm.", "annotations": [1],
            "audio": {"id": "a1", "data": "AAAA"}}  # fmt: skip
    request, _ = decode(messages=[mine, {"role": "user", "content": "x", "extra": {"a": 1}}])
    assert request.messages[0].reasoning_content == "Hm."
    assert [message.extra for message in request.messages] == [
        {"prefix": True, "audio": {"id": "a1"}}, {"extra": {"a": 1}},
    ]  # fmt: skip


def test_the_forms_before_tools_are_understood():
    call = {"name": "f", "arguments": "{}"}
    request, _ = decode(messages=[
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "f", "content": "7"},
    ])  # fmt: skip
    assert request.messages[0].tool_calls[0].function.name == "f"
    assert request.messages[0].tool_calls[0].id == request.messages[1].tool_call_id


def test_tools_of_the_providers_own_are_kept_apart():
    search = {"type": "web_search", "filters": {"allowed_domains": ["x.org"]}}
    request, _ = decode(tools=[FULL["tools"][0], search], tool_choice={"type": "web_search"})
    assert [tool.function.name for tool in request.tools] == ["f"]
    assert [(tool.format, tool.tool) for tool in request.native_tools] == [("openai", search)]
    assert encode_chat_request(request)["tools"] == [FULL["tools"][0], search]


def test_what_is_gurus_own_is_no_member_of_the_api():
    request, _ = decode(extra={"a": 1}, native_tools=[1], betas=["x"])
    assert request.extra == {"extra": {"a": 1}, "native_tools": [1], "betas": ["x"]}
    assert (request.native_tools, request.betas) == ([], [])
    with pytest.raises(InvalidParameter):
        decode(messages=[{"role": "user", "content": [{"type": "native", "format": "anthropic", "part": {}}]}])


@pytest.mark.parametrize(
    "fields",
    [{}, {"temperature": 0.5, "stop": "x"}, {"max_completion_tokens": 5, "max_tokens": 9}, {"tools": FULL["tools"]},
     {"stream": True, "stream_options": {"include_usage": True}}, {"messages": FULL["messages"]},
     {"response_format": FULL["response_format"], "logprobs": True, "top_logprobs": 2},
     {"thinking": {"type": "enabled", "budget_tokens": 2000}, "reasoning_effort": "low"}],
)  # fmt: skip
def test_the_quick_and_the_careful_way_read_the_same(fields):
    quick, options = decode(**fields)
    careful, again = decode(**fields, brand_new=None)
    assert (quick, options) == (careful, again)
