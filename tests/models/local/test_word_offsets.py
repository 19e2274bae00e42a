"""Tokens from words that were seen before stand where the tokenizer itself puts them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.models.local import word_offsets
from guru.models.local.onnx import open_tokenizer
from guru.models.local.word_offsets import WordOffsets

# What BERT's normaliser and pre-tokenizer treat apart: white space of all kinds, controls, accents, ideographs, marks
# of the model's own, words that are in pieces.
odd = st.sampled_from(
    [" ", "\n", "\t", "\r", "\x0b", "\x1c", "\x85", "\u00a0", "\u2003", "\u200b", "\x00", "é", "e\u0301", "İ", "ﬁ",
     "漢字", "かな", "한국", "ไทย", "😀", "[CLS]", "[SEP]", "##s", "don't", "1,234.5", "x" * 101, "unbelievably"]
)  # fmt: skip
texts = st.lists(st.one_of(odd, st.text(max_size=6), st.sampled_from("abc ,.-'_")), max_size=30).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    return open_tokenizer()


@pytest.fixture(scope="module")
def offsets(tokenizer):
    return WordOffsets(tokenizer)


@settings(max_examples=300)
@given(texts)
def test_offsets_are_the_tokenizer_s_own(tokenizer, offsets, text):
    expected = tokenizer.encode(text, add_special_tokens=False).offsets
    assert offsets(text) == expected
    assert offsets(text) == expected  # now every word is known


def test_many_new_words_at_once_and_more_than_are_remembered(tokenizer, monkeypatch):
    monkeypatch.setattr(word_offsets, "_MOST", 700)
    offsets = WordOffsets(tokenizer)
    for first in range(0, 3000, 600):
        text = " ".join(f"word{number}," for number in range(first, first + 600))
        assert offsets(text) == tokenizer.encode(text, add_special_tokens=False).offsets
        assert len(offsets._known) <= 700


def test_threads_may_share_it(tokenizer):
    offsets = WordOffsets(tokenizer)
    written = [" ".join(f"pump{number % 97} hall{number % 89}x" for number in range(n, n + 200)) for n in range(40)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(offsets, written))
    assert found == [tokenizer.encode(text, add_special_tokens=False).offsets for text in written]
