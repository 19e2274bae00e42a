"""Tokens: OpenAI's exactly, the others estimated."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.cost import tokens
from guru.gateway.cost.bpe import Encoding, merge
from guru.gateway.cost.tokens import (
    count_prompt,
    count_tokens,
    estimate_text,
    estimate_tokens,
    interrupted_usage,
    vocabulary,
)
from guru.types import (
    ChatRequest,
    FunctionCall,
    FunctionDefinition,
    ImagePart,
    ImageUrl,
    Message,
    TextPart,
    TextRequest,
    Tool,
    ToolCall,
)

# As tiktoken 0.14 counts them: (text, o200k_base, cl100k_base).
COUNTED = [
    ("", 0, 0),
    ("Hello, world! It's a test, isn't it?", 11, 13),
    ("  four   spaces\n\n\tand a tab  ", 9, 9),
    ("def main() -> None:\n    return x[1:234567] // 8\n", 19, 19),
    ("今天天气很好，我们去公园散步吧。", 12, 20),
    ("Сегодня хорошая погода, мы идём гулять в парк.", 14, 26),
    ("नमस्ते दुनिया, आप कैसे हैं?", 10, 27),
    ("مرحبا بالعالم", 4, 10),
    ("👋🏽 wörld 𝐀𝐁 \u2028 x\u0301", 15, 19),
    ("a" * 300, 38, 38),
    ("<|endoftext|>", 7, 7),
    ("HTTPServer camelCase SHOUTING don'T WE'LL", 12, 12),
]


@pytest.fixture(scope="module")
def o200k() -> Encoding:
    return tokens.load("o200k")


@pytest.fixture(scope="module")
def cl100k() -> Encoding:
    return tokens.load("cl100k")


@pytest.mark.parametrize(("text", "new", "old"), COUNTED)
def test_counts_are_those_of_tiktoken(text: str, new: int, old: int, o200k: Encoding, cl100k: Encoding) -> None:
    assert (o200k.count(text), cl100k.count(text)) == (new, old)


@given(st.text(max_size=200))
def test_a_text_has_at_most_a_token_for_each_byte(text: str) -> None:
    count = tokens.load("o200k").count(text)
    assert (count == 0) == (not text)
    assert count <= len(text.encode("utf-8", "replace"))


@given(st.binary(min_size=1, max_size=40))
def test_merging_is_what_the_plain_algorithm_does(piece: bytes) -> None:
    ranks = {bytes([a, b]): a * 256 + b for a in range(0, 256, 3) for b in range(0, 256, 2)}
    ranks |= {bytes([a, b, c, d]): 70_000 + a for a in range(0, 256, 3) for b, c, d in [(0, 3, 2), (2, 6, 4)]}
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not pairs:
            break
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    assert merge(piece, ranks) == len(parts)


@pytest.mark.parametrize(
    ("model", "name", "exact"),
    [
        ("openai/gpt-4o-mini", "o200k", True),
        ("openai/gpt-4.1", "o200k", True),
        ("openai/gpt-5.2-codex", "o200k", True),
        ("openai/o3", "o200k", True),
        ("openrouter/openai/gpt-oss-120b", "o200k", True),
        ("azure/gpt-4", "cl100k", True),
        ("azure/gpt-4-turbo", "cl100k", True),
        ("openai/gpt-3.5-turbo", "cl100k", True),
        ("openai/text-embedding-3-small", "cl100k", True),
        ("anthropic/claude-sonnet-4-5", "o200k", False),
        ("groq/llama-3.3-70b-versatile", "o200k", False),
    ],
)
def test_which_vocabulary_a_model_has(model: str, name: str, exact: bool) -> None:
    found, factor = vocabulary(model)
    assert (found, factor == 1.0) == (name, exact)


def test_a_count_without_the_vocabulary_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_loaded", {})
    monkeypatch.setattr(tokens, "_loading", {"o200k"})
    assert count_tokens("openai/gpt-4o", "x" * 41) == 11


def test_a_long_text_is_counted_by_samples(o200k: Encoding) -> None:
    text = "".join(
        f"Paragraph {n} says that {n * n} is the square of {n}, which nobody doubted.\n" for n in range(3000)
    )
    assert count_tokens("openai/gpt-4o", text) == pytest.approx(o200k.count(text), rel=0.03)


@pytest.mark.parametrize("text", [case[0] for case in COUNTED[1:8]])
def test_four_bytes_are_about_a_token(text: str, o200k: Encoding) -> None:
    assert o200k.count(text) / 3 < estimate_text(text) < o200k.count(text) * 3


def test_the_estimate_of_a_request_counts_everything_that_is_sent(o200k: Encoding) -> None:
    plain = ChatRequest(model="m", messages=[Message(role="user", content="Hello there, how are you?")])
    call = ToolCall(id="1", function=FunctionCall("weather", '{"city": "Paris"}'))
    tools = [Tool(FunctionDefinition("weather", "How the weather is.", {"type": "object"}))]
    picture = [TextPart("What is this?"), ImagePart(ImageUrl("data:image/png;base64," + "A" * 100_000))]
    grown = [
        ChatRequest(model="m", messages=plain.messages, tools=tools),
        ChatRequest(model="m", messages=[*plain.messages, Message(role="assistant", tool_calls=[call])]),
        ChatRequest(model="m", messages=[*plain.messages, Message(role="user", content=list(picture))]),
        ChatRequest(model="m", messages=plain.messages, response_format={"type": "json_object"}),
    ]
    for request in grown:
        assert estimate_tokens(plain) < estimate_tokens(request) < estimate_tokens(plain) + 900
        assert count_prompt("openai/gpt-4o", plain) < count_prompt("openai/gpt-4o", request)


def test_a_prompt_of_token_numbers_is_as_long_as_it_is() -> None:
    request = TextRequest(model="m", prompt=[1, 2, 3])
    assert estimate_tokens(request) == count_prompt("openai/gpt-4o", request) == 3


def test_an_answer_that_was_cut_off_counts_what_was_sent(o200k: Encoding) -> None:
    request = ChatRequest(model="m", messages=[Message(role="user", content="Hello, world!")])
    usage = interrupted_usage("openai/gpt-4o", request, "It is a test")
    assert usage.estimated
    assert (usage.prompt_tokens, usage.completion_tokens) == (3 + 4 + 4, 4)


def test_names_that_callers_invent_do_not_fill_the_memory() -> None:
    for number in range(5_000):
        vocabulary(f"x/{number}")
    assert vocabulary.cache_info().currsize < 5_000
