"""Models of providers by name, beside the local ones."""

import pytest

from guru.config import AliasSettings, Deployment, ProviderSettings, Settings
from guru.errors import ConfigurationError, InvalidParameter, ModelNotFound
from guru.models import remote
from guru.models.registry import ModelRegistry
from guru.tasks import EmbeddingRequest, RerankRequest

SETTINGS = Settings(
    providers={
        "openai": ProviderSettings(api_key="k", models=["gpt-4o", "text-embedding-3-small"]),
        "house": ProviderSettings(kind="vllm", base_url="http://127.0.0.1:9/v1"),
        "empty": ProviderSettings(kind="groq"),
    },
    models={"smart": AliasSettings(deployments=[Deployment(model="house/qwen3")], fallbacks=["openai/o3"])},
)


@pytest.fixture
async def registry(tmp_path):
    registry = ModelRegistry(tmp_path, SETTINGS)
    yield registry
    await registry.aclose()


async def test_a_model_is_made_once_and_known_by_its_aliases(registry):
    model = registry.chat_model("smart")
    assert (model.name, model.context_length) == ("house/qwen3", 131072)
    assert model is registry.chat_model("house/qwen3")
    assert registry.chat_model("openai/org/any-model").name == "openai/org/any-model"
    assert registry.resolve("smart") == "house/qwen3"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mistral/x", ["mistral is not configured", "[providers.mistral]", "env:MISTRAL_API_KEY"]),
        ("opena/gpt-4o", ["no provider 'opena'", "openai"]),
        ("zzz/x", ["no provider 'zzz'", "openai, house, empty, local"]),
        ("smrt", ["no model 'smrt'", "smart"]),
        ("gpt-4o", ["no model 'gpt-4o'", "openai/gpt-4o"]),
    ],
)
async def test_an_unknown_name_is_told_what_is_missing(registry, name, words):
    for ask in (registry.chat_model, registry.embedding_model, registry.image_model):
        with pytest.raises(ModelNotFound) as caught:
            ask(name)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert caught.value.param == "model"


async def test_every_task_finds_its_model(registry):
    asked = {
        "embedding_model": "openai/text-embedding-3-small", "moderator": "openai/omni-moderation-latest",
        "image_model": "openai/gpt-image-1", "speech_model": "openai/tts-1", "transcription_model": "openai/whisper-1",
        "reranker": "house/bge",
    }  # fmt: skip
    for kind, name in asked.items():
        assert getattr(registry, kind)(name).name == name
    for kind in ("moderator", "image_model", "speech_model", "transcription_model"):
        with pytest.raises(InvalidParameter, match="no model on this machine"):
            getattr(registry, kind)("embedding")
    with pytest.raises(InvalidParameter, match="openai"):
        registry.reranker("openai/gpt-4o")
    with pytest.raises(InvalidParameter, match="this machine"):
        registry.embedder("openai/text-embedding-3-small")
    with pytest.raises(ConfigurationError, match="api_key"):
        registry.chat_model("empty/x")


async def test_the_configured_models_are_listed(registry):
    listed = {status.name: status for status in registry.status()}
    assert listed["openai/gpt-4o"].context_length == 128000
    assert listed["openai/text-embedding-3-small"].kind == "embedding"
    assert listed["house/qwen3"].aliases == ["smart"]
    assert listed["openai/o3"].status == "ready"


async def test_a_changed_table_is_taken_over(registry):
    before, other = registry.chat_model("house/m"), registry.chat_model("openai/m")
    changed = SETTINGS.providers | {"house": ProviderSettings(kind="vllm", base_url="http://127.0.0.1:8/v1")}
    registry.reload(Settings(providers=changed))
    assert registry.chat_model("openai/m") is other
    assert registry.chat_model("house/m") is not before
    with pytest.raises(ModelNotFound):
        registry.chat_model("smart")
    registry.reload(Settings())
    with pytest.raises(ModelNotFound, match="openai is not configured"):
        registry.chat_model("openai/m")


async def test_callers_cannot_fill_the_memory(registry, monkeypatch):
    monkeypatch.setattr(remote, "REMEMBERED", 3)
    for number in range(20):
        registry.chat_model(f"openai/{number}")
    assert len(registry.remote._made) <= 3


async def test_the_local_embedder_embeds_and_ranks(registry):
    texts = ["The cat sleeps.", "Stock prices fell.", "A kitten is napping."]
    found = await registry.embedding_model("embedding").embeddings(EmbeddingRequest(model="embedding", input=texts))
    assert [len(vector) for vector in found.vectors] == [384, 384, 384]
    assert found.usage.prompt_tokens > 9
    ranking = await registry.reranker("rerank").rerank(
        RerankRequest(model="rerank", query="sleeping cats", documents=texts, top_n=2)
    )
    assert sorted(entry.index for entry in ranking.results) == [0, 2]
    assert all(0 <= entry.relevance_score <= 1 for entry in ranking.results)
    for request, param in (
        (EmbeddingRequest(model="m", input=[[1, 2]]), "input"),
        (EmbeddingRequest(model="m", input=["a"], dimensions=5), "dimensions"),
        (EmbeddingRequest(model="m", input=["a"], extra={"truncate": True}), "truncate"),
    ):
        with pytest.raises(InvalidParameter) as caught:
            await registry.embedding_model("embedding").embeddings(request)
        assert caught.value.param == param


@pytest.mark.parametrize("name", ["..", "flash/../pro", "./x", "a/.."])
def test_a_name_does_not_leave_the_place_that_it_has_in_an_address(name):
    models = remote.RemoteModels({"gemini": ProviderSettings(api_key="k")})
    with pytest.raises(ModelNotFound, match="cannot be the name"):
        models.model("chat_model", f"gemini/{name}")


@pytest.mark.parametrize("kind", ["vertex", "bedrock", "ollama", "vllm"])
def test_no_key_is_asked_for_where_none_is_needed(kind):
    hint = remote.unconfigured(kind, []).hint
    assert f"[providers.{kind}]" in hint
    assert "api_key" not in hint
    assert "docs/providers.md" in hint
