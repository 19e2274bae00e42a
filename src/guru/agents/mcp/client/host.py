"""What a server may ask of its client, and within which limits: folders, a model, a person.

A server is somebody else's. It gets nothing that the configuration does not name: no folder, no model; and where
nobody is there to be asked, its questions are declined.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from guru.agents.mcp.forms import problems, with_defaults
from guru.agents.mcp.protocol import INVALID_PARAMS, METHOD_NOT_FOUND, McpError
from guru.errors import GuruError
from guru.types import JSON

MOST_TEXT = 200_000
"""Characters of what a server may ask a model."""


class Sampler(Protocol):
    """A model, by way of the gateway: its limits, budgets and guards hold."""

    async def sample(self, params: JSON, tokens: int) -> JSON:
        """The `CreateMessageResult` to `params`, of at most `tokens` tokens. Raises `GuruError`."""
        ...


class Person(Protocol):
    """Somebody who can be asked."""

    async def fill_in(self, server: str, message: str, schema: JSON) -> JSON | None:
        """The fields of a form, filled in; None: they would rather not."""
        ...

    async def visit(self, server: str, message: str, url: str) -> bool:
        """Whether they agree to open an address, which they are shown first."""
        ...


class Host:
    """What one server gets."""

    def __init__(
        self,
        server: str,
        *,
        roots: Sequence[str] = (),
        sampler: Sampler | None = None,
        tokens: int = 1000,
        calls: int = 10,
        person: Person | None = None,
    ) -> None:
        """`calls` are those of the model until `renew`."""
        self._server = server
        self._roots = [Path(root).expanduser().absolute() for root in roots]
        self._sampler = sampler
        self._tokens = tokens
        self._calls = calls
        self._left = calls
        self._person = person

    @property
    def capabilities(self) -> JSON:
        offered: JSON = {}
        if self._roots:
            offered["roots"] = {}
        if self._sampler is not None:
            offered["sampling"] = {}
        if self._person is not None:
            offered["elicitation"] = {"form": {}, "url": {}}
        return offered

    def renew(self) -> None:
        """Another call of a tool begins."""
        self._left = self._calls

    async def answer(self, method: str, params: JSON) -> JSON:
        """The answer to a question of the server. Raises `McpError`."""
        match method:
            case "ping":
                return {}
            case "roots/list":
                return {"roots": [{"uri": root.as_uri(), "name": root.name or str(root)} for root in self._roots]}
            case "sampling/createMessage":
                return await self._sample(params)
            case "elicitation/create":
                return await self._elicit(params)
        raise McpError(METHOD_NOT_FOUND, f"This client has no {method!r}.")

    async def _sample(self, params: JSON) -> JSON:
        if self._sampler is None:
            raise McpError(METHOD_NOT_FOUND, "This client lends no model.")
        if self._left <= 0:
            raise McpError(INVALID_PARAMS, f"A server may ask the model {self._calls} times during one call.")
        if len(str(params)) > MOST_TEXT:
            raise McpError(INVALID_PARAMS, f"A model is asked at most {MOST_TEXT} characters.")
        wanted = params.get("maxTokens")
        if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
            raise McpError(INVALID_PARAMS, "`maxTokens` must be a positive number.")
        self._left -= 1
        try:
            return await self._sampler.sample(params, min(wanted, self._tokens))
        except GuruError as error:
            raise McpError(-1, f"The model did not answer: {error.message}") from error

    async def _elicit(self, params: JSON) -> JSON:
        message = params.get("message")
        if self._person is None or not isinstance(message, str):
            return {"action": "decline"}
        if params.get("mode") == "url":
            url = params.get("url")
            agreed = isinstance(url, str) and url.startswith("https://")
            agreed = agreed and await self._person.visit(self._server, message, str(url))
            return {"action": "accept" if agreed else "decline"}
        schema = params.get("requestedSchema")
        if not isinstance(schema, dict):
            raise McpError(INVALID_PARAMS, "`requestedSchema` is not an object.")
        content = await self._person.fill_in(self._server, message, schema)
        if content is None:
            return {"action": "decline"}
        content = with_defaults(schema, content)
        return {"action": "accept", "content": content} if not problems(schema, content) else {"action": "cancel"}
