"""A bucket lets through what it should, to the microsecond, and never more."""

from hypothesis import given
from hypothesis import strategies as st

from guru.gateway.limits.bucket import MINUTE, Bucket
from guru.gateway.limits.headers import duration, rate_headers

steps = st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 40)), max_size=60)


@given(rate=st.integers(1, 5000), steps=steps)
def test_no_window_ever_sees_more_than_the_rate_and_one_burst(rate, steps):
    bucket, now, taken = Bucket(rate, 0), 0, []
    for pause, amount in steps:
        now += pause
        if amount <= rate and bucket.wait(amount, now) == 0:
            bucket.take(amount)
            taken.append((now, amount))
    for first in range(len(taken)):
        total = 0
        for moment, amount in taken[first:]:
            total += amount
            assert total * MINUTE <= rate * MINUTE + rate * (moment - taken[first][0])


@given(rate=st.integers(1, 5000), amount=st.integers(1, 5000), used=st.integers(0, 9000))
def test_after_the_wait_and_not_a_microsecond_before_it_can_be_taken(rate, amount, used):
    if amount > rate:
        return
    bucket = Bucket(rate, 0)
    bucket.take(used)
    wait = bucket.wait(amount, 0)
    assert bucket.wait(amount, wait) == 0
    if wait:
        fresh = Bucket(rate, 0)
        fresh.take(used)
        assert fresh.wait(amount, wait - 1) > 0


@given(rate=st.integers(1, 1000), reserved=st.integers(0, 1000), used=st.integers(0, 3000))
def test_settling_leaves_what_the_truth_alone_would_have_left(rate, reserved, used):
    settled, honest = Bucket(rate, 0), Bucket(rate, 0)
    settled.take(reserved)
    settled.give(reserved - used)
    honest.take(used)
    assert settled.level == honest.level


def test_a_debt_flows_in_before_anything_is_left():
    bucket = Bucket(60, 0)
    bucket.take(90)
    assert bucket.remaining == 0
    assert bucket.wait(1, 0) == 31_000_000
    assert bucket.until_full == 90_000_000


def test_a_changed_limit_keeps_what_was_used():
    bucket = Bucket(100, 0)
    bucket.take(80)
    bucket.resize(200, 0)
    assert bucket.remaining == 120
    bucket.resize(50, 0)
    assert bucket.remaining == 0


def test_headers_are_written_as_openai_writes_them():
    assert [duration(us) for us in (0, 16_001, 1_000_000, 8_640_000, 360_000_000, 86_400_000, 3_600_000_000)] == [
        "0ms", "17ms", "1s", "8.64s", "6m0s", "1m26.4s", "1h0m0s",
    ]  # fmt: skip
    assert rate_headers([(59, 60, 1_000_000), (3, 600, 59_700_000)], []) == {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "59.7s",
    }
