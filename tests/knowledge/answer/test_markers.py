"""Markers as models write them, and sentences cut from a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.answer.markers import SentenceStream, find_markers, strip_markers

TEXT = st.text(st.sampled_from("ab A1[],.!? \n【】()source:`é🏙️。-"), max_size=80)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("So it is [1].", [(1,)]),
        ("So it is [1, 2].", [(1, 2)]),
        ("So it is [1][2].", [(1,), (2,)]),
        ("So it is [2-4].", [(2, 3, 4)]),
        ("So it is 【1】.", [(1,)]),
        ("So it is 【3†source】.", [(3,)]),
        ("So it is (source 1).", [(1,)]),
        ("So it is (sources 1 and 2).", [(1, 2)]),
        ("So it is [Source 2].", [(2,)]),
        ("So it is [^1].", [(1,)]),
        ("In 1955 (see page 3) it opened.", []),
        ("An array [a, b] is no marker.", []),
    ],
)
def test_every_way_to_write_a_marker_is_understood(written, numbers):
    assert [marker.numbers for marker in find_markers(written)] == numbers


def test_stripping_takes_the_space_before_a_marker_too():
    assert strip_markers("It is so [1], they say [2][3].") == "It is so, they say."


def cut(pieces):
    stream = SentenceStream()
    sentences = [sentence for piece in pieces for sentence in stream.feed(piece)]
    rest = stream.flush()
    return [*sentences, rest] if rest else sentences


def test_sentences_keep_the_markers_that_follow_their_stop():
    assert cut(["One is so. [1] Two is so [2]. Three"]) == ["One is so. [1] ", "Two is so [2]. ", "Three"]


def test_abbreviations_initials_and_decimals_do_not_end_a_sentence():
    text = "Dr. J. Smith paid 3.5 euros, e.g. for tea. He left."
    assert cut([text]) == ["Dr. J. Smith paid 3.5 euros, e.g. for tea. ", "He left."]


def test_lines_end_sentences():
    assert cut(["- one\n- two\n\nthree"]) == ["- one\n", "- two\n\n", "three"]


@given(TEXT, st.data())
def test_sentences_do_not_depend_on_how_the_stream_was_split(text, data):
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert cut(pieces) == cut([text]) == cut(list(text))
    assert "".join(cut(pieces)) == text
