"""Anthropic's answers, as documented, to events; and events to what Anthropic's clients read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import (
    BadRequest,
    ContextTooLong,
    GuruError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models.wire.anthropic_answer import AnswerDecoder
from guru.models.wire.anthropic_door_answer import MessageEncoder, usage_json
from guru.types import (
    Citation,
    Cited,
    Completed,
    Delta,
    Finished,
    Retrieved,
    Started,
    ToolCallDelta,
    Unsupported,
    Usage,
)

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
    "output_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 8},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
}
CITATION = {
    "type": "char_location",
    "cited_text": "green",
    "document_index": 0,
    "start_char_index": 0,
    "end_char_index": 5,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5",
    "container": {"id": "container_1", "expires_at": "2026-11-22T00:00:00Z"},
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "grass"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
        {"type": "text", "text": "The grass is "},
        {"type": "text", "text": "green", "citations": [CITATION]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}


def stream_of(message):
    """The documented events for a message, in small pieces."""
    yield {
        "type": "message_start",
        "message": message | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}},
    }
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, deltas = dict(block), []
        match block["type"]:
            case "text":
                empty = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": letter} for letter in block["text"]]
                deltas += [{"type": "citations_delta", "citation": each} for each in block.get("citations", ())]
            case "thinking":
                empty = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": letter} for letter in block["thinking"]]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "tool_use" | "server_tool_use":
                empty["input"] = {}
                text = json.dumps(block["input"]) if block["input"] else ""
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *text)]
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}
    yield {"type": "message_stop"}


def read_stream(events):
    decoder = AnswerDecoder("anthropic", "anthropic/claude-opus-5")
    found = [event for raw in events for event in decoder.feed(json.dumps(raw).encode())]
    assert decoder.done
    return found


def read_whole(message):
    return AnswerDecoder("anthropic", "anthropic/claude-opus-5").whole(json.dumps(message).encode())


def show(events):
    """The whole message as the door answers it, without its id."""
    shown = MessageEncoder("msg_2", "claude-opus-5").collect(events)
    return json.loads(json.dumps(shown)) | {"id": "msg_1"}


@pytest.mark.parametrize("read", [read_whole, lambda message: read_stream(stream_of(message))])
def test_an_answer_becomes_events(read):
    events = read(MESSAGE)
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == "The grass is green"
    assert "".join(delta.reasoning for delta in deltas) == "Hm."
    assert [delta.thinking_block for delta in deltas if delta.thinking_block] == MESSAGE["content"][:2]
    calls = [call for delta in deltas for call in delta.tool_calls]
    assert [(call.index, call.id, call.name) for call in calls if call.id] == [(0, "toolu_1", "f"), (1, "toolu_2", "g")]
    arguments = ["".join(call.arguments for call in calls if call.index == index) for index in (0, 1)]
    assert [json.loads(text) for text in arguments] == [{"a": 1}, {}]
    native = [delta.extra["anthropic"] for delta in deltas if delta.extra]
    assert native == [
        {"content_block": MESSAGE["content"][2]},
        {"content_block": MESSAGE["content"][3]},
        {"new_block": "text"},
        {"citation": CITATION},
    ]
    finished, completed = events[-2:]
    assert finished == Finished("tool_calls", native="tool_use")
    assert completed.model == "anthropic/claude-opus-5"
    assert completed.usage == Usage(
        prompt_tokens=22, completion_tokens=20, cached_tokens=5, reasoning_tokens=8, cache_write_tokens=7,
        cache_write_1h_tokens=3, searches=2,
    )  # fmt: skip
    assert completed.extra["anthropic"]["container"]["id"] == "container_1"


@pytest.mark.parametrize("read", [read_whole, lambda message: read_stream(stream_of(message))])
def test_an_answer_leaves_by_the_door_as_it_came(read):
    shown = show(read(MESSAGE))
    shown["usage"].pop("server_tool_use")  # which of them were fetches nobody bills for
    assert shown == MESSAGE | {"usage": {name: USAGE[name] for name in USAGE if name != "server_tool_use"}}


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "stop"),
        ("refusal", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("something_new", "stop"),
    ],
)
def test_reasons(native, reason):
    events = read_whole(MESSAGE | {"content": [], "stop_reason": native})
    assert events[0] == Finished(reason, native=native)
    assert show(events)["stop_reason"] == ("end_turn" if native == "something_new" else native)


def test_a_stop_sequence_is_told():
    events = read_whole(MESSAGE | {"content": [], "stop_reason": "stop_sequence", "stop_sequence": "END"})
    assert events[0] == Finished("stop", stop_sequence="END", native="stop_sequence")
    assert (show(events)["stop_reason"], show(events)["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", ModelUnavailable),
        ("api_error", "Internal server error", ModelUnavailable),
        ("rate_limit_error", "Slow down", UpstreamRateLimited),
        ("timeout_error", "Late", ModelTimeout),
        ("authentication_error", "invalid x-api-key", ProviderRefused),
        ("invalid_request_error", "Your credit balance is too low", ProviderRefused),
        ("invalid_request_error", "prompt is too long: 9 tokens > 5 maximum", ContextTooLong),
        ("invalid_request_error", "messages: wrong", BadRequest),
        ("brand_new_error", "?", ModelUnavailable),
    ],
)
def test_an_error_in_the_stream_is_raised_as_what_it_is(kind, message, expected):
    decoder = AnswerDecoder("anthropic", "anthropic/x")
    raw = {"type": "error", "error": {"type": kind, "message": message}}
    with pytest.raises(expected) as caught:
        decoder.feed(json.dumps(raw).encode())
    assert type(caught.value) is expected
    assert message in caught.value.message


def test_an_end_without_a_reason_is_a_cut():
    decoder = AnswerDecoder("anthropic", "anthropic/x")
    decoder.feed(b'{"type":"message_start","message":{"usage":{"input_tokens":1}}}')
    with pytest.raises(StreamCut):
        decoder.feed(b'{"type":"message_stop"}')


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": 7},
        {"type": "thinking", "thinking": {"a": 1}, "signature": "s"},
        {"type": "tool_use", "id": 7, "name": "f", "input": {}},
        {"type": "tool_use", "id": "t", "name": [], "input": {}},
        {"type": "text", "text": "a", "citations": 7},
    ],
)
def test_what_only_looks_like_an_answer_is_a_cut(block):
    with pytest.raises(StreamCut):
        read_whole(MESSAGE | {"content": [block]})


KINDS = [raw["type"] for raw in stream_of(MESSAGE)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "index", "delta", "content_block", "message", "usage", "text", "input", "id", "name", "error"]
    ), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()), max_size=5),
       st.sampled_from(KINDS), VALUES)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_garbage_is_an_error_of_the_model_and_nothing_else(pieces, kind, value):
    lines = [json.dumps(raw).encode() for raw in stream_of(MESSAGE)][:12]
    more = json.dumps((value if isinstance(value, dict) else {"delta": value, "content_block": value}) | {"type": kind})
    decoder = AnswerDecoder("anthropic", "anthropic/x")
    for line in (*lines, more.encode(), *pieces):
        try:
            decoder.feed(line)
        except (ModelError, GuruError) as error:
            assert error.message
        try:
            AnswerDecoder("anthropic", "anthropic/x").whole(line)
        except GuruError as error:
            assert error.message


# --------------------------------------------------------------------------- the door


def done(*events, usage=None):
    return [*events, Completed(model="x/y", usage=usage or Usage(3, 2))]


def stream(events):
    encoder = MessageEncoder("msg_2", "x/y", trace_id="tr_1")
    return [said for event in [Started("x/y"), *events] for said in encoder.events(event)]


def test_calls_that_come_interleaved_leave_one_after_the_other():
    said = stream(done(
        Delta(text="Let me look."),
        Delta(tool_calls=[ToolCallDelta(0, "a", "f", '{"x"')]),
        Delta(tool_calls=[ToolCallDelta(1, "b", "g", '{"y"')]),
        Delta(tool_calls=[ToolCallDelta(0, arguments=": 1}")]),
        Delta(tool_calls=[ToolCallDelta(1, arguments=": 2}")]),
        Finished("tool_calls"),
    ))  # fmt: skip
    assert [(raw["type"], raw.get("index")) for raw in said] == [
        ("message_start", None), ("ping", None),
        ("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0),
        ("content_block_start", 1), ("content_block_delta", 1), ("content_block_delta", 1), ("content_block_stop", 1),
        ("content_block_start", 2), ("content_block_delta", 2), ("content_block_stop", 2),
        ("message_delta", None),
    ]  # fmt: skip
    assert said[5]["content_block"] == {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    assert said[10]["delta"] == {"type": "input_json_delta", "partial_json": '{"y": 2}'}
    assert said[-1]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


def test_text_in_the_middle_of_a_call_is_an_error_and_no_broken_call():
    events = [
        Delta(tool_calls=[ToolCallDelta(0, "a", "f", '{"x"')]),
        Delta(text="Oh."),
        Delta(tool_calls=[ToolCallDelta(0, arguments=": 1}")]),
    ]
    with pytest.raises(StreamCut):
        stream(events)


def test_a_thought_of_another_provider_has_an_empty_signature():
    message = show(done(Delta(reasoning="Hm"), Delta(reasoning="."), Delta(text="Yes."), Finished("stop")))
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": "Yes."},
    ]


def test_a_refusal_of_openais_is_one_of_anthropics():
    message = show(done(Delta(refusal="I cannot."), Finished("stop")))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "I cannot."}], "refusal")


def test_citations_of_a_grounded_answer_are_citations_of_the_text():
    citation = Citation(n=2, document="a.md", page=None, start=3, end=8, quote="grass", score=0.9)
    events = [
        Retrieved([]), Delta(text="Grass [2]."), Cited([citation]), Unsupported(0, 5), Finished("stop"),
        Completed(model="x/y", usage=Usage(3, 2), outcome="answered", confidence=0.9),
    ]  # fmt: skip
    message = show(events)
    (cited,) = message["content"][0]["citations"]
    assert (cited["cited_text"], cited["document_title"]) == ("grass", "a.md")
    assert (cited["start_char_index"], cited["end_char_index"], cited["document_index"]) == (3, 8, 1)
    assert message["guru"]["outcome"] == "answered"
    assert message["guru"]["unsupported"] == [{"start": 0, "end": 5}]


def test_addresses_that_openai_cites_are_cited():
    address = {"url": "https://a.b", "title": "T", "start_index": 0, "end_index": 3}
    extra = {"annotations": [{"type": "url_citation", "url_citation": address}]}
    (block,) = show(done(Delta(text="So."), Delta(extra=extra), Finished("stop")))["content"]
    assert block["citations"][0]["url"] == "https://a.b"


def test_usage_adds_up_to_the_prompt():
    usage = Usage(22, 20, cached_tokens=5, cache_write_tokens=7, cache_write_1h_tokens=3)
    shown = usage_json(usage)
    assert shown["input_tokens"] == 10
    assert shown["cache_creation"] == {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3}


PIECES = st.lists(
    st.builds(lambda text: Delta(text=text), st.text(min_size=1, max_size=4))
    | st.builds(lambda text: Delta(reasoning=text), st.text(min_size=1, max_size=4)),
    max_size=6,
)
CALLS = st.lists(st.sampled_from(['{"a": 1}', "{}", '{"b": "}{"}']), max_size=3)


@given(PIECES, CALLS, st.randoms())
@settings(max_examples=60, deadline=None)
def test_blocks_follow_one_another_and_nothing_is_lost(pieces, calls, random):
    """Calls are cut and mixed at random, as no provider should and some do."""
    queues = {index: [ToolCallDelta(index, f"id{index}", "f"), *(ToolCallDelta(index, arguments=c) for c in text)]
              for index, text in enumerate(calls)}  # fmt: skip
    mixed = []
    while queues:
        index = random.choice(list(queues))
        mixed.append(Delta(tool_calls=[queues[index].pop(0)]))
        if not queues[index]:
            del queues[index]
    events = done(*pieces, *mixed, Finished("tool_calls" if calls else "stop"))
    opened = None
    for raw in stream(events):
        if raw["type"] == "content_block_start":
            assert opened is None
            opened = raw["index"]
        elif raw["type"].startswith("content_block"):
            assert raw["index"] == opened
            opened = None if raw["type"] == "content_block_stop" else opened
    assert opened is None
    message = show(events)
    texts = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    assert texts == "".join(piece.text for piece in pieces)
    thoughts = "".join(block["thinking"] for block in message["content"] if block["type"] == "thinking")
    assert thoughts == "".join(piece.reasoning for piece in pieces)
    shown = {block["id"]: block["input"] for block in message["content"] if block["type"] == "tool_use"}
    assert shown == {f"id{index}": json.loads(text) for index, text in enumerate(calls)}
