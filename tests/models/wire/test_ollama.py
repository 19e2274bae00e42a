"""Ollama's format as a door: bodies keep every field, answers say every event, and nonsense is an error of ours."""

import base64
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guru.errors import GuruError, InvalidParameter, ModelError
from guru.models.wire.ollama import AnswerDecoder, encode_request, encode_text_request
from guru.models.wire.ollama_answers import ChatEncoder, GenerateEncoder
from guru.models.wire.ollama_requests import (
    LOADING,
    decode_chat_request,
    decode_embed_request,
    decode_generate_request,
    plain_name,
)
from guru.types import (
    Citation,
    Cited,
    Completed,
    Delta,
    Finished,
    Started,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Unsupported,
    Usage,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
CALLED = {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": [1]}}}
FULL = {
    "model": "m",
    "stream": False,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look:", "images": [PNG]},
        {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [CALLED]},
        {"role": "tool", "content": "7", "tool_call_id": "call_1", "tool_name": "f"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    "format": {"type": "object"},
    "options": {
        "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "typical_p": 0.9, "repeat_penalty": 1.1,
        "presence_penalty": -1.0, "frequency_penalty": 1.0, "num_predict": 9, "seed": 3, "stop": ["a", "b"],
        "num_ctx": 4096, "num_gpu": 1, "use_mmap": True, "repeat_last_n": 5, "mirostat": 1, "num_keep": 2,
    },
    "think": "high", "logprobs": True, "top_logprobs": 2, "keep_alive": "5m", "truncate": False, "shift": False,
    "vendor": {"deep": [1]},
}  # fmt: skip


def chat(**fields):
    base = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    return decode_chat_request(json.dumps(base | fields).encode())


def test_a_body_that_goes_on_to_an_ollama_server_arrives_as_it_came():
    call = decode_chat_request(json.dumps(FULL).encode())
    call.request.extra |= call.loading
    assert encode_request(call.request, "m") == FULL


def test_a_generated_text_too():
    body = {"model": "m", "stream": True, "prompt": "def f(", "raw": True, "options": {"num_predict": 9, "num_ctx": 5},
            "keep_alive": -1.0}  # fmt: skip
    call = decode_generate_request(json.dumps(body).encode())
    call.request.extra |= call.loading
    assert encode_text_request(call.request, "m") == body


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0, 2), "top_p": st.floats(0, 1), "top_k": st.integers(0, 99),
            "num_predict": st.integers(1, 999), "seed": st.integers(0, 2**31),
            "stop": st.lists(st.text(min_size=1), min_size=1),
            **{name: st.integers() for name in sorted(LOADING)}, "repeat_last_n": st.integers(),
        },
    ),
    st.dictionaries(st.text().map("x-{}".format), st.integers() | st.text(), max_size=3),
)  # fmt: skip
def test_no_field_is_lost(options, unknown):
    call = chat(options=options, **unknown)
    call.request.extra |= call.loading
    body = encode_request(call.request, "m")
    assert body.pop("options", {}) == options
    assert {name: body[name] for name in unknown} == unknown


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "Hi", "mood": "good"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "7"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "images": ["aGVsbG8="]}]}, "messages[0].images[0]"),
        ({"options": {"temperature": 9}}, "options.temperature"),
        ({"options": {"stop": [""]}}, "options.stop[0]"),
        ({"options": 7}, "options"),
        ({"format": "xml"}, "format"),
        ({"think": "much"}, "think"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"_debug_render_only": True}, "_debug_render_only"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_mistake_is_named(fields, param):
    with pytest.raises(InvalidParameter) as raised:
        chat(**fields)
    assert raised.value.param.startswith(param)


def test_results_find_their_calls_by_name_and_by_order():
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("f", "g", "f")]
    results = [{"role": "tool", "content": text, "tool_name": name} for text, name in (("1", "g"), ("2", "f"))]
    messages = [{"role": "assistant", "tool_calls": calls}, *results, {"role": "tool", "content": "3"}]
    called, *answers = chat(messages=messages).request.messages
    ids = [call.id for call in called.tool_calls]
    assert [answer.tool_call_id for answer in answers] == [ids[1], ids[0], ids[2]]


def test_negative_limits_and_seeds_are_none():
    request = chat(options={"num_predict": -1, "seed": -1}).request
    assert (request.max_tokens, request.seed) == (None, None)


def test_names_lose_the_tag_that_clients_add():
    assert [plain_name(name) for name in ("a:latest", "a:7b", "p/a")] == ["a", "a:7b", "p/a"]


def test_what_embed_can_say():
    request, loading = decode_embed_request(
        b'{"model": "m:latest", "input": ["a"], "dimensions": 5, "truncate": false, "options": {"num_ctx": 9}}'
    )
    assert (request.model, request.input, request.dimensions, request.extra) == ("m", ["a"], 5, {"truncate": False})
    assert loading == {"num_ctx": 9}
    for body in (b'{"model": "m", "input": []}', b'{"model": "m"}', b'{"model": "m", "input": [[1]]}', b"[]", b"{"):
        with pytest.raises(GuruError):
            decode_embed_request(body)


TEXT = st.text(max_size=9)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*FULL, "role", "content", "images", "tool_calls", "function", "name", "arguments", "prompt",
                         "suffix", "raw", "system", "input", "seed", "num_predict"]), inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON_VALUES.map(msgspec.json.encode) | st.binary(max_size=30))
@example(b'{"model": "\xff"}')
def test_any_body_is_read_or_refused(body):
    for decode in (decode_chat_request, decode_generate_request, decode_embed_request):
        try:
            decode(body)
        except GuruError as error:
            assert error.status == 400


# --------------------------------------------------------------------------- answers

DELTAS = st.builds(
    Delta, text=TEXT, reasoning=TEXT,
    logprobs=st.none() | st.lists(st.builds(
        TokenLogprob, TEXT, st.floats(-9, 0), st.none() | st.lists(st.integers(0, 255), max_size=3),
        st.lists(st.builds(TopLogprob, TEXT, st.floats(-9, 0)), max_size=2),
    ), max_size=2),
)  # fmt: skip
CALLS = st.lists(
    st.dictionaries(TEXT, st.integers(), max_size=2).map(lambda value: msgspec.json.encode(value).decode()), max_size=3
)


def heard(events):
    deltas = [event for event in events if isinstance(event, Delta)]
    return (
        "".join(delta.text for delta in deltas),
        "".join(delta.reasoning for delta in deltas),
        [msgspec.to_builtins(entry) for delta in deltas for entry in delta.logprobs or ()],
        [(part.index, part.name, msgspec.json.decode(part.arguments)) for each in deltas for part in each.tool_calls],
        [event.reason for event in events if isinstance(event, Finished)],
        [
            (event.usage.prompt_tokens, event.usage.completion_tokens)
            for event in events
            if isinstance(event, Completed)
        ],
    )


@given(st.lists(DELTAS, max_size=4), CALLS, st.sampled_from(["stop", "length"]), st.booleans())
def test_what_the_encoder_writes_the_decoder_reads(deltas, calls, reason, generate):
    called = [Delta(tool_calls=[ToolCallDelta(index, f"c{index}", "f", text)]) for index, text in enumerate(calls)]
    reason = "tool_calls" if calls and reason == "stop" else reason
    usage = Usage(7, 3)
    events = [
        Started("p/m"),
        *deltas,
        *called,
        Finished(reason),
        Completed(model="p/m", usage=usage, timings={"total": 2}),
    ]
    encoder = GenerateEncoder if generate else ChatEncoder
    streaming, lines, decoder, read = encoder("m"), b"", AnswerDecoder("p", "p/m"), []
    for event in events:
        lines += streaming.chunk(event)
    for line in lines.splitlines():
        read += decoder.feed(line)
    assert heard(read) == heard(events)
    assert streaming.end() == b""
    whole = AnswerDecoder("p", "p/m").whole(encoder("m").collect(events))
    assert heard(whole) == heard(events)


def test_what_guru_adds_stands_under_guru():
    citation = Citation(n=1, document="a.md", page=None, start=0, end=4, quote="Blue", score=0.9)
    usage = Usage(7, 3)
    events = [
        Delta(text="Blue [1]."), Cited([citation]), Cited([citation]), Unsupported(0, 4), Finished("stop"),
        Completed(model="m", usage=usage, outcome="answered", confidence=0.9),
    ]  # fmt: skip
    answer = json.loads(ChatEncoder("m").collect(events))
    assert answer["message"]["content"] == "Blue [1]."
    assert [each["quote"] for each in answer["guru"]["citations"]] == ["Blue", "Blue"]
    assert answer["guru"]["unsupported"] == [{"start": 0, "end": 4}]
    assert (answer["guru"]["outcome"], answer["done"]) == ("answered", True)


def test_durations_are_nanoseconds():
    timings = {"queue": 0.5, "first_token": 1.0, "total": 3.0}
    answer = json.loads(GenerateEncoder("m").collect([Completed(model="m", usage=Usage(7, 4), timings=timings)]))
    assert (answer["total_duration"], answer["load_duration"]) == (3_000_000_000, 500_000_000)
    assert (answer["prompt_eval_duration"], answer["eval_duration"]) == (500_000_000, 2_000_000_000)


def test_what_an_ollama_server_said_is_repeated():
    line = {"model": "m", "created_at": "x", "message": {"role": "assistant", "content": "Hi"}, "done": True,
            "done_reason": "stop", "total_duration": 5, "load_duration": 1, "eval_count": 2, "prompt_eval_count": 3,
            "eval_duration": 4, "prompt_eval_duration": 2, "remote_model": "big"}  # fmt: skip
    events = AnswerDecoder("p", "p/m").whole(msgspec.json.encode(line))
    again = json.loads(ChatEncoder("m").collect(events))
    assert {**again, "created_at": "x"} == line


@pytest.mark.parametrize("arguments", ["[1]", "{", "7"])
def test_arguments_that_are_no_object_are_an_error(arguments):
    encoder = ChatEncoder("m")
    encoder.chunk(Delta(tool_calls=[ToolCallDelta(0, "c", "f", arguments)]))
    with pytest.raises(ModelError):
        encoder.chunk(Finished("tool_calls"))
