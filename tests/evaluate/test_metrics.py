import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.evaluate import metrics

NONE, A, B, AB = frozenset(), frozenset({0}), frozenset({1}), frozenset({0, 1})
rankings = st.integers(1, 4).flatmap(
    lambda needs: st.tuples(
        st.lists(st.frozensets(st.integers(0, needs - 1)), max_size=12), st.just(needs), st.integers(1, 12)
    )
)


def test_measures_of_a_ranking_computed_by_hand():
    found = [NONE, A, NONE, B, A]
    assert metrics.precision(found, 5) == 3 / 5
    assert metrics.precision(found, 2) == 1 / 2
    assert (metrics.recall(found, 2, 1), metrics.recall(found, 2, 2), metrics.recall(found, 2, 4)) == (0, 0.5, 1)
    assert (metrics.hit(found, 1), metrics.hit(found, 2)) == (0, 1)
    assert metrics.reciprocal_rank(found, 5) == 1 / 2
    assert metrics.reciprocal_rank(found, 1) == 0
    ideal = 1 + 1 / math.log2(3)
    assert metrics.ndcg(found, 2, 5) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)


def test_places_that_stay_empty_are_wrong():
    assert metrics.precision([A], 10) == 0.1
    assert metrics.recall([], 1, 10) == 0
    assert metrics.ndcg([], 1, 10) == 0


def test_a_hit_that_meets_two_needs_gains_no_more_than_two_hits():
    assert metrics.ndcg([AB], 2, 5) == pytest.approx(metrics.ndcg([A, B], 2, 5)) == pytest.approx(1)
    assert metrics.ndcg([AB], 2, 1) == pytest.approx(1)


def test_a_need_that_is_met_again_gains_nothing():
    assert metrics.ndcg([A, A, B], 2, 3) < metrics.ndcg([A, B, A], 2, 3) == pytest.approx(1)


def test_context_precision_computed_by_hand():
    assert metrics.context_precision([True, True, False]) == 1
    assert metrics.context_precision([False, True, True]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert metrics.context_precision([False, False]) == metrics.context_precision([]) == 0


@given(rankings)
def test_measures_lie_between_0_and_1_and_agree_on_nothing_found(case):
    found, needs, k = case
    values = [
        metrics.precision(found, k),
        metrics.recall(found, needs, k),
        metrics.hit(found, k),
        metrics.reciprocal_rank(found, k),
        metrics.ndcg(found, needs, k),
    ]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    assert len({value > 0 for value in values}) == 1


@given(rankings)
def test_looking_at_more_hits_finds_no_less(case):
    found, needs, k = case
    assert metrics.recall(found, needs, k) <= metrics.recall(found, needs, k + 1)
    assert metrics.hit(found, k) <= metrics.hit(found, k + 1)
    assert metrics.reciprocal_rank(found, k) <= metrics.reciprocal_rank(found, k + 1)


@given(rankings, st.data())
def test_moving_a_right_hit_forward_never_makes_a_ranking_worse(case, data):
    found, needs, k = case
    right = [place for place, met in enumerate(found) if met and place and not found[place - 1]]
    if not right:
        return
    place = data.draw(st.sampled_from(right))
    better = [*found]
    better[place - 1 : place + 1] = better[place], better[place - 1]
    assert metrics.ndcg(better, needs, k) >= metrics.ndcg(found, needs, k) - 1e-12
    assert metrics.reciprocal_rank(better, k) >= metrics.reciprocal_rank(found, k)


@given(st.integers(1, 8), st.integers(1, 12), st.lists(st.booleans(), min_size=1, max_size=12))
def test_with_one_need_for_each_hit_ndcg_is_the_textbooks(extra, k, right):
    total = sum(right) + extra
    numbers = iter(range(total))
    found = [frozenset({next(numbers)}) if is_right else NONE for is_right in right]
    gain = sum(1 / math.log2(rank + 1) for rank, is_right in enumerate(right[:k], start=1) if is_right)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(total, k) + 1))
    assert metrics.ndcg(found, total, k) == pytest.approx(gain / ideal)
