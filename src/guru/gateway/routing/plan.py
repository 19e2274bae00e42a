"""The deployments of an alias, and the order in which they are tried for a request."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection
from time import monotonic

from guru.config import AliasSettings, Deployment
from guru.errors import ConfigurationError, GuruError
from guru.gateway.cost.tokens import estimate_tokens
from guru.gateway.routing.breaker import REFUSED
from guru.gateway.routing.health import Health
from guru.gateway.routing.retry import PATIENCE, PATIENCE_WITH_FALLBACK, Failures, backoff
from guru.protocols import Models
from guru.types import ChatRequest, TextRequest

ROOM = 512
"""Tokens kept free for an answer whose length the request does not limit."""
SURELY = 0.8
"""Of the estimated tokens: a prompt is kept from a deployment only when so many would not fit."""


class Asked:
    """What routing wants to know about a request, found out when it is first needed."""

    __slots__ = ("_difficulty", "_tokens", "language", "request")

    def __init__(self, request: ChatRequest | TextRequest | None) -> None:
        self.request = request
        self.language: str | None = None
        self._tokens: int | None = None
        self._difficulty: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the prompt, estimated."""
        if self._tokens is None:
            self._tokens = estimate_tokens(self.request) if self.request is not None else 0
        return self._tokens

    @property
    def answer_tokens(self) -> int:
        """Tokens that the answer may take."""
        return (self.request.max_tokens if self.request is not None else None) or ROOM

    @property
    def difficulty(self) -> float:
        """0 (simple) to 1 (hard); see `guru.gateway.routing.classify`."""
        if self._difficulty is None:
            from guru.gateway.routing.classify import difficulty

            self._difficulty = difficulty(self.request) if self.request is not None else 0.0
        return self._difficulty


class Target:
    """One deployment of an alias, with the health of the model that it shares with other aliases."""

    __slots__ = ("context", "credit", "deployment", "health", "label", "model", "plain", "weight")

    def __init__(self, deployment: Deployment, health: Health, *, plain: bool = False) -> None:
        self.deployment = deployment
        self.plain = plain
        """Whether the caller named the model itself: that there is none is then not the deployment's fault."""
        self.health = health
        self.model = deployment.model
        self.label = deployment.label
        self.weight = deployment.weight
        self.credit = 0.0
        """Of the smooth weighted round robin."""
        self.context = deployment.context_length or 0
        """Tokens; 0: unknown."""

    @property
    def busy(self) -> bool:
        """Whether it has as many requests as it may have."""
        most = self.deployment.concurrency
        return most is not None and self.health.in_flight >= most

    def learn_context(self, models: Models) -> int:
        """Its context length, asked of the model where the configuration does not say. 0: unknown."""
        if not self.context:
            try:
                self.context = max(models.chat_model(self.model).context_length, 0)
            except GuruError:
                return 0  # it will say so itself when it is asked
        return self.context


Strategy = Callable[[list[Target], Asked], list[Target]]


class Group:
    """The deployments behind one name."""

    def __init__(self, name: str, settings: AliasSettings, targets: list[Target], strategy: Strategy) -> None:
        """Raises `ConfigurationError` when every weight is 0."""
        if not any(target.weight for target in targets):
            raise ConfigurationError(
                f"Every deployment of [models.{name}] has weight 0, so none would be asked.",
                hint="Give one a weight above 0.",
            )
        self.name = name
        self.settings = settings
        self.targets = targets
        self._strategy = strategy
        self._levels = sorted({target.deployment.priority for target in targets})

    def order(self, asked: Asked, models: Models, labels: Collection[str | None] | None = None) -> list[Target]:
        """The deployments in the order in which they are to be tried: those that can answer now first.

        `labels` limits them to some variants of a release. A weight of 0 takes a deployment out, unless a release
        names it.
        """
        if len(self.targets) == 1:
            return self.targets
        if labels is None:
            chosen = [target for target in self.targets if target.weight > 0]
        else:
            chosen = [target for target in self.targets if target.label in labels]
        chosen = fitting(chosen, asked, models) or chosen
        if len(self._levels) == 1:
            return self._rank(chosen, asked)
        ordered: list[Target] = []
        for level in self._levels:
            ordered += self._rank([target for target in chosen if target.deployment.priority == level], asked)
        return ordered

    def _rank(self, targets: list[Target], asked: Asked) -> list[Target]:
        ready = [target for target in targets if target.health.available and not target.busy]
        if len(ready) == len(targets):
            return self._strategy(targets, asked) if len(targets) > 1 else targets
        rest = [target for target in targets if target not in ready]
        return [*(self._strategy(ready, asked) if len(ready) > 1 else ready), *rest]


class Turns:
    """Whose turn it is, for one request and one alias: everyone once, then up to `retries` again, with pauses."""

    __slots__ = ("_again", "_failures", "_fallback", "_group", "_left", "_random", "_retries", "_sleep", "_waiting")

    def __init__(
        self,
        group: Group,
        order: list[Target],
        failures: Failures,
        *,
        fallback: bool,
        random: random.Random,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`fallback`: whether another alias stands by."""
        self._group = group
        self._left = order
        self._waiting = 0  # index of the next in `_left`
        self._again: list[Target] = []
        self._failures = failures
        self._fallback = fallback
        self._retries = 0
        self._random = random
        self._sleep = sleep

    def first(self, larger_than: int = 0) -> tuple[Target, int] | None:
        """The next that has not been tried and can be, with the ticket of its breaker."""
        while self._waiting < len(self._left):
            target = self._left[self._waiting]
            self._waiting += 1
            if larger_than and target.context <= larger_than:
                continue
            if target.busy:
                self._failures.skip(target.model, f"has {target.health.in_flight} requests, as many as it may")
            elif rest := target.health.rests_for:
                self._failures.skip(target.model, target.health.why_not(), rest)
            elif (ticket := target.health.enter()) != REFUSED:
                return target, ticket
            else:
                self._failures.skip(target.model, target.health.why_not(), target.health.breaker.opens_in)
                continue
            self._again.append(target)
        return None

    def once_more(self, target: Target) -> None:
        """Note that `target` failed in a way that may pass."""
        self._again.append(target)

    async def next(self, ends: float, larger_than: int = 0) -> tuple[Target, int] | None:
        """`first`, then retries: the one that may be asked the soonest, after a pause. None: no more."""
        if (turn := self.first(larger_than)) is not None:
            return turn
        while self._again and self._retries < self._group.settings.retries:
            patience = PATIENCE_WITH_FALLBACK if self._fallback else PATIENCE
            able = [target for target in self._again if target.health.breaker.permits()]
            target = min(able, key=lambda target: target.health.rests_for, default=None)
            if target is None or target.health.rests_for > patience:
                return None
            wait = target.health.rests_for + backoff(self._retries, self._random)
            self._retries += 1
            if monotonic() + wait >= ends:
                return None
            await self._sleep(wait)
            if target.busy or target.health.rests_for or (larger_than and target.context <= larger_than):
                continue
            if (ticket := target.health.enter()) != REFUSED:
                self._again.remove(target)
                return target, ticket
        return None


def fitting(targets: list[Target], asked: Asked, models: Models) -> list[Target]:
    """Those whose context may hold the prompt. All of them when their lengths are the same, which costs nothing."""
    lengths = {target.context or target.learn_context(models) for target in targets}
    if len(lengths) < 2 or asked.request is None:
        return targets
    return [target for target in targets if not target.context or asked.tokens * SURELY <= target.context]
