import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.evaluate.intervals import bootstrap, resampled_means, simultaneous


def test_an_interval_is_as_wide_as_theory_says():
    values = [1.0] * 700 + [0.0] * 300
    found = bootstrap(values, seed=1)
    half = 1.96 * (0.7 * 0.3 / 1000) ** 0.5
    assert (found.mean, found.n) == (0.7, 1000)
    assert found.low == pytest.approx(0.7 - half, abs=0.004)
    assert found.high == pytest.approx(0.7 + half, abs=0.004)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(80)
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, seed=3) != bootstrap(values, seed=4)


def test_without_values_there_is_no_interval():
    assert bootstrap([], seed=0) is None


def test_a_perfect_score_of_few_questions_is_not_sure():
    assert bootstrap([1.0] * 20, seed=0).low == pytest.approx(0.025 ** (1 / 20))
    assert bootstrap([0.0] * 20, seed=0).high == pytest.approx(1 - 0.025 ** (1 / 20))


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 5))
def test_an_interval_holds_its_mean(values, seed):
    found = bootstrap(values, seed=seed)
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


def test_intervals_hold_what_is_true_nearly_always():
    random = np.random.default_rng(5)
    missed = sum(
        not (found := bootstrap(random.random(60) < 0.8, seed=run)).low <= 0.8 <= found.high for run in range(200)
    )
    assert missed <= 24  # 10 are expected; the binomial distribution has more than 24 less than once in 20,000 runs


def test_the_best_of_many_equal_settings_is_not_taken_for_better():
    """Two in 40 runs are expected to err; each interval by itself would err in most of them."""
    random = np.random.default_rng(7)
    wrong = 0
    for run in range(40):
        scores = (random.random((100, 20)) < 0.7).astype(float)
        wrong += any(found.low > 0 for found in simultaneous(scores[:, 1:] - scores[:, [0]], seed=run))
    assert wrong <= 7


def test_a_real_difference_is_seen():
    random = np.random.default_rng(8)
    base = random.random((300, 1)) < 0.6
    better = base | (random.random((300, 1)) < 0.4)
    (found,) = simultaneous(better.astype(float) - base, seed=0)
    assert 0 < found.low < found.mean < found.high


def test_settings_that_no_question_tells_apart_may_still_differ():
    (found,) = simultaneous(np.zeros((60, 1)), seed=0)
    assert (found.low, found.high) == (pytest.approx(0.05 ** (1 / 60) - 1), pytest.approx(1 - 0.05 ** (1 / 60)))


def test_blocks_of_resamples_are_as_one():
    values = np.random.default_rng(1).random((3000, 2))
    means = resampled_means(values, seed=0)
    assert means.shape == (2000, 2)
    assert np.allclose(means.mean(axis=0), values.mean(axis=0), atol=0.002)
