"""What both sides of MCP agree on: revisions, error codes, names of metadata.

Two eras: the modern revision says with every request who asks and what they can do; the legacy ones agree on it once,
by a handshake, and keep a session. Specification: https://modelcontextprotocol.io/specification/2026-07-28
"""

from __future__ import annotations

from typing import Any, Final

from guru import __version__
from guru.types import JSON

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18")
"""Those with a handshake, the newest first. The older of the two differs in what it lacks, not in how it speaks."""
SUPPORTED: Final = (MODERN, *LEGACY)

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
LEGACY_RESOURCE_NOT_FOUND: Final = -32002
SESSION_NOT_FOUND: Final = -32001
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
URL_REQUIRED: Final = -32042
"""Of 2025-11-25: an address has to be opened first."""
MODERN_ERRORS: Final = frozenset((HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION))
"""Who answers with one of these knows the modern revision."""

PREFIX: Final = "io.modelcontextprotocol/"
VERSION_KEY: Final = PREFIX + "protocolVersion"
CLIENT_KEY: Final = PREFIX + "clientInfo"
CAPABILITIES_KEY: Final = PREFIX + "clientCapabilities"
LOG_LEVEL_KEY: Final = PREFIX + "logLevel"
SUBSCRIPTION_KEY: Final = PREFIX + "subscriptionId"
SERVER_KEY: Final = PREFIX + "serverInfo"

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, from RFC 5424, the least first."""

NAME: Final = 100
"""Characters of a client's name that are kept."""
IMPLEMENTATION: Final[JSON] = {"name": "guru", "title": "Guru", "version": __version__}


class McpError(Exception):
    """An error of the protocol, as JSON-RPC says it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> JSON:
        error: JSON = {"code": self.code, "message": self.message}
        return error if self.data is None else error | {"data": self.data}


def invalid_params(message: str, **data: Any) -> McpError:
    return McpError(INVALID_PARAMS, message, data or None)


def method_not_found(method: str) -> McpError:
    return McpError(METHOD_NOT_FOUND, f"There is no method {method!r}.")


def client_name(info: Any) -> str:
    """What a client calls itself, with its version; empty where it does not say."""
    said = (info.get("name"), info.get("version")) if isinstance(info, dict) else ()
    text = " ".join(part for part in said if isinstance(part, str))
    return "".join(letter for letter in text if letter.isprintable())[:NAME]


def meta_of(params: JSON) -> JSON:
    """The `_meta` of a message; empty where there is none. Raises `McpError`."""
    meta = params.get("_meta", {})
    if not isinstance(meta, dict):
        raise invalid_params("`_meta` is not an object.")
    return meta
