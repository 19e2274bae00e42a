"""Requests to Anthropic's Messages API, and the same requests as its clients send them to us."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import BadRequest, InvalidParameter
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.models.wire.anthropic_request import encode_request
from guru.models.wire.claude import claude
from guru.models.wire.openai_chat import decode_chat_request
from guru.types import ChatRequest, Message, NativePart, NativeTool

PNG = "iVBORw0KGgo="
MARK = {"type": "ephemeral", "ttl": "1h"}


def from_openai(model="claude-opus-4-6", drop=(), **fields):
    fields.setdefault("messages", [{"role": "user", "content": "Hi"}])
    request, _ = decode_chat_request(json.dumps({"model": "x", **fields}).encode())
    return encode_request(request, model, drop)


def asking(**fields):
    return ChatRequest(model="x", messages=[Message("user", "Hi")], **fields)


def through(body, model=None):
    """A body of Anthropic's as it leaves for Anthropic again."""
    request = decode_messages_request(json.dumps(body).encode())
    return encode_request(request, model or body["model"])


def test_a_plain_chat_becomes_blocks_with_the_models_own_limit():
    body = from_openai(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert body == {
        "model": "claude-opus-4-6",
        "max_tokens": 128_000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


@pytest.mark.parametrize(
    ("model", "limit", "adaptive"),
    [
        ("claude-3-haiku-20240307", 4096, False),
        ("claude-3-5-sonnet-20241022", 8192, False),
        ("claude-3-7-sonnet-20250219", 64_000, False),
        ("claude-opus-4-20250514", 32_000, False),
        ("claude-opus-4-1-20250805", 32_000, False),
        ("claude-haiku-4-5", 64_000, False),
        ("us.anthropic.claude-sonnet-4-6", 128_000, True),
        ("claude-opus-5", 128_000, True),
        ("claude-mythos-preview", 128_000, True),
    ],
)
def test_a_models_name_tells_what_it_can_do(model, limit, adaptive):
    assert (claude(model).max_output, claude(model).adaptive) == (limit, adaptive)


def test_tools_calls_and_results_take_anthropics_form():
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = from_openai(
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [call, call | {"id": "b"}]},
            {"role": "tool", "tool_call_id": "functions.f:0", "content": "one"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": "And?"},
        ],
        tools=[{"type": "function", "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
    )
    assert body["tools"] == [{"name": "f", "description": "F.", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    _, asked, results = body["messages"]
    assert asked["content"] == [
        {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {"a": 1}},
    ]
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "functions_f_0", "content": "one"},
            {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "two"}]},
            {"type": "text", "text": "And?"},
        ],
    }


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
)
def test_tool_choice(choice, parallel, expected):
    body = from_openai(
        tools=[{"type": "function", "function": {"name": "f"}}], tool_choice=choice, parallel_tool_calls=parallel
    )
    assert body.get("tool_choice") == expected
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_images_and_documents_keep_their_form():
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,SGk="}},
        {"type": "file", "file": {"file_id": "file_1"}},
    ]
    body = from_openai(messages=[{"role": "user", "content": parts}])
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    ]


@pytest.mark.parametrize(
    ("effort", "model", "expected"),
    [
        ("high", "claude-opus-4-6", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("minimal", "claude-opus-5", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("none", "claude-opus-5", {"thinking": {"type": "disabled"}}),
        ("medium", "claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
    ],
)
def test_an_effort_becomes_thinking(effort, model, expected):
    body = encode_request(asking(reasoning_effort=effort), model)
    assert {name: body[name] for name in body if name in ("thinking", "output_config")} == expected


def test_a_budget_leaves_room_for_the_answer():
    body = encode_request(asking(reasoning_effort="high", max_tokens=2000), "claude-sonnet-4-5")
    assert body["thinking"]["budget_tokens"] == 1999
    assert "thinking" not in encode_request(asking(reasoning_effort="high", max_tokens=500), "claude-sonnet-4-5")


def test_a_schema_is_an_output_format_and_json_alone_is_refused():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert from_openai(response_format=form)["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    with pytest.raises(InvalidParameter, match="json_object") as caught:
        from_openai(response_format={"type": "json_object"})
    assert caught.value.param == "response_format.type"
    assert "output_config" not in from_openai(response_format={"type": "json_object"}, drop=["response_format"])


def test_names_and_sound_are_refused_with_their_place_or_dropped():
    message = {"role": "user", "name": "anna", "content": "Hi"}
    with pytest.raises(InvalidParameter) as caught:
        from_openai(messages=[message])
    assert caught.value.param == "messages[0].name"
    assert from_openai(messages=[message], drop=["name"])["messages"][0]["content"][0]["text"] == "Hi"
    sound = [{"type": "text", "text": "Hi"}, {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]
    with pytest.raises(InvalidParameter) as caught:
        from_openai(messages=[{"role": "user", "content": sound}])
    assert caught.value.param == "messages[0].content[1]"


def test_a_system_message_between_others_stays_there_for_models_that_take_it():
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Now in French."},
        {"role": "assistant", "content": "Salut"},
        {"role": "user", "content": "Bye"},
    ]
    roles = [turn["role"] for turn in from_openai("claude-opus-5", messages=messages)["messages"]]
    assert roles == ["user", "system", "assistant", "user"]
    older = from_openai("claude-sonnet-4-5", messages=messages)
    assert older["system"] == [{"type": "text", "text": "Now in French."}]
    assert [turn["role"] for turn in older["messages"]] == ["user", "assistant", "user"]


def test_unknown_fields_go_along_and_tools_of_others_are_refused():
    assert from_openai(service_tier="auto", container="c_1")["container"] == "c_1"
    request, _ = decode_chat_request(
        json.dumps({"model": "x", "messages": [{"role": "user", "content": "a"}]}).encode()
    )
    request.native_tools = [NativeTool("gemini", {"google_search": {}})]
    with pytest.raises(InvalidParameter, match="gemini"):
        encode_request(request, "claude-opus-5")


# --------------------------------------------------------------------------- Anthropic to Anthropic

CONVERSATION = {
    "model": "claude-opus-5",
    "max_tokens": 1000,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": MARK}, {"type": "text", "text": "Be brief."}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "image", "source": {"type": "file", "file_id": "file_9"}},
                {
                    "type": "document",
                    "title": "Grass",
                    "context": "A note.",
                    "citations": {"enabled": True},
                    "source": {"type": "text", "media_type": "text/plain", "data": "The grass is green."},
                },
                {
                    "type": "search_result",
                    "source": "https://example.org",
                    "title": "T",
                    "content": [{"type": "text", "text": "S"}],
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "grass"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "thinking", "thinking": "So.", "signature": "c2lnMg=="},
                {
                    "type": "text",
                    "text": "Green.",
                    "citations": [
                        {"type": "web_search_result_location", "url": "https://a.b", "encrypted_index": "E"}
                    ],
                },
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, "ü"]}, "cache_control": MARK},
                {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "cache_control": MARK,
                    "content": [
                        {"type": "text", "text": "broken"},
                        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                    ],
                },
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "fine"},
                {"type": "text", "text": "Go on."},
            ],
        },
    ],
    "tools": [
        {"name": "f", "description": "F.", "input_schema": {"type": "object"}, "strict": True, "cache_control": MARK},
        {"type": "web_search_20260209", "name": "web_search", "max_uses": 3},
        {"name": "g", "input_schema": {"type": "object"}, "defer_loading": True},
    ],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "stop_sequences": ["END"],
    "temperature": 1.0,
    "top_p": 0.9,
    "top_k": 5,
    "metadata": {"user_id": "anna"},
    "service_tier": "standard_only",
    "container": "container_1",
    "cache_control": {"type": "ephemeral"},
    "mcp_servers": [{"type": "url", "url": "https://example.org/mcp", "name": "m"}],
    "stream": True,
}  # fmt: skip


def test_a_whole_conversation_arrives_as_it_was_sent():
    assert through(CONVERSATION) == CONVERSATION


def test_what_others_can_read_is_in_their_form():
    request = decode_messages_request(json.dumps(CONVERSATION).encode(), ["beta-1"])
    assert request.betas == ["beta-1"]
    assert [message.role for message in request.messages] == [
        "system", "user", "assistant", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    grass, found = request.messages[1].content[3:]
    assert isinstance(grass, NativePart)
    assert grass.text == "The grass is green."
    assert found.text == "T\nhttps://example.org\nS"
    assert request.tool_choice == "required"
    assert request.parallel_tool_calls is False
    assert (request.reasoning_effort, request.user, request.stop) == ("xhigh", "anna", ["END"])
    assert [tool.tool["name"] for tool in request.native_tools] == ["web_search", "g"]


def test_thoughts_without_a_signature_and_our_own_citations_stay_here():
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": "Yes.", "citations": [{"type": "char_location", "guru": {"n": 1}}]},
    ]
    body = {
        "model": "claude-opus-5", "max_tokens": 5,
        "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}],
    }  # fmt: skip
    request = decode_messages_request(json.dumps(body).encode())
    assert request.messages[1].reasoning_content == "Hm."
    assert request.messages[1].content == "Yes."
    assert through(body)["messages"][1]["content"] == [{"type": "text", "text": "Yes."}]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "name": "a"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": "x"}]}]},
            "messages[0].content[0].cache_control",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": 1}]}
                ]
            },
            "messages[0].content[0].input",
        ),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"input_schema": {}}]}, "name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": []}}, "tool_choice.type"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, param):
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]} | change
    with pytest.raises(InvalidParameter) as caught:
        decode_messages_request(json.dumps(body).encode())
    assert caught.value.param == param


# --------------------------------------------------------------------------- properties

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.text("abcü \n", min_size=1, max_size=12).filter(str.strip)  # texts of spaces alone are refused
MARKS = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": MARK}])
TEXTS = st.builds(lambda text, mark: {"type": "text", "text": text} | mark, WORDS, MARKS)
IMAGES = st.builds(
    lambda source, mark: {"type": "image", "source": source} | mark,
    st.sampled_from(
        [
            {"type": "url", "url": "https://example.org/a.png"},
            {"type": "base64", "media_type": "image/png", "data": PNG},
            {"type": "file", "file_id": "f"},
        ]
    ),
    MARKS,
)
DOCUMENTS = st.builds(
    lambda source, more, mark: {"type": "document", "source": source} | more | mark,
    st.sampled_from(
        [
            {"type": "url", "url": "https://example.org/a.pdf"},
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            {"type": "text", "media_type": "text/plain", "data": "Hé"},
            {"type": "content", "content": "x"},
        ]
    ),
    st.sampled_from([{}, {"title": "T"}, {"context": "C"}, {"citations": {"enabled": True}}]),
    MARKS,
)
INSIDE = (IMAGES | DOCUMENTS).map(lambda block: {name: block[name] for name in block if name != "cache_control"})
"""A mark on the last block inside a result and one on the result say the same: it is sent on the result."""
RESULTS = st.builds(
    lambda content, error, mark: {"type": "tool_result", "tool_use_id": "t"} | content | error | mark,
    st.just({}) | st.builds(lambda blocks: {"content": blocks}, st.lists(INSIDE, min_size=1, max_size=2)),
    st.sampled_from([{}, {"is_error": True}]),
    MARKS,
)
THOUGHTS = st.sampled_from(
    [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}]
)
CALLS = st.builds(
    lambda given, mark: {"type": "tool_use", "id": "t", "name": "f", "input": given} | mark,
    st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=3),
    MARKS,
)
SEARCHES = st.sampled_from([{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}])
USER = st.lists(TEXTS | IMAGES | DOCUMENTS | RESULTS, min_size=1, max_size=5)
ASSISTANT = st.builds(
    lambda thoughts, texts, calls: [*thoughts, *texts, *calls],
    st.lists(THOUGHTS, max_size=2),
    st.lists(TEXTS, max_size=2),
    st.lists(CALLS, max_size=2),
)
SEARCHING = st.builds(lambda first, found, second: [*first, found, *second], ASSISTANT, SEARCHES, ASSISTANT)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "system": st.lists(TEXTS, min_size=1, max_size=2),
        "temperature": st.sampled_from([0, 0.5, 1.0]),
        "top_k": st.integers(0, 50),
        "stop_sequences": st.lists(WORDS, min_size=1, max_size=2),
        "thinking": st.sampled_from([{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}]),
        "inference_geo": st.just("us"),
        "context_management": st.just({"edits": []}),
        "metadata": st.just({"user_id": "u"}),
        "stream": st.just(True),
    },
)


@given(USER, st.one_of(ASSISTANT, SEARCHING).filter(bool), FIELDS)
@settings(max_examples=50, deadline=None)
def test_no_block_and_no_field_is_lost_on_the_way_through(user, assistant, fields):
    turns = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    body = {"model": "claude-opus-5", "max_tokens": 10, "messages": turns} | fields
    assert through(body) == body


@given(st.dictionaries(st.sampled_from(list(CONVERSATION)), JSON_VALUES) | JSON_VALUES)
@settings(max_examples=40, deadline=None)
def test_a_body_is_read_or_refused_and_never_crashes(change):
    body = json.dumps(CONVERSATION | change if isinstance(change, dict) else change).encode()
    try:
        request = decode_messages_request(body)
    except BadRequest:
        return
    assert request.model == json.loads(body)["model"]


@given(JSON_VALUES, st.sampled_from(["user", "assistant", "system"]))
@settings(max_examples=40, deadline=None)
def test_content_is_read_or_refused_and_never_crashes(content, role):
    kinds = ("text", "image", "document", "tool_use", "tool_result", "thinking", "search_result")
    for kind in kinds:
        members = content if isinstance(content, dict) else {"content": content, "source": content, "input": content}
        block = {"type": kind} | {"text": "a", "id": "a", "name": "f", "tool_use_id": "a"} | members
        body = {"model": "m", "max_tokens": 1, "messages": [{"role": role, "content": [block]}]}
        try:
            decode_messages_request(json.dumps(body).encode())
        except BadRequest:
            pass
