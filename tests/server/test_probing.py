"""Active health checks: one question for all deployments of a provider, and no provider stops the checks of others."""

import asyncio
from types import SimpleNamespace

import pytest

from guru.config import AliasSettings, Deployment, ProviderSettings, Settings
from guru.errors import ModelUnavailable
from guru.gateway.routing import Router, probes
from guru.server import probing
from guru.server.probing import ActiveHealth

MODELS = 300


class Remote:
    """Providers that are `there`, `away` or silent."""

    def __init__(self, **states):
        self.states = states
        self.asked = dict.fromkeys(states, 0)
        self.waiting = 0

    def provider(self, name):
        return SimpleNamespace(check=lambda: self.check(name))

    async def check(self, name):
        self.asked[name] += 1
        if self.states[name] == "away":
            raise ModelUnavailable("Nobody is there.")
        if self.states[name] == "silent":
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1


@pytest.fixture
def health(monkeypatch):
    monkeypatch.setattr(probing, "ROUND", 0.001)
    deployments = [Deployment(model=f"{name}/m{number}") for name in ("a", "b") for number in range(MODELS)]
    settings = Settings(
        providers={name: ProviderSettings(health_seconds=0.001) for name in ("a", "b")},
        models={"smart": AliasSettings(deployments=deployments)},
    )
    remote = Remote(a="there", b="there")
    return ActiveHealth(settings, Router(None, settings), remote)


def alive(health, name):
    return {one.alive for one in health._router.deployments() if one.model.startswith(f"{name}/")}


async def test_a_provider_that_says_nothing_stops_no_check_of_another(health, monkeypatch):
    monkeypatch.setattr(probes, "LONGEST", 0.02)
    health._remote.states |= {"a": "silent", "b": "away"}
    health.open()
    try:
        async with asyncio.timeout(20):
            while alive(health, "b") != {False} or health._remote.asked["a"] < 3:
                assert not health._task.done()
                await asyncio.sleep(0.001)
        assert alive(health, "a") == {False}
        monkeypatch.setattr(probes, "LONGEST", 60)
        health._remote.states |= {"a": "there", "b": "there"}
        async with asyncio.timeout(20):
            while alive(health, "a") | alive(health, "b") != {True}:
                await asyncio.sleep(0.001)
    finally:
        await health.aclose()
    assert health._remote.waiting == 0


async def test_one_question_is_for_all_deployments_of_a_provider(health):
    await health.check("a")
    assert health._remote.asked == {"a": 1, "b": 0}
    assert (alive(health, "a"), alive(health, "b")) == ({True}, {None})
