import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.knowledge.distance import nearness
from guru.knowledge.diversity import diversify
from guru.knowledge.fusion import reciprocal_ranks, weighted_sum
from guru.knowledge.rows import dot, pack_vectors, unpack_vectors
from guru.types import SearchOptions

DISTANCES = ("cosine", "dot", "euclidean", "manhattan")


def units(rows, dimension=16, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sides(dense, sparse, dense_weight=0.5, sparse_weight=0.5):
    dense, sparse = np.array(dense, float), np.array(sparse, float)
    return [("dense", dense, np.ones(len(dense), bool), dense_weight), ("sparse", sparse, sparse > 0, sparse_weight)]


@given(st.integers(0, 1000))
def test_a_distance_is_that_of_the_stored_vectors(seed):
    packed, query = pack_vectors(units(1100, seed=seed)), units(1, seed=seed + 1)[0]
    stored = unpack_vectors(packed)
    expected = {
        "euclidean": -np.sqrt(((stored - query) ** 2).sum(axis=1)),
        "manhattan": -np.abs(stored - query).sum(axis=1),
        "dot": stored @ query,
    }
    for distance, values in expected.items():
        assert np.allclose(nearness(packed, query, distance), values, atol=1e-5)
    assert np.array_equal(nearness(packed, query, "cosine"), dot(packed, query))


def test_ranks_are_fused_as_they_are_defined():
    score, ranks = reciprocal_ranks(sides([0.9, 0.8, 0.1], [0.0, 5.0, 2.0]), np.arange(3), 60)
    assert ranks["dense_rank"].tolist() == [1, 2, 3]
    assert ranks["sparse_rank"].tolist() == [0, 1, 2]
    assert score == pytest.approx([61 / 61 / 2, (61 / 62 + 61 / 61) / 2, (61 / 63 + 61 / 62) / 2])


def test_equal_scores_rank_by_id_and_a_side_without_weight_says_nothing():
    score, ranks = reciprocal_ranks(sides([0.5, 0.5], [1.0, 2.0], 1.0, 0.0), np.array([7, 3]), 10)
    assert ranks["dense_rank"].tolist() == [2, 1]
    assert score == pytest.approx([11 / 12, 1.0])


def test_scaled_scores_are_weighed_as_they_are_defined():
    score, scaled = weighted_sum(sides([0.2, 0.6, 0.4], [0.0, 2.0, 4.0], 0.75, 0.25), np.arange(3), 60)
    assert scaled["dense_scaled"] == pytest.approx([0, 1, 0.5])
    assert scaled["sparse_scaled"] == pytest.approx([0, 0.5, 1])
    assert score == pytest.approx([0, 0.875, 0.625])


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 50)), min_size=1, max_size=20),
    st.floats(0.01, 1), st.floats(0.01, 1), st.integers(1, 1000),
)  # fmt: skip
def test_a_fused_score_lies_between_0_and_1_and_better_on_every_side_is_no_worse(scores, dense, sparse, k):
    both = sides([pair[0] for pair in scores], [pair[1] for pair in scores], dense, sparse)
    for fuse in (reciprocal_ranks, weighted_sum):
        score, _ = fuse(both, np.arange(len(scores)), k)
        assert ((score >= 0) & (score <= 1 + 1e-9)).all()
        for one, other in itertools.permutations(range(len(scores)), 2):
            if scores[one][0] > scores[other][0] and scores[one][1] > scores[other][1]:
                assert score[one] >= score[other] - 1e-9


def test_one_of_two_that_say_the_same_waits():
    vectors = units(3)
    packed = pack_vectors(vectors[[0, 0, 1, 2]])
    cosines = np.array([0.5, 0.9, 0.8, 0.4])  # the order is that of the fusion: these are only its scale
    assert diversify(cosines, packed, 4, 0.0)[0].tolist() == [0, 1, 2, 3]
    order, values, repeats = diversify(cosines, packed, 4, 0.5)
    assert (order.tolist()[0], order.tolist()[-1]) == (0, 1)
    assert repeats[-1] == pytest.approx(1, abs=1e-3)
    assert values[0] == pytest.approx(0.5 * 0.9)
    assert values[-1] == pytest.approx(0.5 * 0.8 - 0.5 * repeats[-1], abs=1e-6)


@given(st.integers(1, 30), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_diversity_chooses_each_at_most_once_and_the_best_first(count, k, diversity, seed):
    cosines = np.random.default_rng(seed).random(count)
    order, *_ = diversify(cosines, pack_vectors(units(count, seed=seed)), k, diversity)
    assert len(order) == len(set(order.tolist())) == min(k, count)
    assert order[0] == 0


# --------------------------------------------------------------------------- in a collection


MODES = ("hybrid", "dense", "sparse")


@pytest.mark.parametrize("fusion", ["rrf", "weighted"])
async def test_every_fusion_and_distance_finds_the_passage_in_every_mode(bench, folder, fusion):
    await bench.ingest(folder)
    for mode, distance in itertools.product(MODES, DISTANCES):
        options = SearchOptions(fusion=fusion, distance=distance)
        question = "How many days of annual leave do employees have?"
        hits = await bench.search(question, mode=mode, options=options, explain=True)
        assert (mode, distance, hits[0].document) == (mode, distance, "leave.txt")
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        added = set(hits[0].stages) - {"dense", "sentence", "coverage", "sparse", "bm25"}
        suffix = "rank" if fusion == "rrf" else "scaled"
        expected = {f"{side}_{suffix}" for side in ("dense", "sparse") if mode in ("hybrid", side)}
        assert added == expected | ({"distance"} if distance in ("euclidean", "manhattan") else set())


async def test_distances_of_unit_vectors_rank_as_cosines_do_and_are_told_as_they_are(bench, folder):
    await bench.ingest(folder)

    async def found(**options):
        hits = await bench.search("tea leaves", mode="dense", explain=True, options=SearchOptions(**options))
        return [hit.document for hit in hits], hits[0].stages

    cosine, _ = await found(fusion="rrf")
    euclidean, stages = await found(fusion="rrf", distance="euclidean")
    assert euclidean == cosine == (await found(fusion="weighted", distance="dot"))[0]
    assert stages["distance"] == pytest.approx((2 - 2 * stages["dense"]) ** 0.5, abs=5e-3)


async def test_weights_decide_between_meaning_and_words(bench, tmp_path):
    (tmp_path / "meaning.txt").write_text("Staff may take four weeks of holiday each year.")
    (tmp_path / "words.txt").write_text("Vacation Vacation is the title of a song.")
    await bench.ingest(tmp_path / "meaning.txt", tmp_path / "words.txt")
    for fusion in ("rrf", "weighted"):
        for weights, first in (((1.0, 0.0), "meaning.txt"), ((0.0, 1.0), "words.txt")):
            options = SearchOptions(fusion=fusion, dense_weight=weights[0], sparse_weight=weights[1])
            hits = await bench.search("How much vacation do workers get per year?", options=options)
            assert (fusion, hits[0].document) == (fusion, first)


async def test_near_identical_passages_do_not_fill_the_list(bench, tmp_path):
    for n in range(6):
        (tmp_path / f"copy{n}.txt").write_text(f"The ferry to the island leaves at nine from pier {n}.")
    (tmp_path / "other.txt").write_text("Tickets for the island ferry cost twelve francs at the kiosk.")
    await bench.ingest(*tmp_path.glob("*.txt"))
    plain = await bench.search("When does the ferry to the island leave?", k=3)
    assert all(hit.document.startswith("copy") for hit in plain)
    options = SearchOptions(diversity=0.6)
    hits = await bench.search("When does the ferry to the island leave?", k=3, options=options, explain=True)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert (hits[0].document, hits[1].document) == (plain[0].document, "other.txt")
    assert hits[0].stages["redundancy"] == 0 < hits[1].stages["redundancy"] < hits[2].stages["redundancy"]


async def test_options_that_are_left_out_change_nothing(bench, folder):
    await bench.ingest(folder)
    plain = await bench.search("feed pump", explain=True)
    assert await bench.search("feed pump", explain=True, options=SearchOptions()) == plain
    assert await bench.search("feed pump", explain=True, options=SearchOptions(rrf_k=5, dense_weight=0.1)) == plain
    assert await bench.search("zxqv", mode="sparse", options=SearchOptions(fusion="weighted", diversity=0.5)) == []


@pytest.mark.parametrize(
    ("options", "mode", "param"),
    [
        ({"distance": "manhattan"}, "hybrid", "distance"),
        ({"distance": "euclidean"}, "dense", "distance"),
        ({"fusion": "rrf", "dense_weight": 0.0}, "dense", "dense_weight"),
        ({"fusion": "weighted", "dense_weight": 0.0, "sparse_weight": 0.0}, "hybrid", "dense_weight"),
    ],
)
async def test_options_that_do_not_go_together_are_refused(bench, folder, options, mode, param):
    await bench.knowledge.collections.create("local", "c")
    with pytest.raises(InvalidParameter) as caught:
        await bench.search("tea", mode=mode, options=SearchOptions(**options))
    assert (caught.value.param, caught.value.hint is not None) == (param, True)
