"""What a server may ask of its client, and within which limits: folders, a model, a person.

A server is somebody else's. It gets nothing that the configuration does not name: no folder, no model; and where
nobody is there to be asked, its questions are declined.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from guru.agents.mcp.client.elicitation import read_question
from guru.agents.mcp.forms import problems, with_defaults
from guru.agents.mcp.protocol import INVALID_PARAMS, METHOD_NOT_FOUND, McpError
from guru.agents.tools.asking import MODES, Elicitation, Elicited, Mode, Person
from guru.errors import GuruError
from guru.types import JSON

MOST_TEXT = 200_000
"""Characters of what a server may ask a model."""


class Sampler(Protocol):
    """A model, by way of the gateway: its limits, budgets and guards hold."""

    async def sample(self, params: JSON, tokens: int) -> JSON:
        """The `CreateMessageResult` to `params`, of at most `tokens` tokens. Raises `GuruError`."""
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
        asks: bool = False,
        patience: float = 900.0,
    ) -> None:
        """`calls` are those of the model until `renew`. `person` is asked where a call has nobody else; `asks`: whether
        there are calls that have somebody, who may take `patience` seconds."""
        self._server = server
        self._roots = [Path(root).expanduser().absolute() for root in roots]
        self._sampler = sampler
        self._tokens = tokens
        self._calls = calls
        self._left = calls
        self._person = person
        self._asks = asks
        self._patience = patience

    @property
    def capabilities(self) -> JSON:
        """All that the server may ever ask for."""
        return self.offered(MODES)

    def offered(self, modes: frozenset[Mode]) -> JSON:
        """What it may ask for in a call for which somebody can be asked in these ways; nobody where there are none."""
        offered: JSON = {}
        if self._roots:
            offered["roots"] = {}
        if self._sampler is not None:
            offered["sampling"] = {}
        own = self._person.modes if self._person is not None else frozenset()
        if asked := own | (modes if self._asks else frozenset()):
            offered["elicitation"] = {mode: {} for mode in sorted(asked)}
        return offered

    def renew(self) -> None:
        """Another call of a tool begins."""
        self._left = self._calls

    async def answer(self, method: str, params: JSON, person: Person | None = None, state: JSON | None = None) -> JSON:
        """The answer to a question of the server, during a call that has somebody to be asked: see `Person.ask`.

        Raises `McpError`, and `Suspended`.
        """
        match method:
            case "ping":
                return {}
            case "roots/list":
                return {"roots": [{"uri": root.as_uri(), "name": root.name or str(root)} for root in self._roots]}
            case "sampling/createMessage":
                return await self._sample(params)
            case "elicitation/create":
                return await self._elicit(params, person, state)
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

    async def _elicit(self, params: JSON, person: Person | None, state: JSON | None) -> JSON:
        person = person if person is not None and self._asks else self._person
        question = read_question(self._server, params, seconds=self._patience)
        if person is None or question is None:
            return {"action": "decline"}
        return checked(question, await person.ask(question, state))

    def said(self, params: JSON, answer: Elicited) -> JSON:
        """The answer to a question that a person was asked before. Raises `McpError`."""
        question = read_question(self._server, params, seconds=self._patience)
        return {"action": "decline"} if question is None else checked(question, answer)


def checked(question: Elicitation, answer: Elicited) -> JSON:
    """An answer as the server is given it: what does not hold to its form is none."""
    if answer.action != "accept" or question.schema is None:
        return {"action": answer.action}
    content = with_defaults(question.schema, answer.content)
    if problems(question.schema, content):
        return {"action": "cancel"}
    known = {name: content[name] for name in question.schema["properties"] if name in content}
    return {"action": "accept", "content": known}
