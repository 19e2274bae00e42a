"""Which deployment answers: `Router.model` is a `ChatModel` that tries them until one does."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from typing import Any, Protocol, TypeVar

from guru.config import AliasSettings, Deployment, Settings
from guru.errors import ModelNotFound
from guru.gateway.identity import Caller
from guru.gateway.routing.attempt import Outcome
from guru.gateway.routing.deadline import Alarm
from guru.gateway.routing.health import Health
from guru.gateway.routing.journey import Wrap
from guru.gateway.routing.plan import Asked, Group, Target
from guru.gateway.routing.routed import RoutedModel
from guru.gateway.routing.status import DeploymentStatus, RouteStatus, describe
from guru.gateway.routing.strategies import Cost, make_strategy
from guru.gateway.routing.task import call
from guru.protocols import Models
from guru.types import ChatRequest, Event, TextRequest

T = TypeVar("T")
Request = ChatRequest | TextRequest
Stale = Callable[[Request, Caller], AsyncIterator[Event] | None]
"""An old answer to the same request, where there is one."""

MOST_PLAIN = 1_000
"""Names that are no alias and whose health is kept: callers may invent any number of them."""


class Variants(Protocol):
    """What a release decides and wants to know; `guru.gateway.releases` implements it."""

    def choose(self, alias: str, caller: Caller) -> tuple[Collection[str | None], ...] | None:
        """Labels of the deployments to try, group after group; None: no release, all of them."""
        ...

    def mirror(self, alias: str, request: Request, caller: Caller) -> None:
        """Begin what is done beside the request, such as a shadow. Never waits, never raises."""
        ...

    def record(self, outcome: Outcome) -> None:
        """An attempt is over."""
        ...


class Router:
    """Every alias with the state of its deployments. Belongs to one event loop."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        *,
        cost: Cost | None = None,
        stale: Stale | None = None,
        variants: Variants | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        seed: int | None = None,
    ) -> None:
        self.models = models
        self.stale = stale
        self.variants = variants
        self.sleep = sleep
        self.random = random.Random(seed)
        self.alarm = Alarm()
        self._cost = cost
        self._clock = clock
        self._health: dict[str, Health] = {}
        self._groups: dict[str, Group] = {}
        self._plain: dict[str, Group] = {}
        self.reload(settings)

    @property
    def observe(self) -> Callable[[Outcome], None] | None:
        return self.variants.record if self.variants is not None else None

    # ----------------------------------------------------------------------- the road

    def model(self, name: str, request: Request, caller: Caller, attempt: Wrap) -> RoutedModel:
        """A model that answers through the deployments of `name`, an alias or `provider/model`.

        `attempt` wraps the model of each deployment that is asked. Raises `ModelNotFound`.
        """
        return RoutedModel(self, self.group(name, chat=True), request, caller, attempt)

    async def call(self, name: str, caller: Caller, work: Callable[[str], Awaitable[T]]) -> T:
        """`work("provider/model")` with the same retries, fallbacks and breakers, for what is not chat."""
        return await call(self, self.group(name), caller, work)

    def group(self, name: str, *, chat: bool = False) -> Group:
        """The deployments behind a name. One that is no alias is a group of its own, when there is such a model."""
        group = self._groups.get(name) or self._plain.get(name)
        return group if group is not None else self._plain_group(name, chat)

    def chain(self, group: Group) -> Iterator[Group]:
        """`group`, then its fallbacks and theirs."""
        yield group
        yield from self.fallbacks(group)

    def fallbacks(self, group: Group) -> Iterator[Group]:
        """Those of `group` and theirs, each once however they refer to each other.

        After them, where a reload has changed the alias meanwhile, what its name means now: the deployments that a
        request began with may be gone.
        """
        seen = {group.name}
        todo = list(group.settings.fallbacks)
        while todo:
            name = todo.pop(0)
            if name in seen:
                continue
            seen.add(name)
            try:
                fallback = self.group(name)
            except ModelNotFound:
                continue  # `guru config check` says so
            yield fallback
            todo = [*fallback.settings.fallbacks, *todo]
        now = self._groups.get(group.name)
        if now is not None and now.settings != group.settings:
            yield from self.chain(now)

    def has_fallback(self, group: Group) -> bool:
        """Whether somebody else could be asked when a group fails."""
        return bool(group.settings.fallbacks)

    async def order(self, group: Group, asked: Asked, caller: Caller) -> list[Target]:
        """The deployments of a group in the order in which a request tries them."""
        if group.settings.strategy == "language" and asked.language is None:
            from guru.gateway.routing.classify import language

            asked.language = await language(asked.request)
        chosen = self.variants.choose(group.name, caller) if self.variants is not None else None
        if chosen is None:
            return group.order(asked, self.models)
        found = [target for labels in chosen for target in group.order(asked, self.models, labels)]
        return found or group.order(asked, self.models)  # labels of a release that a reload has just ended

    # ----------------------------------------------------------------------- state

    def reload(self, settings: Settings) -> None:
        """Take new settings. Deployments that stay keep their health; requests under way end as they began."""
        groups = {name: self._make_group(name, alias) for name, alias in settings.models.items()}
        used = {target.model for group in groups.values() for target in group.targets}
        self._groups = groups
        self._plain = {name: group for name, group in self._plain.items() if name not in groups}
        used |= {target.model for group in self._plain.values() for target in group.targets}
        self._health = {model: health for model, health in self._health.items() if model in used}

    def health(self, model: str) -> Health:
        """What is known of a `provider/model`."""
        health = self._health.get(model)
        if health is None:
            health = self._health[model] = Health(model, self._clock)
        return health

    def describe(self, name: str) -> RouteStatus:
        """One alias with its deployments. Raises `ModelNotFound`."""
        return describe(self.group(name))

    def status(self) -> list[RouteStatus]:
        """Every alias, then the models that were called by their own name."""
        return [describe(group) for group in (*self._groups.values(), *self._plain.values())]

    def deployments(self) -> list[DeploymentStatus]:
        """Every deployment once, for metrics."""
        found = {status.model: status for route in self.status() for status in route.deployments}
        return list(found.values())

    def _make_group(self, name: str, settings: AliasSettings) -> Group:
        targets = [Target(deployment, self.health(deployment.model)) for deployment in settings.deployments]
        return Group(name, settings, targets, make_strategy(settings, self._cost))

    def _plain_group(self, name: str, chat: bool) -> Group:
        full = self.models.chat_model(name).name if chat else name
        if len(self._plain) >= MOST_PLAIN:
            self._forget_plain()
        settings = AliasSettings(deployments=[Deployment(model=full)])
        target = Target(settings.deployments[0], self.health(full), plain=True)
        group = self._plain[name] = Group(name, settings, [target], make_strategy(settings, self._cost))
        return group

    def _forget_plain(self) -> None:
        """Forget the older half of the names that callers came up with and that are at rest."""
        idle: list[Any] = [name for name, group in self._plain.items() if not group.targets[0].health.in_flight]
        for name in idle[: len(idle) // 2]:
            self._plain.pop(name)
        used = {target.model for group in (*self._groups.values(), *self._plain.values()) for target in group.targets}
        self._health = {model: health for model, health in self._health.items() if model in used}
