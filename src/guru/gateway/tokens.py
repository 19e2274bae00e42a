"""How many tokens a request and its answer have, as the road asks."""

from __future__ import annotations

from guru.gateway.cost.tokens import estimate_tokens, interrupted_usage
from guru.gateway.steps import Request
from guru.types import Usage

ANSWER = 256
"""Tokens that an answer is taken to have when the request does not limit it."""


class TokenCounter:
    """Implements `guru.gateway.steps.Tokens`."""

    def interrupted(self, model: str, request: Request, answer: str) -> Usage:
        return interrupted_usage(model, request, answer)

    def estimate(self, request: Request) -> tuple[int, int]:
        """Tokens of the prompt and of the answer: what a limit reserves."""
        return estimate_tokens(request), (request.max_tokens or ANSWER) * request.n
