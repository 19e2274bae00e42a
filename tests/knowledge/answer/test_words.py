"""What questions ask for and what sentences state."""

import pytest

from guru.knowledge.answer.words import content, holds, names, negated, numbers, question_kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who discovered oxygen?", "person"),
        ("When was it discovered, and who was there?", "time"),
        ("In what year did it open?", "time"),
        ("Where is the office?", "place"),
        ("How many guests may members bring?", "number"),
        ("Why is the sky blue?", "thing"),
        ("Who founded the city? When was that?", "time"),
        ("Wann wurde das Gesetz beschlossen?", "time"),
    ],
)
def test_the_kind_of_answer_is_read_from_the_question(question, kind):
    assert question_kind(question) == kind


def test_numbers_are_compared_by_value():
    assert numbers("1,250 guests paid 3.50 in twelve rooms") == {"1250", "3.50", "12"}
    assert numbers("1250.00") == numbers("1,250")


def test_names_are_words_with_a_capital_that_no_sentence_opens():
    assert names("Then Anna met the mayor of Łódź. Rain fell.") == {"anna", "łodz"}
    assert names("Norman Foster built it.") == {"norman", "foster"}


def test_content_leaves_out_words_of_asking():
    assert content("What is the name of the river that is used?") == ["river"]


@pytest.mark.parametrize("text", ["It did not open.", "It didn't open.", "Nobody came.", "Es wurde nie gebaut."])
def test_denials_are_seen(text):
    assert negated(text)


def test_a_sentence_holds_an_answer_only_if_it_says_more_than_the_question():
    assert holds("number", "The fee is 120 euros.", "How high is the fee?")
    assert not holds("number", "The fee of 120 euros is high.", "How high is the fee of 120 euros?")
    assert not holds("person", "It was discovered long ago.", "Who discovered it?")
    assert holds("time", "It opened in 1931.", "When did it open?")
