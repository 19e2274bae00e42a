"""What the reader adds to an answer: the order of passages, the words that answer, and how sure one can be."""

import pytest

from guru.knowledge.answer.confidence import confidence
from guru.knowledge.answer.evidence import gather
from guru.knowledge.answer.features import passages_of
from guru.knowledge.answer.reading import best_span, read_passages
from guru.models.local.reader import MiniLMReader
from knowledge.answer.answering import make_retrieval

QUESTION = "In which year was the Palace of Culture built?"


@pytest.fixture(scope="module")
def reader():
    reader = MiniLMReader(threads=1)
    yield reader
    reader.close()


async def evidence_for(reader, question):
    passages = await read_passages(reader, question, passages_of(make_retrieval(question)))
    return gather(question, passages)


async def test_the_passage_that_answers_comes_first_and_its_words_are_marked(reader):
    passages = await read_passages(reader, QUESTION, passages_of(make_retrieval(QUESTION)))
    assert passages[0].hit.document == "warsaw.md"
    quote = gather(QUESTION, passages).quotes[0]
    assert "1955" in quote.text
    assert quote.answer is not None
    assert quote.start <= quote.answer.start < quote.answer.end <= quote.end
    assert "1955" in passages[0].slice(quote.answer.start, quote.answer.end)


async def test_a_question_that_is_answered_is_surer_than_one_that_is_not(reader):
    answered = confidence(await evidence_for(reader, QUESTION))
    unanswered = confidence(await evidence_for(reader, "Who was the architect of the airport of Lisbon?"))
    assert answered > unanswered + 0.2


async def test_without_a_reader_nothing_is_marked():
    passages = passages_of(make_retrieval(QUESTION))
    found = gather(QUESTION, passages)
    assert all(quote.answer is None for quote in found.quotes)
    assert best_span(passages[0], passages[0].hit.start, passages[0].hit.end) is None
