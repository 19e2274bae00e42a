import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.evaluate.recommend import FEWEST, front, recommend
from guru.evaluate.settings import Setting

SMALL = Setting(mode="hybrid", k=3, chunk_tokens=200)
CURRENT = Setting(mode="hybrid", k=6, chunk_tokens=200)
LARGE = Setting(mode="hybrid", k=20, chunk_tokens=200)
SPARSE = Setting(mode="sparse", k=6, chunk_tokens=200)
SETTINGS = [SMALL, CURRENT, LARGE, SPARSE]


def decide(n, found, *, times=(0.01, 0.01, 0.01, 0.01), margin=0.02, seed=0):
    """`found` is for each setting the share of questions that it gets right; the same ones wherever that can be."""
    values = np.array([[float(row < share * n) for share in found] for row in range(n)])
    noise = np.random.default_rng(seed).normal(0, 0.0005, (n, len(found)))
    return recommend(SETTINGS, values, np.array(times) + noise, current=1, margin=margin, seed=seed)


def test_a_proven_gain_beyond_the_margin_is_worth_more_to_read():
    found = decide(400, [0.7, 0.8, 0.95, 0.8])
    assert (found.setting, found.change) == (LARGE, True)
    assert found.gain.low > 0.02
    assert "3.3 times as much to read" in found.reason


def test_a_gain_within_the_margin_is_not():
    found = decide(2000, [0.7, 0.90, 0.915, 0.8])
    assert (found.setting, found.change) == (CURRENT, False)


def test_an_apparent_gain_on_few_questions_changes_nothing():
    found = decide(30, [0.7, 0.8, 0.84, 0.8])
    assert (found.setting, found.change, found.gain) == (CURRENT, False, None)


def test_a_cheaper_setting_that_is_proven_as_good_is_taken():
    found = decide(600, [0.9, 0.9, 0.9, 0.5])
    assert found.setting == SMALL
    assert "50% less to read" in found.reason
    assert "A search takes 10 ms in place of 10 ms." in found.reason


def test_that_nothing_was_lost_on_few_questions_proves_nothing():
    assert decide(60, [0.9, 0.9, 0.9, 0.5]).change is False


def test_as_much_to_read_in_less_time_is_cheaper():
    found = decide(600, [0.5, 0.9, 0.9, 0.9], times=(0.01, 0.01, 0.01, 0.004))
    assert found.setting == SPARSE


def test_too_few_questions_are_said_to_be_too_few():
    found = decide(FEWEST - 1, [0.0, 0.0, 1.0, 1.0])
    assert (found.change, "too few" in found.reason) == (False, True)


def test_settings_that_differ_by_chance_alone_change_nothing_nearly_always():
    random, changed = np.random.default_rng(3), 0
    for run in range(40):
        values = (random.random((120, 4)) < 0.8).astype(float)
        seconds = random.normal(0.01, 0.001, (120, 4))
        changed += recommend(SETTINGS, values, seconds, current=1, margin=0.02, seed=run).change
    assert changed <= 7  # two are expected at most; more than seven less than once in 2,000 runs


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_front_is_what_nothing_beats_in_both(points):
    quality, cost = [point[0] for point in points], [point[1] for point in points]
    kept = front(quality, cost)
    for number in range(len(points)):
        beaten = any(
            quality[other] >= quality[number] and cost[other] <= cost[number]
            and (quality[other], cost[other]) != (quality[number], cost[number])
            for other in range(len(points))
        )  # fmt: skip
        if not beaten:
            assert (quality[number], cost[number]) in [(quality[other], cost[other]) for other in kept]
        if number in kept:
            assert not beaten
