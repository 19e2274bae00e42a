"""OpenAI text completions: prompts in all their forms, the old log-probability columns."""

import json

import pytest

from guru.errors import InvalidParameter
from guru.models.wire.openai_text import TextEncoder, decode_text_request, encode_text_request, shift
from guru.types import Completed, Delta, Finished, TextRequest, TokenLogprob, TopLogprob, Usage


def decode(**fields):
    return decode_text_request(json.dumps({"model": "m", "prompt": "Hi"} | fields).encode())


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]])],
)
def test_a_body_may_hold_several_prompts(prompt, prompts):
    requests, _ = decode(prompt=prompt)
    assert [request.prompt for request in requests] == prompts


def test_no_field_is_lost():
    full = {"model": "m", "prompt": "Hi", "suffix": "s", "echo": True, "logprobs": 2, "n": 2, "stop": ["x"],
            "seed": 4, "temperature": 0.1, "vendor": 1}  # fmt: skip
    (request,), _ = decode_text_request(json.dumps(full).encode())
    assert request.extra == {"vendor": 1}
    assert encode_text_request(request) == full


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"prompt": []}, "prompt"), ({"prompt": [1, "a"]}, "prompt"), ({"prompt": None}, "prompt"),
     ({"logprobs": -1}, "logprobs"), ({"best_of": 3}, "best_of")],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(fields, param):
    with pytest.raises(InvalidParameter) as caught:
        decode(**fields)
    assert caught.value.param == param


def test_choices_of_several_prompts_are_numbered_through():
    requests = [TextRequest(model="m", prompt=text) for text in "ab"]
    events = [
        Delta(text="x", logprobs=[TokenLogprob("x", -1.0, None, [TopLogprob("y", -2.0)])]),
        Finished("stop"),
        Completed(model="m", usage=Usage(1, 1)),
        shift(Delta(text="y"), 1),
        shift(Finished("length"), 1),
        Completed(model="m", usage=Usage(2, 3)),
    ]
    answer = TextEncoder("cmpl-1", "m", 1, requests).collect(events)
    assert [(choice["index"], choice["text"], choice["finish_reason"]) for choice in answer["choices"]] == [
        (0, "x", "stop"), (1, "y", "length"),
    ]  # fmt: skip
    assert answer["usage"]["total_tokens"] == 7
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["x"], "token_logprobs": [-1.0], "top_logprobs": [{"y": -2.0}], "text_offset": [0],
    }  # fmt: skip
    stream = TextEncoder("cmpl-1", "m", 1, requests, include_usage=True)
    chunks = [chunk for event in events if (chunk := stream.chunk(event))]
    assert [chunk["usage"] is not None for chunk in chunks] == [False, False, False, False, True]
