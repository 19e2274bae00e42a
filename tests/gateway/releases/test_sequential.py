"""Watched at every step, equal versions are seldom called different, and different ones are found."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.config import ReleaseSettings
from guru.gateway.releases.counts import Counts, compare
from guru.gateway.releases.sequential import bounded_interval, log_evidence, mean_interval, spend

RULES = ReleaseSettings(candidate="new")


def ever_misses(values, mean, alpha):
    """Of each row of `values`, whether its sequence ever rules the true mean out, at any look."""
    lgamma = np.vectorize(math.lgamma)
    counts = np.arange(1, values.shape[1] + 1)
    totals = values.cumsum(axis=1)
    mixed = lgamma(totals + 0.5) + lgamma(counts - totals + 0.5) - lgamma(counts + 1.0) - math.log(math.pi)
    evidence = mixed - totals * math.log(mean) - (counts - totals) * math.log(1 - mean)
    return (evidence >= math.log(1 / alpha)).any(axis=1)


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5])
def test_the_truth_about_a_rate_is_seldom_ever_ruled_out(rate):
    random = np.random.default_rng(1)
    values = (random.random((400, 1000)) < rate).astype(float)
    assert ever_misses(values, rate, 0.1).mean() <= 0.1


def test_nor_the_truth_about_scores_between_0_and_1():
    random = np.random.default_rng(2)
    values = random.beta(2, 1, (400, 1000))
    assert ever_misses(values, 2 / 3, 0.1).mean() <= 0.1


@pytest.mark.parametrize("draw", ["normal", "laplace", "exponential"])
def test_nor_the_truth_about_a_mean(draw):
    random = np.random.default_rng(3)
    values = getattr(random, draw)(size=(400, 1500))
    truth = 1.0 if draw == "exponential" else 0.0
    misses = 0
    for row in values:
        sums, squares = row.cumsum(), (row * row).cumsum()
        misses += any(
            not low <= truth <= high
            for low, high in (mean_interval(n, sums[n - 1], squares[n - 1], 0.1) for n in range(30, 1500, 7))
        )
    assert misses / len(values) <= 0.1


def test_a_look_after_every_request_breaks_an_ordinary_test_and_not_this_one():
    """What all this is for."""
    random = np.random.default_rng(4)
    values = (random.random((300, 1000)) < 0.5).astype(float)
    counts = np.arange(1, 1001)
    z = np.abs(values.cumsum(axis=1) - counts / 2) / np.sqrt(counts / 4)
    assert (z[:, 30:] > 1.645).any(axis=1).mean() > 0.5
    assert ever_misses(values, 0.5, 0.1).mean() <= 0.1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.floats(0, 1), st.sampled_from([0.1, 0.01, 0.0001]))
def test_an_interval_holds_the_mean_and_ends_where_the_evidence_does(count, fraction, alpha):
    total = count * fraction
    low, high = bounded_interval(count, total, alpha)
    assert 0 <= low <= high <= 1
    if count:
        assert low <= fraction <= high
        for border in (low, high):
            if 1e-6 < border < 1 - 1e-6:
                assert log_evidence(count, total, border) == pytest.approx(math.log(1 / alpha), abs=1e-3)
    wider = bounded_interval(count, total, alpha / 10)
    assert wider[0] <= low
    assert wider[1] >= high


def test_all_epochs_together_spend_no_more_than_alpha():
    assert sum(spend(0.05, epoch) for epoch in range(1, 100_000)) <= 0.05


def run(random, requests, *, candidate, baseline, look=25):
    """The verdicts on a candidate, looked at all the time; requests until it was called worse, or None."""
    new, old = Counts(), Counts()
    for n in range(1, requests + 1):
        for counts, (errors, latency, cost, quality) in ((new, candidate), (old, baseline)):
            seconds = latency * random.lognormal(0, 0.4)
            counts.add(failed=random.random() < errors, seconds=seconds, dollars=cost * random.lognormal(0, 0.3))
            if random.random() < 0.2:
                counts.judged(float(random.random() < quality), first=True)
        if n % look == 0 and any(found.verdict == "worse" for found in compare(new, old, RULES, 1)):
            return n
    return None


SAME = (0.05, 0.8, 0.002, 0.8)


def test_equal_versions_are_seldom_called_worse_however_often_one_looks():
    random = np.random.default_rng(5)
    alarms = sum(run(random, 600, candidate=SAME, baseline=SAME) is not None for _ in range(60))
    assert alarms <= 3  # 5 of 100 are allowed


def test_nor_is_one_that_is_worse_by_no_more_than_is_allowed():
    random = np.random.default_rng(6)
    slightly = (0.065, 0.8 * 1.15, 0.002 * 1.15, 0.77)
    assert sum(run(random, 600, candidate=slightly, baseline=SAME) is not None for _ in range(40)) <= 2


@pytest.mark.parametrize(
    ("candidate", "within"),
    [
        ((0.5, 0.8, 0.002, 0.8), 100),
        ((0.2, 0.8, 0.002, 0.8), 800),
        ((0.05, 1.6, 0.002, 0.8), 300),
        ((0.05, 0.8, 0.004, 0.8), 300),
        ((0.05, 0.8, 0.002, 0.3), 800),
    ],
    ids=["half fail", "20 % fail", "twice as slow", "twice as dear", "disliked"],
)
def test_real_differences_are_found(candidate, within):
    random = np.random.default_rng(7)
    found = [run(random, within, candidate=candidate, baseline=SAME) for _ in range(20)]
    assert sum(n is not None for n in found) >= 19


def test_a_better_version_is_called_better():
    random = np.random.default_rng(8)
    new, old = Counts(), Counts()
    for _ in range(2000):
        new.add(failed=random.random() < 0.01, seconds=0.4 * random.lognormal(0, 0.3), dollars=0.001)
        old.add(failed=random.random() < 0.10, seconds=0.8 * random.lognormal(0, 0.3), dollars=0.002)
    verdicts = {found.metric: found.verdict for found in compare(new, old, RULES, 1)}
    assert verdicts == {"errors": "better", "latency": "better", "cost": "better", "quality": "unclear"}
