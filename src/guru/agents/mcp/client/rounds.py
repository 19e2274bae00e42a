"""What a server wants to know before it answers a request, and how the request goes on with the answers.

A modern server ends a request with questions, and is asked the same once more, with the answers and with what it wants
back as it was: nothing is kept open meanwhile, so that the answers can come days later. A server of 2025-11-25 can
refuse a call until an address has been opened (`URL_REQUIRED`), and is then asked as if for the first time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.agents.mcp.protocol import INTERNAL_ERROR, URL_REQUIRED, McpError
from guru.types import JSON

MOST_STATE: Final = 256 << 10
"""Bytes of what is kept of a request for later; a larger one is kept open in its place."""


MOST_QUESTIONS: Final = 10
"""Of one round."""


class Round(Struct, kw_only=True):
    """Questions that a request was answered with, and what was said so far."""

    questions: dict[str, JSON]
    """By the names that they have there, each with its `method` and `params`."""
    answers: dict[str, JSON] = {}
    sent: JSON = {}
    """What the server wants back as it was."""
    visits: bool = False
    """Whether the request was refused until addresses have been opened."""
    number: int = 1
    """How often in a row the server has asked."""

    def kept(self, name: str) -> JSON | None:
        """What the request can be gone on from when the question `name` is answered; None where that is too much."""
        state = {"round": msgspec.to_builtins(self), "name": name}
        return state if len(msgspec.json.encode(state)) <= MOST_STATE else None

    def again(self) -> JSON:
        """What is sent again with the request. Raises `McpError` where it makes no sense to."""
        if not self.visits:
            return self.sent | ({"inputResponses": self.answers} if self.answers else {})
        if any(answer.get("action") != "accept" for answer in self.answers.values()):
            raise McpError(URL_REQUIRED, "The person did not open the address that has to be opened first.")
        return {}


def asked_by(result: JSON, number: int) -> Round:
    """The questions of a result. Raises `McpError`."""
    asked = result.get("inputRequests") or {}
    if not isinstance(asked, dict) or not all(_is_question(item) for item in asked.values()):
        raise McpError(INTERNAL_ERROR, "The server's questions are none.")
    if len(asked) > MOST_QUESTIONS:
        raise McpError(INTERNAL_ERROR, f"The server asks more than {MOST_QUESTIONS} questions at once.")
    sent: JSON = {"requestState": result["requestState"]} if "requestState" in result else {}
    return Round(questions=asked, sent=sent, number=number)


def refused_until(error: McpError, number: int) -> Round | None:
    """The addresses that must be opened before a request is taken; None for any other error."""
    asked = error.data.get("elicitations") if isinstance(error.data, dict) else None
    if error.code != URL_REQUIRED or not isinstance(asked, list) or not asked:
        return None
    if len(asked) > MOST_QUESTIONS or not all(isinstance(item, dict) for item in asked):
        return None
    questions = {
        str(place): {"method": "elicitation/create", "params": item | {"mode": "url"}}
        for place, item in enumerate(asked)
    }
    return Round(questions=questions, visits=True, number=number)


def read_kept(state: JSON) -> tuple[Round, str]:
    """What `Round.kept` gave: the round, and the name of the question that is answered now."""
    return msgspec.convert(state["round"], Round), str(state["name"])


def _is_question(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("params") or {}, dict)
