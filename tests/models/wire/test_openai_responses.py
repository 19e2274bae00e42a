"""The Responses API's codec: whatever is sent is read or refused by name, and no field is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import BadRequest, InvalidParameter
from guru.models.wire.openai_responses import decode_responses_request
from guru.models.wire.openai_responses_answer import ResponseWriter
from guru.models.wire.openai_responses_items import seal, unseal
from guru.types import Completed, Delta, Finished, Started, ToolCallDelta, Usage

FIELDS = [
    "input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "max_output_tokens", "metadata",
    "store", "stream", "stream_options", "previous_response_id", "truncation", "background", "guru", "temperature",
    "top_logprobs", "user", "anything",
]  # fmt: skip
WORDS = [
    "message", "reasoning", "function_call", "function_call_output", "user", "assistant", "input_text", "input_image",
    "input_file", "output_text", "refusal", "summary_text", "function", "allowed_tools", "json_schema", "auto",
]  # fmt: skip
KEYS = [
    "type", "role", "content", "summary", "text", "name", "arguments", "call_id", "output", "image_url", "schema",
    "format", "parameters", "tools", "mode", "effort", "encrypted_content", "refusal",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


def decode(**body):
    return decode_responses_request(json.dumps({"model": "m", **body}).encode())


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5))
def test_nothing_that_is_sent_breaks_the_codec(body):
    try:
        decode(**{"input": "?", **body})
    except BadRequest as error:
        assert error.message


@given(
    st.sampled_from(["message", "reasoning", "function_call", "function_call_output"]),
    st.dictionaries(st.sampled_from(KEYS[1:]), VALUES, max_size=5),
)
def test_no_item_breaks_the_codec(kind, members):
    try:
        decode(input=[{"type": kind, **members}])
    except BadRequest as error:
        assert error.message


@given(VALUES, VALUES, VALUES)
def test_no_tool_breaks_the_codec(tools, choice, form):
    try:
        decode(input="?", tools=[{"type": "function", "name": "f", "parameters": tools}], tool_choice=choice, text=form)
        decode(
            input="?",
            tools=[{"type": "allowed_tools", "name": "f"}],
            tool_choice={"type": "allowed_tools", "tools": choice},
        )
    except BadRequest as error:
        assert error.message


CHOOSE = {"input": "?", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [{"type": "reasoning", "summary": ["x"]}]}, "input[0].summary[0]"),
        ({"input": [{"type": "reasoning", "summary": 5}]}, "input[0].summary"),
        ({"input": [{"type": "reasoning", "content": {"a": 1}}]}, "input[0].content"),
        (
            {"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": 5}]}]},
            "input[0].summary[0].text",
        ),
        ({"input": [{"type": "function_call", "call_id": "a", "name": "b", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"role": "user", "content": "a", "name": 5}]}, "input[0].name"),
        ({**CHOOSE, "tool_choice": {"type": "allowed_tools", "tools": 5}}, "tool_choice.tools"),
        ({**CHOOSE, "tool_choice": {"type": "allowed_tools", "tools": [], "mode": 5}}, "tool_choice.mode"),
        ({"input": "?", "text": {"format": {"type": "json_schema", "schema": {}, "name": 5}}}, "text.format.name"),
    ],
)
def test_what_is_wrong_is_named(body, param):
    with pytest.raises(InvalidParameter) as caught:
        decode(**body)
    assert caught.value.param == param


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.integers() | st.text(max_size=4), max_size=4))
def test_unknown_fields_go_to_the_model(fields):
    known = {**dict.fromkeys(FIELDS), "model": None, "top_p": None, "parallel_tool_calls": None}
    unknown = {name: value for name, value in fields.items() if name not in known}
    assert decode(input="?", **unknown).chat.extra == unknown


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), max_size=3))
def test_signed_thinking_survives_the_way_out_and_back(blocks):
    assert unseal(seal(blocks), "input[0]") == blocks


def test_signed_thinking_of_others_is_refused():
    with pytest.raises(InvalidParameter, match="not written by this server"):
        unseal("guru1.!!!", "input[0]")


PIECES = st.one_of(
    st.builds(Delta, text=st.text(min_size=1, max_size=4)),
    st.builds(Delta, reasoning=st.text(min_size=1, max_size=4)),
    st.builds(Delta, refusal=st.text(min_size=1, max_size=4)),
    st.builds(
        lambda index, arguments: Delta(tool_calls=[ToolCallDelta(index, f"c{index}", f"f{index}", arguments)]),
        st.integers(0, 2), st.text(max_size=3),
    ),
)  # fmt: skip


@given(st.lists(PIECES, max_size=12), st.booleans())
def test_the_stream_and_the_response_say_the_same(pieces, summary):
    request = decode(input="?", reasoning={"summary": "auto"} if summary else {})
    writer = ResponseWriter("resp_1", 1.0, request, lambda prefix: f"{prefix}_1")
    ending = [Finished("stop"), Completed(model="m", usage=Usage(1, 2))]
    events = [event for piece in [Started("m"), *pieces, *ending] for event in writer.feed(piece)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert events[-1]["response"]["output"] == [done[index] for index in sorted(done)]

    def said(kind):
        return "".join(event["delta"] for event in events if event["type"] == kind)

    assert said("response.output_text.delta") == "".join(piece.text for piece in pieces)
    assert said("response.refusal.delta") == "".join(piece.refusal for piece in pieces)
    thought = "response.reasoning_summary_text.delta" if summary else "response.reasoning_text.delta"
    assert said(thought) == "".join(piece.reasoning for piece in pieces)
    calls = {item["name"]: item["arguments"] for item in done.values() if item["type"] == "function_call"}
    for index in range(3):
        written = "".join(call.arguments for piece in pieces for call in piece.tool_calls if call.index == index)
        assert calls.get(f"f{index}", "") == written
