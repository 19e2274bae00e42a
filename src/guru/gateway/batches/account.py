"""Who pays for a batch that a provider runs: its lines are let through before, and written down as others are."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import msgspec

from guru.errors import RateLimited
from guru.gateway.batches.lines import Answered
from guru.gateway.cost.tokens import estimate_tokens
from guru.gateway.identity import Caller
from guru.gateway.pipeline import Road
from guru.gateway.steps import Reservation
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.models.wire.openai_chat import decode_chat_request
from guru.observe.spans import CallRecord
from guru.types import ChatRequest, Usage

JSON = dict[str, Any]
SHARE: Final = 0.5
"""Of the usual price. All of them halve it for batches."""
CHARACTERS: Final = 4
"""Of a token, in lines that are no chats."""
PATIENCE: Final = 60.0
"""Seconds after which a line that met a limit asks again at the latest."""


class Limits(Protocol):
    """The limits of this server, as far as a batch needs them."""

    async def admit(self, caller: Caller, model: str, tokens: int, cost: float) -> Reservation: ...

    async def hold(self, caller: Caller, model: str, cost: float) -> Reservation:
        """Money alone, for as long as the batch takes. Raises `BudgetExceeded`."""
        ...


class Accounts:
    """Lets lines through the limits of whoever handed them in, and writes down what they cost."""

    def __init__(self, road: Road, limits: Limits) -> None:
        self._road = road
        self._limits = limits

    def estimate(self, endpoint: str, model: str, body: JSON) -> tuple[int, float]:
        """Tokens and US dollars that a line may need. Raises `BadRequest` for a chat that is none. Blocks."""
        request = decoded(endpoint, body)
        if request is None:
            prompt, answer = len(msgspec.json.encode(body)) // CHARACTERS + 1, 0
        elif request.max_tokens is None:
            prompt, answer = self._road.tokens.estimate(request)
        else:
            prompt, answer = estimate_tokens(request), request.max_tokens * request.n
        return prompt + answer, (self._road.prices.estimate(model, prompt, answer) or 0.0) * SHARE

    async def admit(self, caller: Caller, model: str, tokens: int) -> None:
        """Wait until the rates of the caller let a line through. Raises `TooLarge`, `BudgetExceeded`, `Forbidden`."""
        while True:
            try:
                reservation = await self._limits.admit(caller, model, tokens, 0.0)
            except RateLimited as refusal:
                if not refusal.retryable:
                    raise
                await asyncio.sleep(min(max(refusal.retry_after or 0.0, 0.01), PATIENCE))
            else:
                reservation.settle(tokens, 0.0)
                return

    async def hold(self, caller: Caller, model: str, cost: float) -> Reservation:
        """Money for the lines of one model, until `settle`. Raises `BudgetExceeded`."""
        return await self._limits.hold(caller, model, cost)

    def write(self, caller: Caller, model: str, answer: Answered) -> float:
        """A trace without steps, with the tokens and the cost of one line. The cost, in US dollars."""
        usage = answer.usage or usage_of(answer.body)
        cost = self._road.prices.cost(model, usage)
        call = CallRecord(model=model, cost=None if cost is None else cost * SHARE)
        call.prompt_tokens, call.completion_tokens = usage.prompt_tokens, usage.completion_tokens
        call.cached_tokens, call.reasoning_tokens = usage.cached_tokens, usage.reasoning_tokens
        call.cache_write_tokens, call.estimated = usage.cache_write_tokens, usage.estimated
        trace = self._road.begin(model, caller)
        trace.model = model
        trace.calls.append(call)
        trace.told(usage.prompt_tokens, usage.completion_tokens, call.cost or 0.0)
        self._road.end(trace)
        return call.cost or 0.0


def decoded(endpoint: str, body: JSON) -> ChatRequest | None:
    """A line's chat; None for what is no chat."""
    raw = msgspec.json.encode(body)
    if endpoint == "/v1/chat/completions":
        return decode_chat_request(raw)[0]
    return decode_messages_request(raw) if endpoint == "/v1/messages" else None


def usage_of(body: Any) -> Usage:
    """The tokens, by either of the names that OpenAI's endpoints have for them."""
    raw = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(raw, dict):
        return Usage(estimated=True)

    def number(*names: str) -> int:
        return next((int(raw[name]) for name in names if type(raw.get(name)) is int and raw[name] >= 0), 0)

    def detail(name: str, *groups: str) -> int:
        found: dict[str, Any] = next((raw[group] for group in groups if isinstance(raw.get(group), dict)), {})
        value = found.get(name)
        return value if type(value) is int and value >= 0 else 0

    return Usage(
        prompt_tokens=number("prompt_tokens", "input_tokens"),
        completion_tokens=number("completion_tokens", "output_tokens"),
        cached_tokens=detail("cached_tokens", "prompt_tokens_details", "input_tokens_details"),
        reasoning_tokens=detail("reasoning_tokens", "completion_tokens_details", "output_tokens_details"),
    )
