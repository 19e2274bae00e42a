import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.minhash import PLACES, Bands, jaccard, shingles, signature


def text_of(words):
    return " ".join(f"word{number}" for number in words)


def test_case_punctuation_and_white_space_do_not_count():
    assert jaccard(shingles("The feed pump, P-101, is RED."), shingles("the feed\npump p 101 is red")) == 1


def test_similarity_computed_by_hand():
    one, other = shingles("a b c d e f"), shingles("a b c d e x")
    assert (len(one), len(other)) == (3, 3)
    assert jaccard(one, other) == 2 / 4


def test_the_order_of_words_counts():
    assert jaccard(shingles("one two three four five"), shingles("five four three two one")) == 0


def test_texts_without_or_with_few_words():
    assert len(shingles(" .,; ")) == 0
    assert len(shingles("two words")) == 1
    assert jaccard(shingles(""), shingles("")) == 0
    assert jaccard(shingles("two words"), shingles("two words")) == 1


@pytest.mark.parametrize("shared", [0.2, 0.5, 0.8, 0.95])
def test_signatures_agree_as_often_as_the_sets_do(shared):
    chance = random.Random(3)
    one = [chance.randrange(10**6) for _ in range(3000)]
    cut = int(3000 * shared)
    other = one[:cut] + [chance.randrange(10**6) for _ in range(3000 - cut)]
    mine, others = shingles(text_of(one)), shingles(text_of(other))
    estimate = float((signature(mine) == signature(others)).mean())
    exact = jaccard(mine, others)
    assert abs(estimate - exact) < 4 * (exact * (1 - exact) / PLACES) ** 0.5 + 0.01


def test_bands_find_what_is_alike_and_little_else():
    chance = random.Random(4)
    texts = {}
    for number in range(60):
        words = [chance.randrange(10**6) for _ in range(400)]
        changed = list(words)
        for place in chance.sample(range(400), 12):  # each takes four shingles: about 80 % stay the same
            changed[place] = chance.randrange(10**6)
        texts |= {f"{number}a": text_of(words), f"{number}b": text_of(changed)}
    bands = Bands({name: signature(shingles(text)) for name, text in texts.items()})
    found = {name: bands.near(name) for name in texts}
    assert all(f"{number}b" in found[f"{number}a"] for number in range(60))
    assert sum(map(len, found.values())) <= 130


@given(st.text(max_size=200), st.text(max_size=200))
def test_similarity_is_symmetric_and_of_a_text_with_itself_whole(one, other):
    mine, others = shingles(one), shingles(other)
    assert jaccard(mine, others) == jaccard(others, mine)
    assert 0 <= jaccard(mine, others) <= 1
    assert not len(mine) or jaccard(mine, mine) == 1
    assert np.array_equal(signature(mine), signature(shingles(one)))
