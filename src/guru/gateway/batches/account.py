"""What a line cost that a provider answered in a batch of its own, written down as every other request is."""

from __future__ import annotations

from typing import Any, Final

from guru.gateway.batches.lines import Answered
from guru.gateway.identity import Caller
from guru.gateway.pipeline import Road
from guru.observe.spans import CallRecord
from guru.types import Usage

SHARE: Final = 0.5
"""Of the usual price. OpenAI, Azure, Mistral, Groq, Together and Fireworks all halve it for batches."""


def account(road: Road, caller: Caller, model: str, answer: Answered) -> None:
    """A trace without steps, with the tokens and the cost of one line."""
    usage = usage_of(answer.body)
    cost = road.prices.cost(model, usage)
    call = CallRecord(model=model, cost=None if cost is None else cost * SHARE)
    call.prompt_tokens, call.completion_tokens = usage.prompt_tokens, usage.completion_tokens
    call.cached_tokens, call.reasoning_tokens = usage.cached_tokens, usage.reasoning_tokens
    trace = road.begin(model, caller)
    trace.model = model
    trace.calls.append(call)
    trace.told(usage.prompt_tokens, usage.completion_tokens, call.cost or 0.0)
    road.end(trace)


def usage_of(body: Any) -> Usage:
    """The tokens, by either of the names that OpenAI's endpoints have for them."""
    raw = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(raw, dict):
        return Usage(estimated=True)

    def number(*names: str) -> int:
        return next((int(raw[name]) for name in names if isinstance(raw.get(name), int)), 0)

    def detail(name: str, *groups: str) -> int:
        found: dict[str, Any] = next((raw[group] for group in groups if isinstance(raw.get(group), dict)), {})
        return int(found.get(name) or 0)

    return Usage(
        prompt_tokens=number("prompt_tokens", "input_tokens"),
        completion_tokens=number("completion_tokens", "output_tokens"),
        cached_tokens=detail("cached_tokens", "prompt_tokens_details", "input_tokens_details"),
        reasoning_tokens=detail("reasoning_tokens", "completion_tokens_details", "output_tokens_details"),
    )
