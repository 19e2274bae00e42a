import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import Forbidden, InvalidParameter, ModelNotFound, ModelUnavailable
from guru.knowledge.rerank import document_of, mix, rerank
from guru.models.local.reranker import LocalReranker
from guru.store.scope import Scope
from guru.tasks import Ranked, Ranking, RerankRequest
from guru.types import Hit, SearchOptions, Usage

SCOPE = Scope("local")


def hits(*texts):
    return [
        Hit(
            rank=n,
            score=1 / n,
            document=f"{n}.md",
            document_id=f"d{n}",
            chunk_id=n,
            page=None,
            start=0,
            end=9,
            text=text,
        )
        for n, text in enumerate(texts, 1)
    ]


class Models:
    """Reranks by the scores it is given, or as the local reranker does."""

    def __init__(self, *scores, embedder=None, calibrated=False):
        self.scores, self.asked, self.calibrated = scores, [], calibrated
        self.local = LocalReranker(embedder) if embedder else None

    async def rerank(self, model, query, documents):
        self.asked.append((model, query, documents))
        if self.local is not None:
            return await self.local.rerank(RerankRequest(model=model, query=query, documents=documents))
        if self.scores and isinstance(self.scores[0], Exception):
            raise self.scores[0]
        if self.scores == ("late",):
            await asyncio.sleep(30)
        results = [
            Ranked(*score) if isinstance(score, tuple) else Ranked(n, score) for n, score in enumerate(self.scores)
        ]
        return Ranking(model=model, results=results, usage=Usage(), calibrated=self.calibrated)

    async def write(self, instruction, text, max_tokens):
        return '{"queries": ["grease for bearings", "who looks after the pump"]}'


async def reranked(models, *texts, top=10, seconds=5.0, **weighing):
    return await rerank(models, "m", "q", hits(*texts), top=top, seconds=seconds, **weighing)


async def test_the_order_is_the_models():
    found = await reranked(Models(0.1, 0.9, 0.5), "a", "b", "c")
    assert (found.order, found.scores, found.note) == ([1, 2, 0], {0: 0.1, 1: 0.9, 2: 0.5}, None)


async def test_what_it_did_not_read_or_score_follows_as_it_was():
    models = Models(0.1, 0.9)
    assert (await reranked(models, "a", "b", "c", "d", top=2)).order == [1, 0, 2, 3]
    assert len(models.asked[0][2]) == 2
    assert (await reranked(Models((2, 0.4)), "a", "b", "c")).order == [2, 0, 1]
    assert (await reranked(Models(0.5, 0.5), "a", "b")).order == [0, 1]


async def test_who_is_surer_of_a_passage_counts_for_more():
    models = Models(0.3, 0.6, 0.5)
    found = await reranked(models, "a", "b", "c", weight=0.5, chances=[0.99, 0.5, 0.4])
    assert found.order == [0, 1, 2]
    assert found.own == {0: 0.3, 1: 0.6, 2: 0.5}
    assert found.scores[2] == pytest.approx(1 / (1 + math.sqrt(0.6 / 0.4)))
    for weight, order in ((0.0, [0, 1, 2]), (1.0, [1, 2, 0])):
        assert (await reranked(models, "a", "b", "c", weight=weight, chances=[0.99, 0.5, 0.4])).order == order


async def test_what_nobody_has_weighed_is_a_half_for_a_model_that_knows_probabilities():
    chances = [0.9, 0.2]
    alone = await reranked(Models(0.3, 0.6), "a", "b", chances=chances)
    assert (alone.order, alone.scores) == ([1, 0], {0: 0.3, 1: 0.6})
    halves = await reranked(Models(0.3, 0.6, calibrated=True), "a", "b", chances=chances)
    assert halves == await reranked(Models(0.3, 0.6), "a", "b", chances=chances, weight=0.5)
    assert halves.order == [0, 1]
    without = await reranked(Models(0.3, 0.6, calibrated=True), "a", "b")
    assert without.scores == {0: 0.3, 1: 0.6}  # the search has said no probabilities


async def test_scores_that_cannot_be_weighed_are_a_note():
    found = await reranked(Models(7.5, -3.0), "a", "b", weight=0.5, chances=[0.5, 0.6])
    assert (found.order, found.scores) == ([0, 1], {})
    assert "the score 7.5, which is no probability" in found.note
    assert (await reranked(Models(-3.0, 7.5), "a", "b", chances=[0.5, 0.6])).order == [1, 0]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_what_is_mixed_is_between_both(score, chance, weight):
    low, high = sorted((score, chance))
    assert low - 1e-5 <= mix(score, chance, weight) <= high + 1e-5


@pytest.mark.parametrize(
    "scores",
    [
        (ModelUnavailable("It is not there."),), ("late",), (), ((5, 0.5),), ((-1, 0.5),), ((0, 0.5), (0, 0.4)),
        (math.nan, 0.5), (0.1, 0.2, 0.3),
    ],
)  # fmt: skip
async def test_a_model_that_fails_leaves_the_order_and_a_note(scores):
    found = await reranked(Models(*scores), "a", "b", seconds=0.05)
    assert (found.order, found.scores) == ([0, 1], {})
    assert found.note.startswith("rerank: ")
    assert found.note.endswith("The order is the fused one.")


async def test_a_wrong_name_is_an_error_and_nothing_is_asked_about_nothing():
    for error in (ModelNotFound("There is none."), Forbidden("Not yours."), InvalidParameter("No.", param="model")):
        with pytest.raises(type(error)):
            await reranked(Models(error), "a")
    models = Models(ModelNotFound("There is none."))
    assert ((await reranked(models)).order, models.asked) == ([], [])


def test_a_passage_is_read_with_what_stands_above_it():
    (hit,) = hits("Tea grows on slopes.")
    hit.title, hit.heading_path = "Tea", ["Tea", "Growing"]
    assert document_of(hit) == "Tea > Growing\nTea grows on slopes."


# --------------------------------------------------------------------------- in a search


async def test_a_search_is_reranked_by_a_real_model_with_its_scores_in_sight(bench, folder, embedder):
    await bench.ingest(folder)
    options = SearchOptions(rerank="local/reranker", rerank_top=3)
    found = await bench.knowledge.retrieve(
        SCOPE, "c", "Who greases the bearings?", options=options, models=Models(embedder=embedder)
    )
    assert found.hits[0].document == "pumps.md"
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    for hit, sentences in zip(found.hits, found.sentences, strict=True):
        stages = hit.stages
        assert hit.score == pytest.approx(mix(stages["rerank"], stages["fused"], 0.5), abs=1e-4)
        assert {"fused", "dense", "sparse"} <= hit.stages.keys()
        assert all(hit.text[s.start - hit.start : s.end - hit.start] == s.text for s in sentences)


async def test_more_is_read_than_shown_and_a_failure_shows_what_was_fused(bench, folder):
    await bench.ingest(folder)
    plain = await bench.search("tea leaves and pumps", k=1)
    models = Models(0.1, 0.2, 0.9)
    options = SearchOptions(rerank="m", rerank_top=3)
    found = await bench.knowledge.retrieve(SCOPE, "c", "tea leaves and pumps", k=1, options=options, models=models)
    assert (len(found.hits), found.hits[0].score, found.hits[0].rank) == (1, 0.9, 1)
    assert found.hits[0].document != plain[0].document
    models = Models(ModelUnavailable("It is not there."))
    found = await bench.knowledge.retrieve(SCOPE, "c", "tea leaves and pumps", k=1, options=options, models=models)
    assert (found.hits[0].document, found.hits[0].score) == (plain[0].document, plain[0].score)
    assert "It is not there." in found.notes[0]
    off = await bench.search("tea leaves and pumps", k=1, options=SearchOptions(rerank="off"))
    assert off == plain


async def test_chunks_are_reranked_and_then_their_parents_stand_in_their_places(bench, tmp_path, embedder):
    pumps = (f"Pump P-{n} stands in hall {n}. It is greased in March, and it delivers {n} litres." for n in range(9))
    (tmp_path / "manual.md").write_text("# Pumps\n\n" + "\n\n".join(pumps))
    settings = {"chunking": "hierarchical", "chunk_tokens": 20, "chunk_overlap": 0, "parent_tokens": 60}
    await bench.knowledge.collections.create("local", "c", settings=settings)
    await bench.ingest(tmp_path / "manual.md")
    models, question = Models(embedder=embedder), "In which hall does pump P-7 stand?"
    for diversity in (0.0, 0.3):
        options = SearchOptions(rerank="local/reranker", rerank_top=20, diversity=diversity)
        found = await bench.knowledge.retrieve(SCOPE, "c", question, k=2, options=options, models=models)
        assert [hit.rank for hit in found.hits] == [1, 2] and len({hit.start for hit in found.hits}) == 2
        assert max(map(len, models.asked[-1][2])) < min(len(hit.text) for hit in found.hits)  # it reads chunks
        assert "stands in hall 7" in found.hits[0].text and found.hits[0].stages["rerank"] > 0.9
        for hit, sentences in zip(found.hits, found.sentences, strict=True):
            assert "".join("".join(s.text for s in sentences).split()) == "".join(hit.text.split())
    small = await bench.knowledge.retrieve(SCOPE, "c", question, k=2, options=options, models=models, to_read=False)
    assert all(hit.parent is not None for hit in small.hits)


async def test_repetition_is_kept_out_after_reranking(bench, tmp_path):
    for n in range(4):
        (tmp_path / f"copy{n}.txt").write_text(f"The ferry to the island leaves at nine from pier {n}.")
    (tmp_path / "other.txt").write_text("Tickets for the island ferry cost twelve francs at the kiosk.")
    await bench.ingest(*tmp_path.glob("*.txt"))
    options = SearchOptions(rerank="m", diversity=0.6)
    models = Models(0.9, 0.8, 0.7, 0.6, 0.5)
    found = await bench.knowledge.retrieve(
        SCOPE, "c", "When does the ferry to the island leave?", k=2, options=options, models=models
    )
    assert [hit.document for hit in found.hits][1] == "other.txt"
    assert {"mmr", "redundancy", "rerank", "fused"} <= found.hits[1].stages.keys()


async def test_several_queries_are_fused_by_their_ranks(bench, folder):
    await bench.ingest(folder)
    options = SearchOptions(queries=["multi-query"])
    found = await bench.knowledge.retrieve(SCOPE, "c", "How is it kept running?", options=options, models=Models())
    assert found.queries == ["grease for bearings", "who looks after the pump"]
    assert found.hits[0].document == "pumps.md"
    stages = found.hits[0].stages
    ranks = [stages[f"query_{n}_rank"] for n in range(3)]
    share = sum(61 / (60 + rank) for rank in ranks if rank) / 3
    assert found.hits[0].score == pytest.approx(share, abs=1e-5)
    assert {"plain", "dense", "sentence", "coverage", "sparse", "bm25"} <= stages.keys()
    assert len({hit.chunk_id for hit in found.hits}) == len(found.hits) == 3


async def test_a_search_without_models_says_that_it_needs_one(bench, folder):
    await bench.ingest(folder)
    for options, param in ((SearchOptions(rerank="m"), "rerank"), (SearchOptions(queries=["hyde"]), "queries")):
        with pytest.raises(InvalidParameter) as caught:
            await bench.search("tea", options=options)
        assert caught.value.param == param
