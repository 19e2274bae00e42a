"""The reader: a question and a passage in, relevance, whether it answers and with which words out."""

import asyncio
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.local.reader import FOLDER, LONGEST, MiniLMReader, likeliest, window_starts
from guru.models.local.reader_reranker import ReaderReranker
from guru.tasks import RerankRequest

QUESTION = "How many weeks of parental leave does a parent get?"
LEAVE = "Every parent has 22 weeks of parental leave at full pay. The leave can be taken in two parts."
OTHERS = [
    "The library is open from nine to five on weekdays.",
    "Parental leave was discussed at length in the last meeting, and everybody agreed that it matters.",
    "Bread is baked from flour, water, salt and yeast.",
]


@pytest.fixture(scope="module")
def reader():
    reader = MiniLMReader()
    yield reader
    reader.close()


def test_the_committed_file_has_the_recorded_checksum():
    digest, name = (FOLDER / "SHA256SUMS").read_text().split()
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


async def test_the_passage_that_answers_is_told_from_others_and_its_words_are_pointed_at(reader):
    readings = await reader.read(QUESTION, [LEAVE, *OTHERS])
    relevance, here = ([getattr(reading, name) for reading in readings] for name in ("relevance", "here"))
    assert max(relevance) == relevance[0]
    assert max(here) == here[0]
    assert here[0] > 0.5 > here[1]
    best = readings[0].spans[0]
    assert "22" in LEAVE[best.start : best.end]
    assert best.end - best.start < 30


async def test_no_passages_give_no_readings_and_an_empty_one_has_no_answer(reader):
    assert await reader.read(QUESTION, []) == []
    (empty,) = await reader.read(QUESTION, [""])
    assert empty.spans == []


async def test_an_answer_deep_in_a_long_passage_is_found_at_its_place(reader):
    noise = " ".join(f"Sentence number {number} is about the weather in the mountains." for number in range(60))
    long = f"{noise} {LEAVE} {noise}"
    (found,) = await reader.read(QUESTION, [long])
    best = found.spans[0]
    assert "22" in long[best.start : best.end]
    assert long.index(LEAVE) <= best.start < long.index(LEAVE) + len(LEAVE)


async def test_a_question_without_end_is_read_from_its_beginning(reader):
    (found,) = await reader.read(QUESTION + " please" * 1000, [LEAVE])
    assert found.spans


async def test_readings_come_back_in_the_order_of_the_passages_and_hardly_depend_on_their_neighbours(reader):
    passages = [LEAVE * times for times in (9, 1, 4)] + OTHERS * 15
    together = await reader.read(QUESTION, passages)
    for place in (0, 1, 2, 3, 20):
        (alone,) = await reader.read(QUESTION, [passages[place]])
        assert abs(alone.here - together[place].here) < 0.15


async def test_many_callers_share_one_model():
    reader = MiniLMReader(threads=1)
    assert not reader.loaded
    answers = await asyncio.gather(*(reader.read(QUESTION, [LEAVE]) for _ in range(4)))
    assert reader.loaded
    assert len(answers) == 4
    reader.close()
    assert not reader.loaded


@given(st.integers(0, 2000), st.integers(1, 250))
def test_windows_leave_no_token_out_and_none_is_longer_than_allowed(tokens, size):
    starts = window_starts(tokens, size)
    covered = {token for start in starts for token in range(start, min(start + size, tokens))}
    assert covered == set(range(tokens))
    assert starts == sorted(set(starts))
    assert all(0 <= start <= max(0, tokens - size) for start in starts)


@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), max_size=60))
def test_the_likeliest_answers_begin_before_they_end_and_their_chances_are_chances(logits):
    offsets = [(place * 3, place * 3 + 2) for place in range(len(logits))]
    spans = likeliest(np.array(logits, np.float32).reshape(-1, 2), offsets)
    assert bool(spans) == bool(logits)
    assert all(span.start < span.end <= 3 * len(logits) for span in spans)
    assert all(span.end - span.start <= 3 * LONGEST for span in spans)
    assert [span.chance for span in spans] == sorted((span.chance for span in spans), reverse=True)
    assert sum(span.chance for span in spans) <= 1 + 1e-3


async def rank(reader, query, documents, **more):
    reranker = ReaderReranker(reader, MiniLMEmbedder(threads=1))
    return await reranker.rerank(RerankRequest(model="rerank", query=query, documents=documents, **more))


async def test_reranking_puts_the_passage_that_answers_first(reader):
    ranking = await rank(reader, QUESTION, [*OTHERS, LEAVE])
    assert ranking.results[0].index == 3
    scores = [item.relevance_score for item in ranking.results]
    assert scores == sorted(scores, reverse=True)
    assert ranking.usage.prompt_tokens > 50
    assert [item.index for item in (await rank(reader, QUESTION, [*OTHERS, LEAVE], top_n=1)).results] == [3]


async def test_a_document_is_read_no_further_than_asked_for(reader):
    whole = await rank(reader, QUESTION, [OTHERS[0] * 5 + LEAVE])
    cut = await rank(reader, QUESTION, [OTHERS[0] * 5 + LEAVE], max_tokens_per_doc=20)
    assert cut.results[0].relevance_score < whole.results[0].relevance_score


async def test_what_the_reranker_does_not_know_is_refused(reader):
    with pytest.raises(InvalidParameter, match="rank_fields"):
        await rank(reader, "a", ["b"], extra={"rank_fields": ["x"]})
