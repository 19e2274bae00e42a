"""What is handed on of an answer while it is written is the beginning of what it is in the end, however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guru.agents.steps import ModelCall, Reply, ToolCall
from guru.agents.strategies import mark, text
from guru.agents.strategies.unfolding import unfolding

CALL = ToolCall(name="add", arguments="{}")
FRAGMENTS = [
    "=== ANSWER ===", "===ANSWER===", "=== answer ====", "===", "=", "**", "ANSWER", "Final Answer:", "Final Answer",
    "Answer:", "Action: add\nAction Input: ", "Action:", "{}", "Observation:", "Observation", "Obs", "Thought: so",
    "It is 5.", " ", "\t", "\n", "\n\n", "\r\n", "\u2028", "ß", "5",
]  # fmt: skip
WRITTEN = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)
CUTS = st.lists(st.integers(0, 80), max_size=8)


def pieces(written, cuts):
    places = [0, *sorted({min(cut, len(written)) for cut in cuts}), len(written)]
    return [written[start:end] for start, end in pairwise(places)]


def handed_on(said, answer, before=""):
    reads = unfolding(ModelCall(messages=[], answer=answer, before=before))
    return [reads.feed(piece) for piece in said]


@given(WRITTEN, CUTS)
def test_a_text_that_is_the_answer(written, cuts):
    told = "".join(handed_on(pieces(written, cuts), "whole"))
    assert told == written.strip()
    assert "".join(handed_on(pieces(written, cuts), "whole", "Before.")) == (f"\n\n{told}" if told else "")


@given(WRITTEN, CUTS, st.booleans(), st.sampled_from(["", "Before."]))
@example("=== ANSWER ===\nIt is 5.", [14], False, "")
@example("=== ANSWER ==\n== 5", [13], False, "")
@example("It is 5.\n=== ANSWER ===", [], False, "")
@example("Let me.\n=== ANSWER ===\nIt is", [5, 20], True, "Before.")
def test_a_text_whose_answer_is_marked(written, cuts, calls, before):
    reply = Reply(text=written, calls=[CALL] if calls else [])
    answer = mark.joined(before, mark.read(reply))
    assert answer.startswith(before + "".join(handed_on(pieces(written, cuts), "marked", before)))


@given(WRITTEN, CUTS)
@example("Final Answer: 5\nObservation: 6", [14, 17, 20])
@example("Final Answer:\nObservation : 6", [13, 14])
@example("Observation: 6\nFinal Answer: 5", [15])
@example("Action: add\nAction Input: {}\nFinal Answer: 5", [30])
@example("Final Answer: 5\nObserver", [18, 20])
def test_a_text_whose_answer_follows_final_answer(written, cuts):
    reply = text.read(Reply(text=written))
    told = "".join(handed_on(pieces(written, cuts), "words"))
    assert ("" if reply.calls else reply.text.strip()).startswith(told)


@pytest.mark.parametrize(
    ("answer", "written", "expected"),
    [
        ("marked", "I know.\n  === ANSWER ===\n\nIt is 5.\n\nReally. ", "It is 5.\n\nReally."),
        ("marked", "**=== ANSWER ===**\n**5** or 6.", "**5** or 6."),
        ("marked", "=== Answer ====\n```\n=== x\n```", "```\n=== x\n```"),
        ("marked", "I will see to it.", ""),
        ("marked", "I say === ANSWER ===\nIt is 5.", ""),
        ("words", "Thought: so\nFinal Answer: It is 5.\nObserved.\nAction: no", "It is 5.\nObserved.\nAction: no"),
        ("words", "Final Answer: It is 5\n  Observation : 6\nFinal Answer: 6", "It is 5"),
        ("words", 'Action: add\nAction Input: {"a": 1}\nFinal Answer: 6', ""),
        ("words", "I know no format.", ""),
    ],
)  # fmt: skip
def test_all_but_the_last_space_is_handed_on_as_soon_as_it_is_certain(answer, written, expected):
    told = handed_on(list(written), answer)
    assert "".join(told) == expected
    if expected:  # its first letter when that comes
        assert next(place for place, piece in enumerate(told) if piece) == written.index(expected)


def test_nothing_of_what_is_no_answer():
    assert unfolding(ModelCall(messages=[])) is None


def test_halves_of_characters_and_long_lines_are_no_trouble():
    long = "x" * 100_000
    assert "".join(handed_on(["\ud83d", "\ude00", *long], "whole")) == f"\ud83d\ude00{long}"
    assert "".join(handed_on([*"=== ANSWER ===\n", *long], "marked")) == long
    assert handed_on([*long], "words") == [""] * len(long)
    assert "".join(handed_on([*long, "\n", *"Final Answer: 5"], "words")) == "5"
    assert "".join(handed_on([*long, "\n=== ANSWER ===", "\n5", *" " * 100_000, "!"], "marked")).endswith("     !")
