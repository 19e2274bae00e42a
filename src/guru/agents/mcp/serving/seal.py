"""State that a client carries from one request to the next: it can be read by anybody, and changed by nobody.

A modern server keeps nothing between two requests. What it must remember goes out as `requestState` and comes back
with the next one, sealed for the person, the request and some minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable

import msgspec

from guru.agents.mcp.messages import encode
from guru.agents.mcp.protocol import McpError, invalid_params
from guru.types import JSON

SECONDS = 900
"""A person may think as long as this about a question."""


class Seal:
    def __init__(self, key: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def close(self, state: JSON, *, purpose: str, seconds: float = SECONDS) -> str:
        """`state` as a string, for that long. `purpose` says for whom and for what: nothing else opens it."""
        body = encode({"state": state, "until": self._clock() + seconds})
        return base64.urlsafe_b64encode(self._sign(body, purpose) + body).decode()

    def open(self, sealed: object, *, purpose: str) -> JSON:
        """What `close` was given. Raises `McpError` for anything that it did not make, for this, and lately."""
        try:
            raw = base64.urlsafe_b64decode(sealed if isinstance(sealed, str) else "!")
        except (binascii.Error, ValueError):
            raise _refused() from None
        if base64.urlsafe_b64encode(raw).decode() != sealed:  # the last bits of base64 may differ and mean nothing
            raise _refused()
        signature, body = raw[:32], raw[32:]
        if not hmac.compare_digest(signature, self._sign(body, purpose)):
            raise _refused()
        content: JSON = msgspec.json.decode(body)
        if content["until"] < self._clock():
            raise invalid_params("The question was answered too late. Send the request anew.")
        state: JSON = content["state"]
        return state

    def _sign(self, body: bytes, purpose: str) -> bytes:
        return hmac.digest(self._key, hashlib.sha256(purpose.encode()).digest() + body, "sha256")


def _refused() -> McpError:
    return invalid_params("`requestState` fails its integrity check: it must come back as it was given.")
