import json

import pytest

from guru.errors import InvalidParameter
from guru.evaluate.dataset import MOST, Question, check_all, read_questions

GOOD = {"question": "How long is leave?", "document": "handbook.pdf"}


def test_lines_become_questions_and_empty_ones_are_passed_over():
    lines = [json.dumps(GOOD), "", json.dumps({"question": "Who?", "answers": ["Ann", {"text": "A. Lee"}]}), "  \n"]
    first, second = read_questions(lines)
    assert (first.document, second.texts) == ("handbook.pdf", ["Ann", "A. Lee"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{", "Line 2"),
        ("[]", "Line 2"),
        (json.dumps({"question": "x"}), "does not say what is right"),
        (json.dumps(GOOD | {"qustion": "typo"}), "qustion"),
        (json.dumps(GOOD | {"question": "  "}), "empty"),
        (json.dumps(GOOD | {"start": 3}), "belong together"),
        (json.dumps(GOOD | {"start": 3, "end": 3}), "does not lie after"),
        (json.dumps(GOOD | {"page": 0}), "page"),
        (json.dumps({"question": "x", "page": 3, "answers": ["y"]}), "needs its `document`"),
        (json.dumps({"question": "x", "answers": [{"text": "y", "start": 1, "end": 2}]}), "needs its `document`"),
        (json.dumps(GOOD | {"impossible": True, "answers": ["y"]}), "impossible"),
        ("[" * 100_000, "Line 2"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(wrong, said):
    with pytest.raises(InvalidParameter, match="Line 2") as caught:
        read_questions([json.dumps(GOOD), wrong])
    assert said in str(caught.value)
    assert caught.value.hint


def test_there_are_questions_and_not_too_many():
    with pytest.raises(InvalidParameter, match="no questions"):
        read_questions(["", "\n"])
    with pytest.raises(InvalidParameter, match="limit"):
        check_all([Question(question="x", document="y")] * (MOST + 1))
    with pytest.raises(InvalidParameter, match="Question 2"):
        check_all([Question(question="x", document="y"), Question(question="x")])
