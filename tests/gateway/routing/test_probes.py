"""A dead deployment is found before a caller finds it."""

from guru.errors import ModelUnavailable
from guru.gateway.routing.probes import Probes


async def test_two_failed_checks_take_a_deployment_out_and_one_does_not(world):
    router = world.alias("a/x", "b/y", retries=0)
    dead = {"a/x"}

    async def check(model):
        if model in dead:
            raise ModelUnavailable("Nobody is there.")

    probes = Probes(router, check)
    await probes.check()
    assert [one.available for one in router.describe("smart").deployments] == [True, True]
    await probes.check()
    assert [(one.alive, one.available) for one in router.describe("smart").deployments] == [
        (False, False), (True, True)
    ]  # fmt: skip
    assert {await world.who() for _ in range(5)} == {"b/y"}
    assert world.upstreams["a/x"].calls == 0
    dead.clear()
    await probes.check()
    assert router.describe("smart").deployments[0].alive is True
    assert "a/x" in {await world.who() for _ in range(2)}  # the next request is the probe that closes the breaker
