"""What is searched for in a conversation."""

import pytest

from guru.errors import InvalidParameter
from guru.knowledge.answer.query import last_question, retrieval_query
from guru.types import Message

FIRST = "Who designed the Palace of Culture?"


def conversation(*questions):
    return [
        message
        for question in questions
        for message in (Message("user", question), Message("assistant", "Lev Rudnev [1]."))
    ][:-1]


@pytest.mark.parametrize("question", ["When was it built?", "And why?", "How tall?", "Was he famous?"])
def test_a_question_that_leans_on_the_one_before_takes_it_along(question):
    assert retrieval_query(conversation(FIRST, question)) == f"{FIRST} {question}"


def test_a_question_that_stands_alone_is_searched_alone():
    question = "How many guests may members bring to the annual dinner?"
    assert retrieval_query(conversation(FIRST, question)) == question
    assert retrieval_query(conversation("And why?")) == "And why?"


def test_a_conversation_without_a_question_is_refused():
    with pytest.raises(InvalidParameter):
        last_question([Message("system", "Be kind."), Message("user", " ")])
