"""JSON-RPC 2.0, as MCP uses it: one message at a time. Specification: https://www.jsonrpc.org/specification"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from guru.agents.mcp.protocol import INVALID_REQUEST, PARSE_ERROR, McpError
from guru.types import JSON

Id = str | int
encode = msgspec.json.Encoder().encode


class Request(Struct, frozen=True):
    id: Id
    method: str
    params: JSON


class Notification(Struct, frozen=True):
    method: str
    params: JSON


class Answer(Struct, frozen=True):
    """To a request: its result, or the error that came instead."""

    id: Id | None
    result: JSON | None = None
    error: JSON | None = None


Message = Request | Notification | Answer


def decode(data: bytes | str) -> Message:
    """Raises `McpError` for what is no JSON, or no message."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise McpError(PARSE_ERROR, "The message is not JSON.") from None
    return read(value)


def read(value: Any) -> Message:
    """A decoded message. Raises `McpError`."""
    if isinstance(value, list):
        raise McpError(INVALID_REQUEST, "Batches are not part of this protocol: send one message at a time.")
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise McpError(INVALID_REQUEST, "The message is not a JSON-RPC 2.0 object.")
    method, params, number = value.get("method"), value.get("params", {}), value.get("id")
    if method is None:
        return _answer(value, number)
    if not isinstance(method, str) or not isinstance(params, dict):
        raise McpError(INVALID_REQUEST, "`method` must be a string, and `params` an object.")
    if "id" not in value:
        return Notification(method, params)
    if isinstance(number, bool) or not isinstance(number, str | int):
        raise McpError(INVALID_REQUEST, "`id` must be a string or an integer.")
    return Request(number, method, params)


def _answer(value: JSON, id: Any) -> Answer:
    result, error = value.get("result"), value.get("error")
    if id is not None and not is_id(id):
        raise McpError(INVALID_REQUEST, "`id` must be a string or an integer.")
    if isinstance(error, dict) and isinstance(error.get("code"), int) and "result" not in value:
        return Answer(id, error=error)
    if isinstance(result, dict) and "error" not in value and id is not None:
        return Answer(id, result=result)
    raise McpError(INVALID_REQUEST, "The message has neither a method, nor a result, nor an error.")


def is_id(id: Any) -> bool:
    return isinstance(id, str | int) and not isinstance(id, bool)


def request(id: Id, method: str, params: JSON | None = None) -> JSON:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


def notification(method: str, params: JSON | None = None) -> JSON:
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}


def result(id: Id, value: JSON) -> JSON:
    return {"jsonrpc": "2.0", "id": id, "result": value}


def failure(id: Id | None, error: McpError) -> JSON:
    """An error; without an id where the request's could not be read."""
    known: JSON = {} if id is None else {"id": id}
    return {"jsonrpc": "2.0", **known, "error": error.body()}
