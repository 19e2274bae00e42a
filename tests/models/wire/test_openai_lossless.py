"""No codec drops a field: what goes in at the door reaches the provider, what it says reaches the client."""

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.models.wire.openai_answer import AnswerDecoder
from guru.models.wire.openai_chat import decode_chat_request
from guru.models.wire.openai_encoder import ChatEncoder
from guru.models.wire.openai_text import TextEncoder, decode_text_request
from guru.models.wire.openai_upstream import Dialect, encode_chat, encode_text
from guru.types import ChatRequest

SAME = Dialect(reasoning="reasoning_content", cache_control=True, tool_images=True)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
names = st.text("abcdefgh", min_size=3, max_size=6)
values = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | words,
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(names, inner, min_size=1, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(names, values, min_size=1, max_size=2)


def some(**fields):
    """An object with some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def tagged(kind, **fields):
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


def joined(*parts):
    """One object of several."""
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


# --------------------------------------------------------------------------- requests

marks = some(cache_control=st.just({"type": "ephemeral"}))
image = st.fixed_dictionaries({"url": words}, optional={"detail": st.sampled_from(["low", "high"])})
parts = st.lists(
    joined(tagged("text", text=words), marks)
    | joined(tagged("image_url", image_url=image), marks)
    | tagged("input_audio", input_audio=objects)
    | tagged("file", file=objects),
    min_size=1,
    max_size=3,
)
function = st.fixed_dictionaries({"name": names, "arguments": words})
calls = st.lists(joined(tagged("function", id=words, function=function), marks), min_size=1, max_size=2)
foreign = st.dictionaries(names.map(lambda name: f"x_{name}"), values, max_size=2)
messages = st.one_of(
    joined(st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user"]), "content": words | parts}),
           some(name=words), foreign),
    joined(st.fixed_dictionaries({"role": st.just("assistant"), "content": words}),
           some(reasoning_content=words, refusal=words, tool_calls=calls), foreign),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": st.none(), "tool_calls": calls}),
    joined(st.fixed_dictionaries({"role": st.just("tool"), "content": words, "tool_call_id": words}), foreign),
)  # fmt: skip
tool = joined(
    tagged("function", function=st.fixed_dictionaries(
        {"name": names}, optional={"description": words, "parameters": objects, "strict": st.booleans()})),
    marks,
) | tagged("web_search", filters=objects)  # fmt: skip
sampling = {
    "temperature": st.floats(0, 2), "top_p": st.floats(0, 1), "top_k": st.integers(0, 99), "min_p": st.floats(0, 1),
    "typical_p": st.floats(0.1, 1), "repeat_penalty": st.floats(0.1, 2), "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logit_bias": st.dictionaries(st.integers(0, 9999).map(str), st.floats(-100, 100), min_size=1, max_size=2),
    "max_tokens": st.integers(1, 999), "stop": st.lists(words, min_size=1, max_size=2), "seed": st.integers(-99, 99),
    "n": st.integers(2, 128), "user": words,
}  # fmt: skip
requests = joined(
    st.fixed_dictionaries({"model": words, "messages": st.lists(messages, min_size=1, max_size=4)}),
    some(
        **sampling, parallel_tool_calls=st.booleans(), reasoning_effort=st.sampled_from(["low", "high"]),
        metadata=objects,
        response_format=st.just({"type": "json_object"}), logprobs=st.just(True),
        tools=st.lists(tool, min_size=1, max_size=2),
    ),
    foreign,
)  # fmt: skip


def ordered(raw):
    """Functions stand before the provider's own tools."""
    if "tools" in raw:
        raw["tools"] = sorted(raw["tools"], key=lambda tool: tool["type"] != "function")
    return raw


@settings(max_examples=50, deadline=None)
@given(requests, st.booleans())
def test_a_chat_that_goes_in_goes_out(raw, stream):
    sent = raw | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {})
    request, options = decode_chat_request(json.dumps(sent).encode())
    assert (options.stream, options.include_usage) == (stream, stream)
    again = msgspec.json.decode(msgspec.json.encode(encode_chat(request, raw["model"], SAME)))
    assert again == ordered(sent)


@settings(max_examples=40, deadline=None)
@given(joined(
    st.fixed_dictionaries({"model": words, "prompt": words | st.lists(st.integers(0, 99), min_size=1)}),
    some(**sampling, suffix=words, echo=st.just(True), logprobs=st.integers(0, 20)), foreign,
))  # fmt: skip
def test_a_prompt_that_goes_in_goes_out(raw):
    (request,), _ = decode_text_request(json.dumps(raw).encode())
    assert msgspec.json.decode(msgspec.json.encode(encode_text(request, raw["model"], SAME))) == raw


# --------------------------------------------------------------------------- answers

token = st.fixed_dictionaries({"token": words, "logprob": st.floats(-9, 0), "bytes": st.none()})
logprobs = st.fixed_dictionaries({
    "content": st.lists(
        joined(token, st.fixed_dictionaries({"top_logprobs": st.lists(token, max_size=2)})), min_size=1, max_size=3
    ),
    "refusal": st.none() | st.lists(token, min_size=1, max_size=1),
})  # fmt: skip
answer_calls = st.lists(joined(tagged("function", id=words, function=function), foreign), min_size=1, max_size=2)
texts = st.fixed_dictionaries({"role": st.just("assistant"), "content": words, "refusal": st.none()})
said = joined(
    texts, some(reasoning_content=words, annotations=st.lists(objects, min_size=1, max_size=2), audio=objects), foreign
) | (
    st.fixed_dictionaries({
        "role": st.just("assistant"), "content": st.none(), "refusal": st.none(), "tool_calls": answer_calls,
    })
)  # fmt: skip
choices = joined(
    st.fixed_dictionaries({
        "message": texts | said, "logprobs": st.none() | logprobs,
        "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    }),
    st.just({}) | foreign,
)  # fmt: skip
counts = st.tuples(st.integers(1, 99), st.integers(50, 99), st.integers(0, 20), st.integers(1, 40), foreign).map(
    lambda n: {
        "prompt_tokens": n[0], "completion_tokens": n[1], "total_tokens": n[0] + n[1],
        "prompt_tokens_details": {"cached_tokens": n[2]},
        "completion_tokens_details": {"reasoning_tokens": n[3]},
        **n[4],
    }
)  # fmt: skip
continued = st.fixed_dictionaries({"text": words, "finish_reason": st.sampled_from(["stop", "length"])})
HEAD = {"id": "chatcmpl-1", "created": 5, "model": "m"}
answers = joined(
    st.just({**HEAD, "object": "chat.completion"}),
    st.fixed_dictionaries({"choices": st.lists(choices, min_size=1, max_size=2), "usage": counts}),
    some(system_fingerprint=words, service_tier=words, citations=st.lists(words, min_size=1)),
    st.just({}) | foreign,
).map(lambda raw: raw | {"choices": [{"index": i, **choice} for i, choice in enumerate(raw["choices"])]})


def shown(raw):
    """What the client sees more: which answer of the provider's it was."""
    return raw | {"upstream": {"id": "chatcmpl-1"}}


def encoder(**options):
    return ChatEncoder("chatcmpl-1", "m", 5, ChatRequest(model="m", messages=[]), **options)


@settings(max_examples=40, deadline=None)
@given(answers)
def test_an_answer_reaches_the_client_with_all_its_members(raw):
    events = AnswerDecoder("acme", "m", "m").whole(json.dumps(raw).encode())
    assert encoder().collect(events) == shown(raw)
    assert json.loads(encoder().body(events)) == shown(raw)


def chunks_of(raw):
    """The same answer as a provider streams it: head and message, then the reasons, then the usage."""
    base = {name: value for name, value in raw.items() if name not in ("choices", "usage")}
    base["object"] = "chat.completion.chunk"
    for choice in raw["choices"]:
        delta = dict(choice["message"])
        if "tool_calls" in delta:
            delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(delta["tool_calls"])]
        rest = {name: value for name, value in choice.items() if name != "message"}
        yield base | {"choices": [rest | {"delta": delta, "finish_reason": None}]}
    for choice in raw["choices"]:
        end = {"index": choice["index"], "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
        yield base | {"choices": [end]}
    yield base | {"choices": [], "usage": raw["usage"]}


@settings(max_examples=40, deadline=None)
@given(answers)
def test_a_stream_reaches_the_client_with_all_its_members(raw):
    upstream = AnswerDecoder("acme", "m", "m")
    events = [event for chunk in chunks_of(raw) for event in upstream.feed(json.dumps(chunk).encode())]
    upstream.feed(b"[DONE]")
    events += upstream.end()
    assert encoder().collect(events) == shown(raw)
    # And once more over the wire: what the client puts together is the same.
    door, client = encoder(include_usage=True), AnswerDecoder("guru", "m", "m")
    sent = [door.data(event) for event in events]
    back = [event for data in sent if data for event in client.feed(data.removeprefix(b"data: ").rstrip(b"\n"))]
    client.feed(b"[DONE]")
    assert encoder().collect([*back, *client.end()]) == shown(raw)


@settings(max_examples=40, deadline=None)
@given(st.lists(continued, min_size=1, max_size=3), foreign, foreign, counts)
def test_a_continued_prompt_reaches_the_client_with_all_its_members(found, of_choice, of_answer, usage):
    columns = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}], "text_offset": [0]}
    choices = [{"index": i, "logprobs": columns, **of_choice, **choice} for i, choice in enumerate(found)]
    raw = {**HEAD, "object": "text_completion", "choices": choices, "usage": usage, **of_answer}
    events = AnswerDecoder("acme", "m", "m").whole(json.dumps(raw).encode())
    requests, _ = decode_text_request(b'{"model": "m", "prompt": "x"}')
    assert json.loads(TextEncoder("chatcmpl-1", "m", 5, requests).body(events)) == shown(raw)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=60)
    | values.map(lambda value: json.dumps({"choices": [value], "error": None}).encode())
    | st.builds(lambda a, b: json.dumps({"choices": [{"delta": a, "message": b, "index": 0}]}).encode(), values, values)
)
def test_whatever_a_provider_says_is_read_or_refused_with_an_error_of_ours(data):
    from guru.errors import GuruError

    for read in (AnswerDecoder("acme", "m", "m").feed, AnswerDecoder("acme", "m", "m").whole):
        try:
            read(data)
        except GuruError:
            continue
