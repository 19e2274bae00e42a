"""The client, as what serves one of its requests sees it: it can be told of progress, and asked.

How it is asked differs: a legacy client gets a request, and answers; a modern one gets the questions as the result, and
sends its request again with the answers. So that tools need not know, a request that comes again is worked on from its
beginning, with all answers that were given before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from guru.agents.mcp.forms import problems
from guru.agents.mcp.messages import encode
from guru.agents.mcp.protocol import LEVELS, MISSING_CAPABILITY, McpError, invalid_params
from guru.agents.tools.asking import Mode
from guru.types import JSON

NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
"""What a client must have said it can, to be asked."""
ANSWER_SECONDS: Final = 600.0
"""How long a client may take to answer a question, where nobody says otherwise."""
MOST_ANSWER: Final = 64 << 10
"""Bytes of what a person answers."""


class Question(Exception):
    """Raised through whatever works for a modern client: it must answer before the work can go on."""

    def __init__(self, requests: dict[str, JSON], kept: JSON | None = None) -> None:
        """`kept` is what the work goes on from when the answer has come: `name` is the one of `requests` that it is
        about, and `seconds` how long there is for it."""
        super().__init__("The client has to answer first.")
        self.requests = requests
        self.kept = kept


class Peer(Protocol):
    """One request's client."""

    @property
    def capabilities(self) -> JSON: ...

    async def notify(self, method: str, params: JSON) -> None: ...

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Nothing is sent to a client that did not ask for it."""
        ...

    async def log(self, level: str, data: Any) -> None:
        """Nothing is sent below the level that the client asked for."""
        ...

    async def ask(self, requests: dict[str, JSON], *, seconds: float = ANSWER_SECONDS) -> dict[str, JSON]:
        """The answers to `requests`, each `{"method", "params"}`, by the names that they have here.

        Where the work waits for an answer, it does so for `seconds`, or until it is cancelled. Raises `McpError` for
        what the client cannot be asked, and for answers that are none.
        """
        ...

    @property
    def suspends(self) -> bool:
        """Whether work that can be gone on from later is to end with its `Question`, in place of waiting in `ask`."""
        ...

    @property
    def kept(self) -> JSON | None:
        """Of the `Question` that this request answers; None where it answers none that has kept anything."""
        ...

    @property
    def answer(self) -> Any:
        """To that question, unchecked; None where the client gave none."""
        ...

    async def hold(self, work: Held) -> JSON:
        """The result of work that may wait in `ask`, and cannot be begun anew: it is given the peer that it asks. A
        request that answers it goes on with the work that is there. Raises what the work raises, and `Question`."""
        ...

    def hang_up(self) -> None:
        """End the stream of this request, where the client can come back for the rest of it; else nothing."""
        ...


Held = Callable[[Peer], Awaitable[JSON]]


def modes_of(capabilities: JSON) -> frozenset[Mode]:
    """In which ways a client says that its person can be asked. One that names none can fill in forms, as there was
    nothing else at first."""
    said = capabilities.get("elicitation")
    if not isinstance(said, dict):
        return frozenset()
    named: list[Mode] = [mode for mode in ("form", "url") if isinstance(said.get(mode), dict)]
    return frozenset(named or ("form",))


def check_asked(capabilities: JSON, requests: dict[str, JSON]) -> None:
    """Raises `McpError` when the client has not said that it can be asked this."""
    needed = {NEEDS[request["method"]] for request in requests.values()}
    lacking: JSON = {name: {} for name in sorted(needed) if not isinstance(capabilities.get(name), dict)}
    if "elicitation" in needed - lacking.keys():
        asked = (request for request in requests.values() if request["method"] == "elicitation/create")
        modes = {(request.get("params") or {}).get("mode", "form") for request in asked}
        if modes - modes_of(capabilities):
            lacking["elicitation"] = {mode: {} for mode in sorted(modes - modes_of(capabilities))}
    if lacking:
        names = ", ".join(lacking)
        raise McpError(
            MISSING_CAPABILITY, f"The client cannot be asked: it lacks {names}.", {"requiredCapabilities": lacking}
        )


def check_answer(request: JSON, answer: Any) -> JSON:
    """An answer that has the shape that was asked for. Raises `McpError`."""
    if not isinstance(answer, dict):
        raise invalid_params("An input response is not an object.")
    method, params = request["method"], request.get("params") or {}
    if method == "roots/list" and not isinstance(answer.get("roots"), list):
        raise invalid_params("The answer to roots/list has no `roots`.")
    if method == "sampling/createMessage" and ("content" not in answer or "model" not in answer):
        raise invalid_params("The answer to sampling/createMessage has no `content` and `model`.")
    if method == "elicitation/create":
        if answer.get("action") not in ("accept", "decline", "cancel"):
            raise invalid_params("The answer to elicitation/create has no `action`.")
        if len(encode(answer)) > MOST_ANSWER:
            raise invalid_params(f"The answer has more than {MOST_ANSWER >> 10} KiB.")
        if answer["action"] == "accept" and "requestedSchema" in params:
            wrong = problems(params["requestedSchema"], answer.get("content", {}))
            if wrong:
                raise invalid_params("The form is not filled in as asked: " + " ".join(wrong))
    return answer


def loud_enough(level: str, wanted: str | None) -> bool:
    return wanted in LEVELS and level in LEVELS and LEVELS.index(level) >= LEVELS.index(wanted)
