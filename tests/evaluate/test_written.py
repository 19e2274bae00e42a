import json

import pytest

from evaluate.replies import Replies
from guru.errors import BudgetExceeded
from guru.evaluate.corpus import Passage, Source
from guru.evaluate.written import Rejected, askable, write

TEXT = "The hut on the hill was built by Anna Lind in 1931. It has twelve  beds. Dogs sleep outside, in a shed."
PASSAGE = Passage(start=100, end=100 + len(TEXT), text=TEXT, heading_path=["Huts"])
SOURCE = Source(id="d", name="hills.md", title="Hills")
GOOD = {"question": "Who erected the mountain hut?", "quote": "The hut on the hill was built by Anna Lind in 1931.",
        "answer": "Anna Lind"}  # fmt: skip


async def test_a_question_holds_when_the_model_comes_to_its_answer_again():
    ask = Replies(json.dumps(GOOD), '{"answer": "Anna Lind."}')
    question = await write(ask, "big", SOURCE, PASSAGE)
    (answer,) = question.answers
    assert TEXT[answer.start - 100 : answer.end - 100] == "Anna Lind"
    assert (question.document, question.metadata) == ("hills.md", {"made_by": "big"})
    assert "mountain hut" in ask.requests[1].messages[1].text


async def test_a_quote_may_have_other_white_space():
    said = GOOD | {"question": "How many can sleep there?", "quote": "It has twelve beds.", "answer": "twelve beds"}
    question = await write(Replies(json.dumps(said), '{"answer": "twelve"}'), "big", SOURCE, PASSAGE)
    assert question.texts == ["twelve  beds"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quote": "Anna Lind made the hut."}, "quote"),
        ({"quote": ""}, "quote"),
        ({"answer": "Bert Lind"}, "does not stand in the quote"),
        ({"answer": ""}, "gives away"),
        ({"question": "Who is Anna Lind of the hut?"}, "gives away"),
        ({"question": "Who built it"}, "usual length"),
        ({"question": "Who, in this passage, built the hut?"}, "speaks of the passage"),
    ],
)
async def test_what_does_not_hold_is_rejected_before_it_is_asked_again(change, reason):
    ask = Replies(json.dumps(GOOD | change))
    with pytest.raises(Rejected, match=reason):
        await write(ask, "big", SOURCE, PASSAGE)
    assert len(ask.requests) == 1


async def test_another_answer_the_second_time_rejects_a_question():
    with pytest.raises(Rejected, match="another answer"):
        await write(Replies(json.dumps(GOOD), '{"answer": "1931"}'), "big", SOURCE, PASSAGE)


async def test_no_readable_reply_rejects_and_an_error_that_affects_all_does_not():
    with pytest.raises(Rejected, match="no readable"):
        await write(Replies("x", "y"), "big", SOURCE, PASSAGE)
    with pytest.raises(BudgetExceeded):
        await write(Replies(BudgetExceeded("spent")), "big", SOURCE, PASSAGE)


def test_passages_that_are_too_short_are_not_asked_about():
    long = Passage(start=0, end=300, text="x" * 300)
    assert askable(SOURCE, [PASSAGE, long], seed=0) == [long]
