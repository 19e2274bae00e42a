"""A router over models that do what a test tells them to."""

import asyncio
from contextlib import aclosing

import pytest

from guru.config import AliasSettings, Deployment, Settings
from guru.errors import ModelNotFound
from guru.gateway.identity import Caller
from guru.gateway.routing import Router
from guru.types import ChatRequest, Completed, Delta, Finished, Message, Started, Usage


def say(*texts, tokens=1):
    """The events of a whole answer."""
    return [
        *(Delta(text=text) for text in texts),
        Finished("stop"),
        Completed(model="upstream", usage=Usage(prompt_tokens=3, completion_tokens=tokens), cost=0.01),
    ]


class Upstream:
    """A model with a script: events, exceptions to raise, seconds or an `asyncio.Event` to wait for, and functions to
    call. `scripts` are for the first calls."""

    def __init__(self, name, context_length=8192):
        self.name = name
        self.context_length = context_length
        self.script = say(f"I am {name}.")
        self.scripts = []
        self.calls = 0
        self.running = 0
        self.most = 0
        self.closed_early = 0

    def chat(self, request):
        return self.run()

    def complete(self, request):
        return self.run()

    async def run(self):
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        ended = False
        try:
            for step in self.scripts.pop(0) if self.scripts else self.script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                elif callable(step):
                    step()
                else:
                    yield step
            ended = True
        except Exception:
            ended = True
            raise
        finally:
            self.running -= 1
            self.closed_early += not ended


class AtOnce(Upstream):
    """One that gives an answer in one piece to those who want it so."""

    async def whole(self, request):
        return [event async for event in self.run()]


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


class World:
    """Upstreams by name, a router over them, and a clock that only moves when it is told to."""

    def __init__(self):
        self.upstreams = {}
        self.clock = Clock()
        self.slept = []
        self.options = {}

    def chat_model(self, name):
        if name not in self.upstreams:
            raise ModelNotFound(f"There is no model {name!r}.")
        return self.upstreams[name]

    def upstream(self, name, kind=Upstream, **options):
        self.upstreams[name] = kind(name, **options)
        return self.upstreams[name]

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.now += seconds
        await asyncio.sleep(0)

    def router(self, aliases=None, **options):
        options = {"clock": self.clock, "sleep": self.sleep, "seed": 1} | options
        self.the_router = Router(self, Settings(models=aliases or {}), **options)
        return self.the_router

    def alias(self, *models, **settings):
        """A router with the alias `smart` over these models, which are made."""
        deployments = [model if isinstance(model, Deployment) else Deployment(model=model) for model in models]
        for deployment in deployments:
            if deployment.model not in self.upstreams:
                self.upstream(deployment.model)
        return self.router({"smart": AliasSettings(deployments=deployments, **settings)}, **self.options)

    def stream(self, text="Hello", name="smart", caller=None, wrap=None, **fields):
        asked = request(text, **fields)
        model = self.the_router.model(name, asked, caller or make_caller(), wrap or (lambda model, deployment: model))
        return model.chat(asked)

    async def whole(self, text="Hello", name="smart", caller=None, wrap=None, **fields):
        """All events of an answer that nobody watches."""
        asked = request(text, **fields)
        model = self.the_router.model(name, asked, caller or make_caller(), wrap or (lambda model, deployment: model))
        return await model.whole(asked)

    async def ask(self, text="Hello", name="smart", **fields):
        """Who answered, and what."""
        async with aclosing(self.stream(text, name, **fields)) as events:
            found = [event async for event in events]
        return told(found)

    async def ask_whole(self, text="Hello", name="smart", **fields):
        """The same in one piece."""
        return told(await self.whole(text, name, **fields))

    async def who(self, *args, **fields):
        return (await self.ask(*args, **fields))[0]

    def health(self, model):
        return self.the_router.health(model)


def told(events):
    """Who answered, and what, of an answer that is complete."""
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Completed)
    return events[0].model, "".join(event.text for event in events if isinstance(event, Delta))


def request(text="Hello", **fields):
    return ChatRequest(model="smart", messages=[Message("user", text)], **fields)


def make_caller(**fields):
    return Caller(**({"tenant": "local", "route": "chat.completions", "trace_id": "tr_1"} | fields))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def helpers():
    class Helpers:
        AtOnce = AtOnce

    Helpers.say, Helpers.request, Helpers.caller = staticmethod(say), staticmethod(request), staticmethod(make_caller)
    return Helpers
