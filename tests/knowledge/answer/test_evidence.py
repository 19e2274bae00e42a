"""Which sentences are chosen, and how sure one can be that they answer."""

import pytest

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import decline_text
from guru.knowledge.answer.confidence import confidence
from guru.knowledge.answer.evidence import gather
from guru.knowledge.answer.features import passages_of
from knowledge.answer.answering import DOCUMENTS, make_retrieval


def evidence_for(question, documents=None, **options):
    return gather(question, passages_of(make_retrieval(question, documents, **options)))


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("What is the capital of Poland?", "Warsaw 🏙️ is the capital of Poland."),
        ("Who discovered oxygen?", "It was discovered by Carl Wilhelm Scheele in 1771."),
        ("How much do students pay?", "Students pay 45 euros [3]."),
    ],
)
def test_the_sentence_that_answers_is_quoted_verbatim(question, quote):
    evidence = evidence_for(question)
    assert any(found.text.endswith(quote) for found in evidence.quotes)
    assert 1 <= len(evidence.quotes) <= 3
    for found in evidence.quotes:
        document = evidence.passages[found.passage].hit.document
        assert DOCUMENTS[document][found.start : found.end] == found.text


def test_passages_of_the_quotes_come_first():
    evidence = evidence_for("How much do students pay?")
    assert evidence.quotes[0].passage == 0
    assert evidence.passages[0].hit.document == "fees.md"


def test_a_sentence_that_leans_on_its_predecessor_brings_it_along():
    documents = {"a.md": "# A\n\nThe Grand Tower burned down. It was rebuilt by the architect Maria Lund."}
    evidence = evidence_for("By which architect was the Tower rebuilt?", documents)
    assert evidence.quotes[0].text == documents["a.md"].split("\n\n")[1]


def test_repeated_sentences_are_quoted_once():
    text = "# A\n\nStudents pay 45 euros a year.\n\nStudents pay 45 euros a year.\n\nGuests pay nothing."
    quotes = [quote.text for quote in evidence_for("How much do students pay?", {"a.md": text}).quotes]
    assert quotes.count("Students pay 45 euros a year.") == 1


def test_headings_are_not_quoted():
    documents = {"a.md": "# Who discovered oxygen\n\nNobody knows who discovered oxygen."}
    quotes = evidence_for("Who discovered oxygen?", documents).quotes
    assert [quote.text for quote in quotes] == ["Nobody knows who discovered oxygen."]


def test_lines_like_headings_are_not_quoted():
    documents = {"a.txt": "Notice periods\nEverybody gives notice of three months to the end of a quarter."}
    quotes = evidence_for("What are the notice periods?", documents).quotes
    assert "Notice periods" not in [quote.text for quote in quotes]


def test_a_sentence_of_words_of_the_question_and_the_title_is_no_evidence():
    documents = {"tarnholm.md": "Tarnholm Instruments.\n\nTarnholm Instruments builds scales in Leeds and Porto."}
    quotes = evidence_for("What was the revenue of Tarnholm Instruments?", documents).quotes
    assert [quote.text for quote in quotes] == ["Tarnholm Instruments builds scales in Leeds and Porto."]


def test_a_further_quote_must_earn_its_place():
    text = (
        "# Leave\n\nReport sick leave before 9:30 on the first day. Every parent has 22 weeks of leave at full pay. "
        "Send the form to the people team within a week."
    )
    quotes = evidence_for("When must sick leave be reported?", {"a.md": text}).quotes
    assert [quote.text for quote in quotes] == ["Report sick leave before 9:30 on the first day."]


def test_a_further_quote_covers_what_the_first_leaves_open():
    text = "# A\n\nThe bridge was designed by Anna Lund in 1931.\n\nThe tunnel was dug by Otto Berg in 1975."
    quotes = evidence_for("Who designed the bridge and who dug the tunnel?", {"a.md": text}).quotes
    assert len(quotes) == 2


def test_confidence_falls_when_the_documents_are_about_something_else():
    near = confidence(evidence_for("What is the capital of Poland?"))
    swapped = confidence(evidence_for("What is the capital of Portugal?"))
    far = confidence(evidence_for("Which enzyme copies DNA in mitochondria?", cosine=0.15))
    assert near > swapped > far
    assert 0 <= far < KnowledgeSettings().threshold < near <= 1


def test_nothing_retrieved_is_no_confidence():
    evidence = gather("What?", [])
    assert confidence(evidence) == 0.0
    assert decline_text(evidence) == "The documents do not answer this question."
