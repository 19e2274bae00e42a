"""Wrong keys make whoever sends them wait, and nobody else; the right key is never locked out."""

import pytest

from guru.config import KeySettings, ServerSettings, Settings
from guru.errors import RateLimited
from guru.server import throttle
from guru.server.throttle import ACCOUNT_FAILURES, ADDRESS_FAILURES, Throttle, network_of
from scripted import run_server


class Clock:
    now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def attempt(logins, address, account="a"):
    """A login with a wrong key. Seconds to wait, where it is not even looked at."""
    try:
        logins.check(address, account)
    except RateLimited as error:
        return error.retry_after
    logins.failed(address, account)
    return 0


def test_an_address_that_fails_waits_and_no_longer_than_it_must(clock):
    logins = Throttle(clock)
    assert [attempt(logins, "1.2.3.4", str(n)) for n in range(ADDRESS_FAILURES + 2)] == [0] * 10 + [6.0, 6.0]
    assert attempt(logins, "1.2.3.5") == 0
    clock.now += 6_000_000
    assert [attempt(logins, "1.2.3.4"), attempt(logins, "1.2.3.4")] == [0, 6.0]
    clock.now += 60_000_000
    assert [attempt(logins, "1.2.3.4") for _ in range(10)] == [0] * 10


def test_a_key_aimed_at_from_many_addresses_stays_open_for_those_who_have_not_failed(clock):
    logins = Throttle(clock)
    for n in range(ACCOUNT_FAILURES):
        assert attempt(logins, f"10.0.0.{n}") == 0
    logins.check("192.0.2.1", "a")  # the right one comes
    assert attempt(logins, "10.0.0.1") == 1.0
    assert attempt(logins, "10.0.0.1", "another account") == 0


def test_addresses_of_one_network_are_one(clock):
    logins = Throttle(clock)
    waits = [attempt(logins, f"2001:db8::{n:x}") for n in range(1, 12)]
    assert waits == [0] * 10 + [6.0]
    assert attempt(logins, "2001:db8:0:1::1") == 0
    assert network_of("::ffff:1.2.3.4") == network_of("1.2.3.4") == "1.2.3.4"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("testclient") == "testclient"


def test_what_is_remembered_has_a_bound(clock, monkeypatch):
    monkeypatch.setattr(throttle, "MOST", 100)
    logins = Throttle(clock)
    for n in range(1000):
        attempt(logins, f"host {n}", f"account {n}")
        clock.now += 1000
    assert len(logins._buckets) <= 100
    clock.now += 60_000_000
    logins._forget(clock.now)
    assert logins._buckets == {}


async def test_logging_in_with_wrong_keys_is_answered_429(tmp_path):
    keys = {"admin": KeySettings(key="the-admin", role="admin")}
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True), keys=keys)) as server:
        clock = Clock()
        server.services.logins = Throttle(clock)
        told = set()
        for wrong in ["wrong", "the-admin2", "sk-guru-" + "a" * 43, "", "\u00e9", *"12345"]:
            status, body = await server.post("/api/v1/login", {"key": wrong})
            assert status == 401
            told.add((body["error"]["message"], body["error"]["hint"]))
        assert len(told) <= 2  # nothing there, or not known here: never how near it was
        for key in ("wrong", "the-admin"):
            async with server.session.post(f"{server.url}/api/v1/login", json={"key": key}) as response:
                body = await response.json()
                assert (response.status, response.headers["retry-after"]) == (429, "6")
                assert body["error"]["type"] == "rate_limit_error"
                assert body["error"]["hint"] == "Try again in 6s."
        headers = {"authorization": "Bearer the-admin"}
        assert (await server.get("/api/v1/me", headers=headers))[
            0
        ] == 200  # whoever has a key is not its page's hostage
        clock.now += 6_000_000
        assert (await server.post("/api/v1/login", {"key": "the-admin"}))[0] == 204
