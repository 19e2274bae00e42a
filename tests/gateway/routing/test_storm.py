"""A thousand requests at once, and all that can go wrong: one answer or one error each, and nothing left over."""

import asyncio
import random

import pytest

from guru.errors import GuruError, ModelUnavailable, ProviderRefused, StreamCut, UpstreamRateLimited
from guru.types import Completed, Delta, Finished, Usage

NAMES = ["a/x", "b/y", "c/z"]


class Chaos:
    """A deployment that fails in 30 of 100 calls, in every way."""

    context_length = 8192

    def __init__(self, name, seed):
        self.name = name
        self.random = random.Random(seed)
        self.running = self.calls = self.completed = 0

    def chat(self, request):
        return self.run(request.messages[0].text)

    async def run(self, text):
        self.calls += 1
        self.running += 1
        try:
            fault = self.random.random()
            await asyncio.sleep(self.random.random() * 0.002)
            if fault < 0.05:
                raise ModelUnavailable("500.")
            if fault < 0.10:
                raise UpstreamRateLimited("429.", retry_after=0.01)
            if fault < 0.13:
                await asyncio.sleep(60)  # hangs
            if fault < 0.16:
                raise ValueError("garbage")
            if fault < 0.18:
                raise ProviderRefused("401.")
            if fault < 0.20:
                return  # an empty stream
            for n in range(5):
                yield Delta(text=f"{text}.{n} ")
                if n == 2 and fault < 0.25:
                    raise StreamCut("Reset.")
                if n == 2 and fault < 0.30:
                    return  # just ends
                if n == 1:
                    await asyncio.sleep(self.random.random() * 0.002)
            yield Finished("stop")
            self.completed += 1
            yield Completed(model=self.name, usage=Usage(1, 5))
        finally:
            self.running -= 1


@pytest.mark.parametrize("settings", [{}, {"hedge_after": 0.005}, {"retry_after_first_token": True}])
async def test_every_request_gets_one_answer_or_one_error(world, settings):
    world.alias(*NAMES, first_token_timeout=3.0, retries=3, **settings)
    for seed, name in enumerate(NAMES):
        world.upstreams[name] = Chaos(name, seed)
    leavers = random.Random(7)
    outcomes = {"answer": 0, "error": 0, "left": 0}

    async def one(n):
        text, completed = "", 0
        leaves = leavers.random() < 0.05
        events = world.stream(f"q{n}")
        try:
            async for event in events:
                if isinstance(event, Delta):
                    text += event.text
                    if leaves:
                        outcomes["left"] += 1
                        return
                assert not completed, "nothing follows Completed"
                completed += isinstance(event, Completed)
        except GuruError as error:
            assert not completed
            assert error.message
            outcomes["error"] += 1
        else:
            assert completed == 1
            assert text == "".join(f"q{n}.{i} " for i in range(5))
            outcomes["answer"] += 1
        finally:
            await events.aclose()

    await asyncio.gather(*(one(n) for n in range(1000)))
    assert sum(outcomes.values()) == 1000
    assert outcomes["answer"] > 300
    for name in NAMES:
        health, chaos = world.health(name), world.upstreams[name]
        assert chaos.running == 0
        assert health.in_flight == 0
        assert health.requests == chaos.calls
        assert health.failures + health.cancelled < health.requests


async def test_when_every_deployment_is_dead_every_caller_is_told_so_and_few_calls_are_made(world):
    world.alias(*NAMES, retries=2)
    for upstream in world.upstreams.values():
        upstream.script = [0.001, ModelUnavailable("500.")]
    for _ in range(10):
        found = await asyncio.gather(*(world.ask() for _ in range(100)), return_exceptions=True)
        assert all(isinstance(error, ModelUnavailable) for error in found)
    calls = sum(upstream.calls for upstream in world.upstreams.values())
    assert calls < 700  # of 1,000 requests, with 5 attempts each: the first wave, and a probe now and then
