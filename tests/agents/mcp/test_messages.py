"""JSON-RPC as MCP uses it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Answer, Notification, Request, decode
from guru.agents.mcp.protocol import INVALID_REQUEST, PARSE_ERROR, McpError


def test_the_three_kinds_are_told_apart():
    assert decode(messages.encode(messages.request(1, "ping"))) == Request(1, "ping", {})
    assert decode(messages.encode(messages.notification("n", {"a": 1}))) == Notification("n", {"a": 1})
    assert decode(messages.encode(messages.result("x", {"a": 1}))) == Answer("x", {"a": 1})
    error = McpError(-32602, "wrong", {"uri": "x"})
    assert decode(messages.encode(messages.failure(None, error))) == Answer(None, error=error.body())


@pytest.mark.parametrize(
    "wrong",
    [
        "[]", "3", "null", '"x"', "{}", '{"jsonrpc": "1.0", "id": 1, "method": "a"}', '{"jsonrpc": "2.0"}',
        '{"jsonrpc": "2.0", "id": null, "method": "a"}', '{"jsonrpc": "2.0", "id": true, "method": "a"}',
        '{"jsonrpc": "2.0", "id": 1.5, "method": "a"}', '{"jsonrpc": "2.0", "id": 1, "method": 3}',
        '{"jsonrpc": "2.0", "id": 1, "method": "a", "params": []}', '{"jsonrpc": "2.0", "id": 1, "result": 3}',
        '{"jsonrpc": "2.0", "id": {}, "result": {}}', '{"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1}}',
        '{"jsonrpc": "2.0", "id": 1, "error": {}}', '[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(wrong):
    with pytest.raises(McpError) as caught:
        decode(wrong)
    assert caught.value.code == INVALID_REQUEST


@pytest.mark.parametrize("wrong", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(wrong):
    with pytest.raises(McpError) as caught:
        decode(wrong)
    assert caught.value.code == PARSE_ERROR


KEYS = st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "2.0"])
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["2.0", "ping"])


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_anything_is_a_message_or_an_error(value):
    try:
        decode(json.dumps(value))
    except McpError as error:
        assert error.code == INVALID_REQUEST
