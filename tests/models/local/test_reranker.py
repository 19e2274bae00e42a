"""The local reranker, with the embedding model that comes with the program."""

import pytest

from guru.errors import InvalidParameter
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.local.reranker import LocalReranker, windows, word_overlap
from guru.tasks import RerankRequest

DOCUMENTS = [
    "The library is open from nine to five on weekdays.",
    "Paris has been the capital of France since the tenth century.",
    "Bread is baked from flour, water, salt and yeast.",
]


@pytest.fixture
def reranker():
    embedder = MiniLMEmbedder(threads=1)
    yield LocalReranker(embedder)
    embedder.close()


async def rank(reranker, query, documents, **more):
    return await reranker.rerank(RerankRequest(model="rerank", query=query, documents=documents, **more))


async def test_the_passage_that_answers_comes_first_with_a_high_score(reranker):
    ranking = await rank(reranker, "What is the capital of France?", DOCUMENTS)
    assert ranking.results[0].index == 1
    scores = [item.relevance_score for item in ranking.results]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5 > 0.05 > scores[1]
    assert ranking.usage.prompt_tokens > 0


async def test_only_as_many_come_as_are_asked_for(reranker):
    ranking = await rank(reranker, "When is the library open?", DOCUMENTS, top_n=1)
    assert [item.index for item in ranking.results] == [0]


async def test_a_sentence_deep_in_a_long_document_is_found(reranker):
    noise = " ".join(f"Sentence number {number} is about the weather in the mountains." for number in range(60))
    ranking = await rank(reranker, "What is the capital of France?", [noise, f"{noise} {DOCUMENTS[1]}"])
    assert ranking.results[0].index == 1
    cut = await rank(reranker, "What is the capital of France?", [f"{noise} {DOCUMENTS[1]}"], max_tokens_per_doc=50)
    assert cut.results[0].relevance_score < ranking.results[0].relevance_score


async def test_unknown_fields_and_too_many_documents_are_refused(reranker):
    with pytest.raises(InvalidParameter, match="rank_fields"):
        await rank(reranker, "a", ["b"], extra={"rank_fields": ["x"]})
    with pytest.raises(InvalidParameter, match="too many"):
        await rank(reranker, "a", ["b"] * 1001)


def test_windows_hold_every_word_once():
    text = "One two three. " * 40 + "word " * 100
    assert " ".join(windows(text)).split() == text.split()
    assert windows("Short.") == []


def test_words_that_few_documents_have_count_more():
    common, rare, both = word_overlap("red zebra", ["a red car", "a zebra", "a red zebra, red"])
    assert both == pytest.approx(1.0)
    assert common == pytest.approx(rare)
    first, second, _ = word_overlap("red zebra", ["red", "zebra", "red"])
    assert second > first
