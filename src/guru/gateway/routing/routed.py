"""The model that a request talks to: whichever deployment answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from guru.errors import GuruError
from guru.gateway.identity import Caller
from guru.gateway.routing.attempt import Attempt
from guru.gateway.routing.journey import Ask, Journey, Wrap
from guru.gateway.routing.plan import Asked, Group
from guru.gateway.routing.resume import Sent
from guru.gateway.whole import collect, stream_of
from guru.types import ChatRequest, Event, Started, TextRequest

if TYPE_CHECKING:
    from guru.gateway.routing.router import Router


class RoutedModel:
    """A `ChatModel` over the deployments of an alias, for one request."""

    def __init__(
        self, router: Router, group: Group, request: ChatRequest | TextRequest, caller: Caller, wrap: Wrap
    ) -> None:
        self._router = router
        self._group = group
        self._asked = Asked(request)
        self._caller = caller
        self._wrap = wrap

    @property
    def name(self) -> str:
        """The one deployment's, else the alias's; `Started` says who answered."""
        return self._group.targets[0].model if len(self._group.targets) == 1 else self._group.name

    @property
    def context_length(self) -> int:
        """Tokens of the largest deployment. 0: unknown."""
        if len(self._group.targets) == 1:
            return self._group.targets[0].learn_context(self._router.models)
        return max(target.learn_context(self._router.models) for target in self._group.targets)

    @property
    def small(self) -> bool:
        """Whether any deployment is too weak for long instructions: the prompt must do for all of them."""
        for target in self._group.targets:
            try:
                if getattr(self._router.models.chat_model(target.model), "small", False):
                    return True
            except GuruError:
                continue  # it will say so itself when it is asked
        return False

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._answer(request, lambda model: model.chat(request))

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        return self._answer(request, lambda model: model.complete(request))

    async def whole(self, request: ChatRequest | TextRequest) -> list[Event]:
        """See `guru.gateway.whole`. Nobody has seen anything of an answer that is cut: the next deployment is asked."""
        journey = self._journey(request, lambda model: stream_of(model, request), whole=True)
        while (begun := await journey.begin()) is not None:
            attempt, events = begun
            error: Exception | None = None
            try:
                answer: list[Event] = [Started(model=attempt.model, variant=attempt.target.label), *events]
                while (following := await attempt.next()) is not None:
                    answer.append(following)
                return answer
            except Exception as caught:
                error = caught
                journey.failed(attempt.target, caught)
            finally:
                await attempt.close(error)
        old = self._old_answer(request)
        if old is None:
            raise journey.failures.error()
        return await collect(old)

    def _journey(self, request: ChatRequest | TextRequest, ask: Ask, *, whole: bool = False) -> Journey:
        if self._router.variants is not None:
            self._router.variants.mirror(self._group.name, request, self._caller)
        return Journey(self._router, self._group, self._asked, self._caller, wrap=self._wrap, ask=ask, whole=whole)

    async def _answer(self, request: ChatRequest | TextRequest, ask: Ask) -> AsyncGenerator[Event]:
        journey = self._journey(request, ask)
        begun = await journey.begin()
        if begun is None:
            events = self._old_answer(request)
            if events is None:
                raise journey.failures.error()
        elif self._group.settings.retry_after_first_token:
            events = resuming(journey, *begun)
        else:
            events = None
        if events is not None:
            async with aclosing(events) as stream:  # type: ignore[type-var]
                async for event in stream:
                    yield event
            return
        assert begun is not None
        # The rest is what nearly every request does: nothing is wrapped here that need not be.
        attempt, first = begun
        error: Exception | None = None
        try:
            yield Started(model=attempt.model, variant=attempt.target.label)
            for event in first:
                yield event
            while (following := await attempt.next()) is not None:
                yield following
        except Exception as caught:
            error = caught
            raise
        finally:
            await attempt.close(error)

    def _old_answer(self, request: ChatRequest | TextRequest) -> AsyncIterator[Event] | None:
        """What `degrade` shows when nobody answers."""
        if not self._group.settings.degrade or self._router.stale is None:
            return None
        return self._router.stale(request, self._caller)


async def resuming(journey: Journey, attempt: Attempt, events: list[Event]) -> AsyncGenerator[Event]:
    """An answer that is begun anew elsewhere when it is cut; see `guru.gateway.routing.resume`."""
    sent = Sent()
    yield Started(model=attempt.model, variant=attempt.target.label)
    while True:
        error: Exception | None = None
        try:
            for event in events:
                if (rest := sent.pass_on(event)) is not None:
                    yield rest
            while (following := await attempt.next()) is not None:
                if (rest := sent.pass_on(following)) is not None:
                    yield rest
            return
        except Exception as caught:
            error = caught
            if not sent.can_begin_anew or not journey.cut(attempt, caught):
                raise
        finally:
            await attempt.close(error)
        begun = await journey.begin()
        if begun is None:
            raise error
        attempt, events = begun
        sent.begin_anew()
