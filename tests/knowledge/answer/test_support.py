"""When a quote supports a sentence, and when it does not."""

import pytest

from guru.knowledge.answer.evidence import gather
from guru.knowledge.answer.features import passages_of
from guru.knowledge.answer.support import SUPPORTED, Judge, is_claim
from knowledge.answer.answering import make_retrieval

QUESTION = "What is Warsaw?"


@pytest.fixture
def judge():
    return Judge(gather(QUESTION, passages_of(make_retrieval(QUESTION))))


async def score(judge, sentence):
    support = await judge.find(sentence, range(4))
    return support.score if support else 0.0


@pytest.mark.parametrize(
    "sentence",
    [
        "Warsaw is the capital of Poland.",
        "The Palace of Culture was built in 1955.",
        "Oxygen was discovered by Scheele.",
        "Students pay 45 euros.",
        "The city did not join the league in 1991.",
    ],
)
async def test_sentences_that_the_documents_state_are_supported(judge, sentence):
    assert await score(judge, sentence) >= SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "because"),
    [
        ("The Palace of Culture was built in 1956.", "another number"),
        ("Oxygen was discovered by Antoine Lavoisier.", "another name"),
        ("The city joined the league in 1991.", "the quote denies it"),
        ("Warsaw is not the capital of Poland.", "the quote affirms it"),
        ("Warsaw hosts a yearly festival of film music.", "nothing says so"),
    ],
)
async def test_sentences_that_leave_or_contradict_the_documents_are_not(judge, sentence, because):
    assert await score(judge, sentence) < SUPPORTED, because


async def test_the_smallest_span_that_supports_is_found(judge):
    support = await judge.find("It stands on the Vistula River.", range(4))
    assert support.text == "It stands on the Vistula River, roughly 260 kilometres from the Baltic Sea."


async def test_two_neighbours_support_together_what_neither_does_alone(judge):
    support = await judge.find("The city was rebuilt after the war and its Old Town listed by UNESCO.", range(4))
    assert support.score >= SUPPORTED
    assert support.text.startswith("The city was rebuilt") and support.text.endswith("1980.")


@pytest.mark.parametrize("sentence", ["Here is what I found:", "Sure!", "Do you want to know more?", "* * *"])
def test_courtesies_and_questions_claim_nothing(sentence):
    assert not is_claim(sentence, "en")


def test_a_fact_behind_a_courtesy_is_a_claim():
    assert is_claim("According to the sources, the fee is 120 euros.", "en")
