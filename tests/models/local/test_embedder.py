"""The embedder: text to unit vectors, counted and located tokens."""

import asyncio
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.models.local.embedder import FOLDER, MiniLMEmbedder

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def embedder():
    embedder = MiniLMEmbedder()
    yield embedder
    embedder.close()


def test_the_committed_files_have_the_recorded_checksums():
    for line in (FOLDER / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name


async def test_vectors_agree_with_the_published_fp32_weights(embedder):
    texts = (DATA / "minilm_texts.txt").read_text(encoding="utf-8").splitlines()
    with np.load(DATA / "minilm_reference.npz") as reference:
        expected = reference["vectors"].astype(np.float32)
    cosines = (await embedder.embed(texts) * expected).sum(axis=1)
    assert len(texts) == 200
    assert cosines.mean() >= 0.99
    assert cosines.min() >= 0.95


async def test_vectors_are_float32_of_length_one(embedder):
    vectors = await embedder.embed(["a", "", "a much longer text about nothing at all"])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_no_texts_give_no_vectors(embedder):
    assert (await embedder.embed([])).shape == (0, 384)


async def test_vectors_come_back_in_the_order_of_the_texts(embedder):
    texts = ["cat " * n for n in (40, 1, 90, 3)] + ["the stock market fell"] * 40
    together = await embedder.embed(texts)
    for i in (0, 1, 2, 3, 20):
        alone = await embedder.embed([texts[i]])
        assert together[i] @ alone[0] > 0.97


async def test_similar_texts_are_nearer_than_different_ones(embedder):
    question, answer, other = await embedder.embed(
        ["How long is the warranty?", "The guarantee lasts for two years.", "Bees dance to point at flowers."]
    )
    assert question @ answer > question @ other + 0.3


async def test_a_long_text_is_cut_at_256_tokens(embedder):
    long = "word " * 254
    same, longer = await embedder.embed([long, long + "and then something else entirely " * 50])
    assert same @ longer > 0.999
    assert embedder.count_tokens("word " * 1000) == 1000


async def test_many_callers_share_one_model(embedder):
    answers = await asyncio.gather(*(embedder.embed([f"text number {i}"] * 3) for i in range(8)))
    assert all(vectors.shape == (3, 384) for vectors in answers)


async def test_a_closed_embedder_loads_again_when_used():
    embedder = MiniLMEmbedder(threads=1)
    assert not embedder.loaded
    first = await embedder.embed(["hello"])
    embedder.close()
    assert not embedder.loaded
    assert np.allclose(first, await embedder.embed(["hello"]), atol=1e-5)
    embedder.close()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_token_offsets_lie_in_the_text_and_in_order(embedder, text):
    offsets = embedder.token_offsets(text)
    assert len(offsets) == embedder.count_tokens(text)
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)
