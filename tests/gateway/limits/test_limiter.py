"""What callers may use: of requests, of tokens, at once, and of money."""

import asyncio
from datetime import UTC, datetime

import pytest

from guru.config import BudgetSettings, LimitSettings
from guru.errors import BudgetExceeded, RateLimited, TooLarge
from guru.gateway.identity import Caller
from guru.gateway.limits import Limiter, Rule


class Clock:
    """Two clocks that go together: microseconds, and seconds since 1970."""

    def __init__(self, at="2026-11-22T12:00:00"):
        self.start = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
        self.elapsed = 0

    def __call__(self):
        return self.elapsed

    def now(self):
        return self.start + self.elapsed / 1e6

    def pass_seconds(self, seconds):
        self.elapsed += round(seconds * 1e6)


def caller(key=None, user=None, team=None, tenant="t"):
    return Caller(tenant=tenant, route="chat.completions", trace_id="tr", key=key, user=user, team=team)


def limits(**values):
    return LimitSettings(**values)


def make(*rules, **options):
    clock = Clock()
    limiter = Limiter(clock=clock, now=clock.now, **options)
    limiter.configure(rules)
    return limiter, clock


async def admitted(limiter, who, times, model="m", tokens=0, cost=0.0):
    """How many of `times` requests get in, and what they hold."""
    held = []
    for _ in range(times):
        try:
            held.append(await limiter.admit(who, model, tokens, cost))
        except RateLimited:
            pass
    return held


@pytest.mark.parametrize("scope", ["key", "user", "team", "model"])
async def test_requests_are_counted_for_whoever_has_the_limit(scope):
    tenant = "" if scope == "model" else "t"
    limiter, clock = make(Rule(scope=scope, id="x", tenant=tenant, limits=limits(rpm=10)))
    who = caller(**({} if scope == "model" else {scope: "x"}))
    other = caller(**({} if scope == "model" else {scope: "y"}))
    assert len(await admitted(limiter, who, 30, model="x")) == 10
    assert len(await admitted(limiter, other, 30, model="y")) == 30
    clock.pass_seconds(30)
    assert len(await admitted(limiter, who, 30, model="x")) == 5


async def test_tenants_with_the_same_names_do_not_share():
    limiter, _ = make(Rule(scope="team", id="web", tenant="a", limits=limits(rpm=1)))
    assert len(await admitted(limiter, caller(team="web", tenant="a"), 3)) == 1
    assert len(await admitted(limiter, caller(team="web", tenant="b"), 3)) == 3


async def test_sixty_four_clients_get_exactly_what_the_limit_gives():
    """A minute of 64 clients that try every 50 ms: the burst and what flows in, not one more and not one less."""
    limiter, clock = make(Rule(scope="key", id="k", tenant="t", limits=limits(rpm=600)))
    count = 0

    async def attempt():
        nonlocal count
        try:
            (await limiter.admit(caller("k"), "m", 0, 0)).settle(0, 0)
            count += 1
        except RateLimited:
            pass

    for _ in range(1200):
        await asyncio.gather(*(attempt() for _ in range(64)))
        clock.pass_seconds(0.05)
    assert count == 600 + 599  # the last of the 600 that flow in comes with the end of the minute


async def test_tokens_are_reserved_as_estimated_and_settled_as_used():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", limits=limits(tpm=1000)))
    first = await limiter.admit(caller("k"), "m", 900, 0)
    with pytest.raises(RateLimited, match="1,000 tokens a minute"):
        await limiter.admit(caller("k"), "m", 200, 0)
    first.settle(100, 0)
    first.settle(0, 0)  # a second time is void
    assert dict((await limiter.admit(caller("k"), "m", 200, 0)).headers)["x-ratelimit-remaining-tokens"] == "700"
    with pytest.raises(RateLimited):
        await limiter.admit(caller("k"), "m", 701, 0)


async def test_an_answer_longer_than_estimated_is_taken_from_what_comes():
    limiter, clock = make(Rule(scope="key", id="k", tenant="t", limits=limits(tpm=600)))
    (await limiter.admit(caller("k"), "m", 10, 0)).settle(660, 0)
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(caller("k"), "m", 1, 0)
    assert refused.value.retry_after == pytest.approx(6.1)
    clock.pass_seconds(6.1)
    await limiter.admit(caller("k"), "m", 1, 0)


async def test_a_request_that_never_fits_is_told_so_at_once():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", name="web", limits=limits(tpm=1000)))
    with pytest.raises(TooLarge, match="key web has 1,000 a minute") as refused:
        await limiter.admit(caller("k"), "m", 1001, 0)
    assert not refused.value.retryable


async def test_as_many_run_at_once_as_allowed():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", limits=limits(concurrency=3)))
    held = await admitted(limiter, caller("k"), 10)
    assert len(held) == 3
    held[0].settle(0, 0)
    assert len(await admitted(limiter, caller("k"), 10)) == 1


async def test_a_refusal_says_whose_limit_and_when_to_try_again():
    limiter, _ = make(Rule(scope="team", id="web", tenant="t", limits=limits(rpm=60)))
    await admitted(limiter, caller(team="web"), 60)
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(caller(team="web"), "m", 0, 0)
    error = refused.value
    assert (error.message, error.hint) == ("Team web has used its 60 requests a minute.", "Try again in 1s.")
    assert error.retry_after == 1.0
    assert error.headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
    }


async def test_a_request_that_one_limit_refuses_takes_nothing_from_the_others():
    limiter, _ = make(
        Rule(scope="key", id="k", tenant="t", limits=limits(rpm=100, tpm=100, concurrency=5)),
        Rule(scope="team", id="w", tenant="t", limits=limits(rpm=1)),
    )
    assert len(await admitted(limiter, caller("k", team="w"), 20, tokens=10)) == 1
    headers = dict((await limiter.admit(caller("k"), "m", 10, 0)).headers)
    assert headers["x-ratelimit-remaining-requests"] == "98"
    assert headers["x-ratelimit-remaining-tokens"] == "80"


async def test_a_budget_is_reserved_and_settled_and_begins_anew_with_the_month():
    asked = []

    async def spent(scope, tenant, id, since):
        asked.append((scope, tenant, id, datetime.fromtimestamp(since, UTC).isoformat()))
        return 9.0 if len(asked) == 1 else 0.0

    rule = Rule(scope="team", id="web", tenant="t", budget=BudgetSettings(usd=10.0))
    limiter, clock = make(rule, spent=spent)
    who = caller(team="web")
    first = await limiter.admit(who, "m", 0, 0.9)
    with pytest.raises(BudgetExceeded, match=r"10\.00 US dollars a month") as refused:
        await limiter.admit(who, "m", 0, 0.2)
    assert "2026-12-01 00:00 UTC" in refused.value.hint
    assert refused.value.retry_after == pytest.approx(8.5 * 86400)
    first.settle(0, 0.1)
    await limiter.admit(who, "m", 0, 0.9)
    clock.pass_seconds(9 * 86400)
    assert len(await admitted(limiter, who, 20, cost=1.0)) == 10
    assert asked == [
        ("team", "t", "web", "2026-11-01T00:00:00+00:00"),
        ("team", "t", "web", "2026-12-01T00:00:00+00:00"),
    ]


async def test_what_began_yesterday_is_paid_from_yesterdays_budget():
    limiter, clock = make(Rule(scope="key", id="k", tenant="t", budget=BudgetSettings(usd=1.0, per="day")))
    night = await limiter.admit(caller("k"), "m", 0, 0.5)
    clock.pass_seconds(12 * 3600)
    await limiter.admit(caller("k"), "m", 0, 0.4)
    night.settle(0, 5.0)
    await limiter.admit(caller("k"), "m", 0, 0.6)
    with pytest.raises(BudgetExceeded):
        await limiter.admit(caller("k"), "m", 0, 0.01)


async def test_thousands_of_small_costs_add_up_exactly():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", budget=BudgetSettings(usd=0.001)))
    held = await admitted(limiter, caller("k"), 2000, cost=0.000001)
    assert len(held) == 1000


async def test_the_ledger_is_asked_once_however_many_come_at_the_start():
    asked = 0

    async def spent(*_):
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return 0.5

    limiter, _ = make(Rule(scope="key", id="k", tenant="t", budget=BudgetSettings(usd=1.0)), spent=spent)
    results = await asyncio.gather(*(limiter.admit(caller("k"), "m", 0, 0.1) for _ in range(9)), return_exceptions=True)
    assert asked == 1
    assert sum(not isinstance(result, Exception) for result in results) == 5


async def test_changed_rules_hold_at_once_and_keep_what_was_used():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", limits=limits(rpm=10)))
    held = await admitted(limiter, caller("k"), 10)
    limiter.configure([Rule(scope="key", id="k", tenant="t", limits=limits(rpm=15, concurrency=12))])
    assert len(await admitted(limiter, caller("k"), 10)) == 2
    for reservation in held:
        reservation.settle(0, 0)
    assert len(await admitted(limiter, caller("k"), 10)) == 3
    limiter.configure([])
    assert len(await admitted(limiter, caller("k"), 50)) == 50


async def test_a_token_limit_that_comes_or_goes_while_a_request_runs_is_not_charged_for_it():
    tpm, rpm = ([Rule(scope="key", id="k", tenant="t", limits=limits(**{kind: 1000}))] for kind in ("tpm", "rpm"))
    limiter, _ = make(*rpm)
    before, cheap = await limiter.admit(caller("k"), "m", 900, 0), await limiter.admit(caller("k"), "m", 900, 0)
    limiter.configure(tpm)
    during = await limiter.admit(caller("k"), "m", 600, 0)
    before.settle(5000, 0)  # reserved nothing of this limit
    cheap.settle(0, 0)
    assert during.headers["x-ratelimit-remaining-tokens"] == "400"
    limiter.configure(rpm)
    limiter.configure(tpm)  # a new bucket: full
    during.settle(5000, 0)
    (await limiter.admit(caller("k"), "m", 1000, 0)).settle(1000, 0)
    with pytest.raises(RateLimited):
        await limiter.admit(caller("k"), "m", 1, 0)


async def test_rules_of_several_sources_hold_together():
    limiter, _ = make(Rule(scope="key", id="k", tenant="t", limits=limits(rpm=5)))
    limiter.configure([Rule(scope="model", id="m", limits=limits(rpm=2))], "models")
    assert len(await admitted(limiter, caller("k"), 10)) == 2


async def test_without_limits_nothing_is_counted():
    limiter, _ = make()
    reservation = await limiter.admit(caller("k"), "m", 10**9, 10**9)
    assert reservation.headers == {}
    reservation.settle(1, 1)
