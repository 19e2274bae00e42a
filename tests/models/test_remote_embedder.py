"""A provider's embedding model as documents and queries need it, over a loopback server that speaks OpenAI's API."""

import asyncio

import numpy as np
import pytest

from embedding_server import embed, embedding_server
from guru.config import ProviderSettings, Settings
from guru.errors import ModelError, ModelUnavailable
from guru.models.registry import ModelRegistry
from guru.models.remote_embedder import ASSUMED_TOKENS, AT_ONCE, BATCH, RemoteEmbedder
from guru.tasks import Embeddings
from guru.types import Usage
from models.providers.replay import answer, replaying
from scripted import WordEmbedder


@pytest.fixture
async def server():
    async with embedding_server() as server:
        yield server


@pytest.fixture
async def model(server, tmp_path):
    settings = Settings(providers={"letters": ProviderSettings(kind="openai-compatible", base_url=server.url)})
    registry = ModelRegistry(tmp_path, settings)
    name = "letters/letters-32"
    yield RemoteEmbedder(name, registry.embedding_model(name).embeddings, WordEmbedder())
    await registry.aclose()


async def test_vectors_come_in_the_order_of_the_texts_with_unit_length(model, server):
    texts = [f"text number {number}" for number in range(BATCH * AT_ONCE + 3)]
    vectors = await model.embed(texts)
    expected = np.array([embed("letters-32", text) for text in texts], np.float32)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert (vectors.dtype, model.dimension) == (np.float32, 32)
    assert sorted(server.texts) == sorted(texts)
    assert (await model.embed([])).shape == (0, 32)
    assert np.array_equal(await model.embed_queries(texts[:2]), vectors[:2])


async def test_a_text_that_is_too_long_is_cut_at_a_word(model, server):
    assert model.max_tokens == ASSUMED_TOKENS * 3 // 4
    words = [f"w{number}" for number in range(1000)]
    await model.embed([" ".join(words), "short"])
    assert server.texts == [" ".join(words[: model.max_tokens]), "short"]


async def test_the_first_failure_is_raised_as_it_is(model, server):
    server.failures = [503] * 5
    with pytest.raises(ModelUnavailable):
        await model.embed(["a"] * (BATCH * 3))


@pytest.mark.parametrize("vectors", [[[0.0, 0.0]], [[float("nan"), 1.0]], [[]]])
async def test_what_is_no_vector_is_refused(vectors):
    async def ask(request):
        return Embeddings(model="m", vectors=vectors, usage=Usage())

    with pytest.raises(ModelError, match="did not answer with vectors"):
        await RemoteEmbedder("x/m", ask, WordEmbedder()).embed(["one"])


async def test_vectors_of_two_lengths_are_refused():
    async def ask(request):
        return Embeddings(model="m", vectors=[[1.0], [1.0, 0.0]], usage=Usage())

    with pytest.raises(ModelError, match="did not answer with vectors"):
        await RemoteEmbedder("x/m", ask, WordEmbedder()).embed(["one", "two"])


async def test_questions_and_documents_are_told_apart_for_models_that_want_it(tmp_path):
    async with replaying() as upstream:
        upstream.say(answer({"embeddings": {"float": [[1.0, 0.0]]}, "meta": {"billed_units": {"input_tokens": 1}}}))
        settings = Settings(providers={"cohere": ProviderSettings(api_key="k", base_url=upstream.url)})
        registry = ModelRegistry(tmp_path, settings)
        name = "cohere/embed-english-v3.0"
        model = RemoteEmbedder(name, registry.embedding_model(name).embeddings, WordEmbedder())
        await model.embed(["a passage"])
        await model.embed_queries(["a question"])
        assert [sent.json["input_type"] for sent in upstream.requests] == ["search_document", "search_query"]
        assert model.max_tokens == 384
        await registry.aclose()
        await asyncio.sleep(0.05)  # the server sees that its client has gone
