"""Headers that repeat what a modern request says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.agents.mcp.headers import (
    check_parameters,
    check_standard,
    decode_value,
    encode_value,
    marked,
    parameter_headers,
    standard_headers,
)
from guru.agents.mcp.protocol import HEADER_MISMATCH, McpError

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}},
    },
}


@given(st.text())
def test_any_text_comes_back_as_it_was_and_travels_as_plain_ascii(text):
    sent = encode_value(text)
    assert sent.isascii() and sent == sent.strip() and "\n" not in sent and "\r" not in sent
    assert decode_value(sent) == text


def test_what_is_plain_stays_readable():
    assert [encode_value(value) for value in ("get_weather", "a b", 42, True)] == ["get_weather", "a b", "42", "true"]
    assert encode_value("=?base64?YQ==?=") != "=?base64?YQ==?="  # or it would be taken for another value


@pytest.mark.parametrize("broken", ["=?base64?%%?=", "=?base64?/w==?=", "a\x01b", "ä"])
def test_a_header_that_cannot_be_read_is_refused(broken):
    with pytest.raises(McpError) as caught:
        decode_value(broken)
    assert caught.value.code == HEADER_MISMATCH


def test_headers_and_body_say_the_same():
    params = {"name": "größe", "arguments": {}}
    headers = standard_headers("2026-07-28", "tools/call", params)
    check_standard("tools/call", params, headers)
    for wrong in (
        {},
        {"mcp-method": "tools/list"},
        headers | {"mcp-name": "other"},
        headers | {"mcp-method": "TOOLS/CALL"},
    ):
        with pytest.raises(McpError):
            check_standard("tools/call", params, wrong)


def test_marked_parameters_are_repeated_wherever_they_are():
    arguments = {"region": "us-west1", "deep": {"count": 3}}
    headers = parameter_headers(SCHEMA, arguments)
    assert headers == {"mcp-param-region": "us-west1", "mcp-param-count": "3"}
    check_parameters(SCHEMA, arguments, headers)
    check_parameters(SCHEMA, arguments, headers | {"mcp-param-count": "3.0"})
    check_parameters(SCHEMA, {}, {})
    for wrong in ({}, headers | {"mcp-param-region": "us-west2"}, headers | {"mcp-param-count": "many"}):
        with pytest.raises(McpError):
            check_parameters(SCHEMA, arguments, wrong)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "string", "x-mcp-header": ""}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "a b"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "a\r\nb"}}},
        {"properties": {"a": {"type": "number", "x-mcp-header": "a"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "a"}}}},
        {"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "a"}}}]},
        {"$defs": {"a": {"type": "string", "x-mcp-header": "a"}}},
    ],
)
def test_a_mark_that_nobody_may_follow_makes_the_tool_unusable(schema):
    with pytest.raises(ValueError):
        marked(schema)


def test_a_parameter_that_is_called_like_the_mark_is_none():
    assert marked({"properties": {"x-mcp-header": {"type": "string"}}}) == {}
