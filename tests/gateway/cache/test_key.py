"""What makes two requests the same: everything that shapes the answer, and nothing else."""

import msgspec
import pytest

from guru.gateway.cache.key import IGNORED, digest, scope
from guru.tasks import EmbeddingRequest
from guru.types import ChatRequest, TextRequest

SAMPLING = {
    "temperature": 0.5, "top_p": 0.5, "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repeat_penalty": 1.1,
    "presence_penalty": 0.1, "frequency_penalty": 0.1, "logit_bias": {"50": 1.5}, "max_tokens": 50, "stop": ["x"],
    "seed": 1, "n": 2, "logprobs": True, "top_logprobs": 3, "user": "u", "stream": True, "extra": {"x": {"y": [1]}},
}  # fmt: skip
MARK = {"type": "ephemeral"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "cache_control": MARK}
ASSISTANT = {
    "role": "assistant", "content": "Hi", "name": "n", "tool_calls": [CALL], "refusal": "no", "reasoning_content": "hm",
    "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}], "extra": {"prefix": "p"},
}  # fmt: skip
PARTS = [
    {"type": "text", "text": "What is it?", "cache_control": MARK},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}, "cache_control": MARK},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:,"}, "cache_control": MARK},
    {"type": "refusal", "refusal": "no"},
    {"type": "native", "format": "anthropic", "part": {"x": "y"}, "text": "shown"},
]
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}
CHAT = SAMPLING | {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."}, ASSISTANT,
        {"role": "tool", "content": "42", "tool_call_id": "1", "is_error": True}, {"role": "user", "content": PARTS},
    ],
    "tools": [{"type": "function", "function": FUNCTION, "cache_control": MARK}],
    "native_tools": [{"format": "openai", "tool": {"type": "web_search"}}],
    "tool_choice": "auto", "parallel_tool_calls": True, "response_format": {"type": "json_object"},
    "reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 1024}, "metadata": {"a": "b"},
    "betas": ["b"], "guru": {"collection": "c", "k": 3, "mode": "dense", "filter": {"a": "b"}, "threshold": 0.5},
}  # fmt: skip
TEXT = SAMPLING | {"model": "m", "prompt": "Once", "suffix": "end", "echo": True}
EMBEDDING = {
    "model": "m", "input": ["a", "b"], "dimensions": 5, "input_type": "query", "user": "u", "extra": {"x": 1},
}  # fmt: skip
KINDS = [(ChatRequest, CHAT), (TextRequest, TEXT), (EmbeddingRequest, EMBEDDING)]


def leaves(value, path=()):
    """The places of everything that is no list and no object."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        yield path
    for name, inner in pairs:
        yield from leaves(inner, (*path, name))


def changes(leaf):
    """Other values of the same type, of which one is valid: some members take only a few words."""
    if isinstance(leaf, bool):
        return [not leaf]
    if isinstance(leaf, str):
        return [other for other in (leaf + "x", "user", "developer", "gemini", "hybrid") if other != leaf]
    return [leaf + 1]


def with_leaf(value, path, leaf):
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_leaf(value[path[0]], path[1:], leaf)
    return copy


def key(kind, fields, tenant="a", model="m"):
    request = EmbeddingRequest(**fields) if kind is EmbeddingRequest else msgspec.convert(fields, kind)
    return digest(tenant, model, request)


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_everything_that_shapes_an_answer_is_in_its_key(kind, fields):
    """`fields` has every field of the request, so that a new one fails here until it is given."""
    assert set(fields) == set(kind.__struct_fields__)
    known, tried = key(kind, fields), 0
    for path in leaves(fields):
        for other in changes(msgspec.to_builtins(value_at(fields, path))):
            try:
                changed = key(kind, with_leaf(fields, path, other))
            except msgspec.ValidationError:
                continue  # a tag, or one of a few words
            assert (changed == known) == (path[0] in IGNORED), path
            tried += 1
            break
    assert tried >= len(fields)


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_what_is_left_out_is_another_request(kind, fields):
    for name in set(fields) - IGNORED - {"messages", "prompt", "input"}:
        without = {each: value for each, value in fields.items() if each != name}
        assert key(kind, without) != key(kind, fields), name
    for place, message in enumerate(fields.get("messages", [])):
        for name in set(message) - {"role"}:
            without = {each: value for each, value in message.items() if each != name}
            assert key(kind, with_leaf(fields, ("messages", place), without)) != key(kind, fields), name


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_no_tenant_and_no_model_has_the_keys_of_another(kind, fields):
    keys = {key(kind, fields, tenant, model) for tenant in ("a", "b", "") for model in ("m", "o", "")}
    assert len(keys) == 9
    assert key(kind, fields, "ab", "c") != key(kind, fields, "a", "bc")


def test_only_the_question_may_differ_within_a_scope():
    request = msgspec.convert(CHAT, ChatRequest)
    before = request.messages[:-1]
    known = scope("a", "m", request, before)
    assert scope("a", "m", msgspec.structs.replace(request, messages=[*before, before[0]]), before) == known
    assert scope("b", "m", request, before) != known
    assert scope("a", "o", request, before) != known
    assert scope("a", "m", request, before[:-1]) != known
    for name in set(CHAT) - IGNORED - {"messages"}:
        plain = msgspec.structs.replace(request, **{name: getattr(ChatRequest(model="m", messages=[]), name)})
        assert scope("a", "m", plain, before) != known, name


def value_at(value, path):
    for name in path:
        value = value[name]
    return value
