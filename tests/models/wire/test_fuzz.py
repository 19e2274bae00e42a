"""Mutated samples through every codec, a few of each; `benchmarks/fuzz_codecs.py` runs more. And what it has found."""

import json
from random import Random

import pytest

from guru.errors import BadRequest, GuruError, StreamCut
from guru.models.wire import anthropic_answer, bedrock_answer, cohere_answer, ollama, openai_tasks
from guru.models.wire.answers import count
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.models.wire.ollama_requests import decode_generate_request
from guru.models.wire.openai_answer import AnswerDecoder
from guru.models.wire.openai_chat import decode_chat_request
from guru.models.wire.openai_responses import decode_responses_request
from guru.models.wire.openai_responses_answer import ResponseWriter
from guru.models.wire.openai_text import decode_text_request
from guru.models.wire.openai_usage import read_usage
from guru.server.bodies import decode_known
from guru.server.openai_api import EmbeddingBody
from guru.types import Completed, Delta, Finished, Started, ToolCallDelta, Usage

INPUTS = {"doors": 60, "encoders": 150, "answers": 25, "requests": 25, "parsers": 60, "tasks": 20}
"""Of each codec."""
DOORS = [decode_chat_request, decode_text_request, decode_responses_request, decode_messages_request,
         decode_generate_request, lambda body: decode_known(body, EmbeddingBody)]  # fmt: skip


@pytest.fixture(scope="module")
def fuzzing():
    # Not on top: what it imports must wait until the providers' tests are collected, which rewrite its assertions.
    from models.wire import fuzz_codecs

    return fuzz_codecs, fuzz_codecs.codecs()


@pytest.mark.parametrize("family", INPUTS)
def test_no_input_breaks_a_codec(fuzzing, family):
    fuzz_codecs, codecs = fuzzing
    chosen = [codec for codec in codecs.values() if codec.family == family]
    outcomes = set()
    for codec in chosen:
        for number in range(INPUTS[family]):
            given = codec.input(Random(f"0:{codec.name}:{number}"))
            outcomes.add(fuzz_codecs.attempt(codec, given))
    assert len(outcomes) > 1  # neither all read nor all refused


def test_a_codec_that_hangs_is_noticed(fuzzing, monkeypatch):
    fuzz_codecs, _ = fuzzing
    monkeypatch.setattr(fuzz_codecs, "SECONDS", 0.05)

    def hang():
        while True:
            pass

    with pytest.raises(fuzz_codecs.TooSlow):
        fuzz_codecs.limited(hang)


# --------------------------------------------------------------------------- what was found


@pytest.mark.parametrize("decode", DOORS)
@pytest.mark.parametrize("nested", [b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 20_000 + b"0" + b"}" * 20_000])
def test_a_body_that_is_nested_too_deeply_is_the_callers_mistake(decode, nested):
    with pytest.raises(BadRequest):
        decode(b'{"model": "m", "input": "a", "vendor": ' + nested + b"}")


def openai(**choice):
    raw = {"id": "c", "choices": [{"index": 0, "finish_reason": "stop", **choice}], "usage": {"prompt_tokens": 1}}
    return AnswerDecoder("acme", "m", "acme/m").whole(json.dumps(raw).encode())


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"refusal": ["a"]}},
        {"message": {"reasoning_content": 7}},
        {"message": {"content": "a"}, "index": "0"},
        {"message": {"content": "a"}, "finish_reason": True},
        {"message": {"tool_calls": [{"id": ["a"], "function": {"name": "f"}}]}},
        {"message": {"tool_calls": [{"id": "a", "function": {"name": {}}}]}},
        {"message": {"content": "a"}, "logprobs": {"content": [{"token": 7, "logprob": 0}]}},
    ],
)
def test_what_is_of_another_type_is_no_answer(choice):
    with pytest.raises(StreamCut):
        openai(**choice)


@pytest.mark.parametrize("value", ["7s", "-7", "9" * 5000, -1, 2**64, 1.5, {}, [7], True, None])
def test_a_count_that_is_none_is_nought(value):
    assert count(value) == 0
    usage, _ = read_usage({
        "prompt_tokens": 5, "completion_tokens": value, "total_tokens": value, "cached_tokens": value,
        "prompt_tokens_details": {"cached_tokens": value, "audio_tokens": value},
        "completion_tokens_details": {"reasoning_tokens": value},
    })  # fmt: skip
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens) == (5, 0, 0, 0)


@pytest.mark.parametrize("value", [12, 12.0, "12"])
def test_a_count_may_be_written_in_other_ways(value):
    assert count(value) == 12


COHERE = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {}}}
OLLAMA = {"message": {"content": "a"}, "done": True, "done_reason": "stop"}
BEDROCK = [{"messageStop": {"stopReason": "end_turn"}}, {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1}}}]
ANTHROPIC = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
SAID = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}


@pytest.mark.parametrize(
    ("decoder", "pieces", "late"),
    [
        (cohere_answer.AnswerDecoder, [COHERE], COHERE),
        (ollama.AnswerDecoder, [OLLAMA], OLLAMA),
        (
            bedrock_answer.AnswerDecoder,
            BEDROCK,
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
        ),
        (anthropic_answer.AnswerDecoder, ANTHROPIC, SAID),
    ],
)
def test_nothing_follows_the_end_of_an_answer(decoder, pieces, late):
    read = decoder("acme", "acme/m")
    events = [event for piece in pieces for event in read.feed(json.dumps(piece).encode())]
    assert isinstance(events[-1], Completed)
    assert read.feed(json.dumps(late).encode()) == []
    assert read.end() == []


@pytest.mark.parametrize("annotations", [7, True, "ab", ["a", None], {"a": 1}, [{"type": []}]])
def test_annotations_of_no_known_shape_do_not_end_a_response(annotations):
    request = decode_responses_request(b'{"model": "m", "input": "Hi"}')
    writer = ResponseWriter("resp_1", 1.0, request, lambda prefix: f"{prefix}_1")
    writer.feed(Started("p/m"))
    said = writer.feed(Delta(text="a", extra={"annotations": annotations}))
    assert "a" in [event.get("delta") for event in said]


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1, 2]}] * 3,
        [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAAAA=="}],
        [{"index": 0, "embedding": [1]}, {"index": "a", "embedding": [1]}],
        [{"index": 0, "embedding": ["1"]}, {"index": 1, "embedding": None}],
    ],
)
def test_vectors_are_as_many_as_texts_and_made_of_numbers(data):
    with pytest.raises(StreamCut):
        openai_tasks.decode_embeddings("acme/m", json.dumps({"data": data}).encode(), 2)


@pytest.mark.parametrize("index", [2, -1, 1e400, "a", None])
def test_a_ranking_ranks_documents_that_were_sent(index):
    body = json.dumps({"results": [{"index": index, "relevance_score": 0.5}]}).encode()
    with pytest.raises(GuruError):
        openai_tasks.decode_ranking("acme/m", body, 2)


@pytest.mark.parametrize("value", [7, "ab", ["a"], {"usage": 7, "content_block": 7, "tool_use": 7, "citation": 7}])
@pytest.mark.parametrize("name", ["anthropic", "ollama", "choice", "audio", "annotations", "guru"])
def test_a_member_that_is_called_like_one_of_ours_ends_no_answer(fuzzing, name, value):
    fuzz_codecs, _ = fuzzing
    deltas = [
        Delta(text="a", extra={name: value}),
        Delta(extra={name: {"data": 7}}),
        Delta(extra={name: {"data": "a"}}),
    ]
    call = Delta(tool_calls=[ToolCallDelta(0, "c", "f", '{"a": 1}')], extra={name: value})
    completed = Completed(model="p/m", usage=Usage(), extra={name: value, "usage": {}})
    assert fuzz_codecs.show([Started("p/m"), *deltas, call, Finished("stop"), completed]) == set()


def test_arguments_that_are_nested_too_deeply_are_an_error_of_ours(fuzzing):
    fuzz_codecs, _ = fuzzing
    calls = [Delta(tool_calls=[ToolCallDelta(number, "c", "f", "[" * 20_000)]) for number in range(2)]
    completed = Completed(model="p/m", usage=Usage())
    assert fuzz_codecs.show([Started("p/m"), *calls, Finished("tool_calls"), completed]) == {"ModelError"}


def test_annotations_that_are_nested_too_deeply_end_a_response_with_an_error():
    deep = {}
    for _ in range(800):
        deep = {"a": deep}
    request = decode_responses_request(b'{"model": "m", "input": "Hi"}')
    writer = ResponseWriter("resp_1", 1.0, request, lambda prefix: f"{prefix}_1")
    with pytest.raises(StreamCut) as caught:
        writer.feed(Delta(text="a", extra={"annotations": [deep]}))
    assert writer.fail(caught.value)[-1]["type"] == "response.failed"
