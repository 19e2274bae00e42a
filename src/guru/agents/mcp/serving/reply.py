"""What a server answers an HTTP request with, before any web framework knows of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import Struct

from guru.agents.mcp.protocol import HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_CAPABILITY, UNSUPPORTED_VERSION
from guru.types import JSON


class Reply(Struct, kw_only=True):
    status: int = 200
    message: JSON | None = None
    """One JSON-RPC message as the body."""
    events: AsyncIterator[bytes] | None = None
    """Server-sent events as the body, instead."""
    headers: dict[str, str] = {}


STATUS = {
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
}


def status_of(message: JSON) -> int:
    """The HTTP status of an answer in the modern era: most errors are answers like others."""
    error = message.get("error")
    return STATUS.get(error["code"], 200) if error else 200
