"""Models by name and alias."""

import subprocess
import sys

import pytest

from guru.config import AliasSettings, Deployment, Settings
from guru.errors import InvalidParameter, ModelNotFound
from guru.models.registry import ModelRegistry
from guru.types import ChatRequest, Message


@pytest.fixture
async def registry(model_home):
    registry = ModelRegistry(model_home)
    yield registry
    await registry.aclose()


async def test_the_default_model_answers_under_all_its_names(registry):
    model = registry.chat_model("default")
    assert model is registry.chat_model("local/smollm2-135m") is registry.chat_model("smollm2-135m")
    request = ChatRequest(model="default", messages=[Message("user", "Hi")], max_tokens=2)
    events = [event async for event in model.chat(request)]
    assert events[-1].model == "local/smollm2-135m"
    (status,) = [status for status in registry.status() if "default" in status.aliases]
    assert (status.name, status.status) == ("local/smollm2-135m", "ready")


async def test_the_embedder_comes_with_the_program(registry):
    assert (await registry.embedder("embedding").embed(["hello"])).shape == (1, 384)
    assert registry.embedder("local/all-minilm-l6-v2") is registry.embedder("embedding")


async def test_a_wrong_name_gets_the_nearest_one(registry):
    with pytest.raises(ModelNotFound) as caught:
        registry.chat_model("local/smollm-135m")
    assert "local/smollm2-135m" in caught.value.hint
    assert caught.value.param == "model"


async def test_a_model_that_is_not_here_says_how_to_get_it(registry):
    with pytest.raises(ModelNotFound, match="not installed") as caught:
        registry.chat_model("local/qwen3-4b")
    assert "guru models pull qwen3-4b" in caught.value.hint


async def test_a_model_of_the_wrong_kind_is_refused(registry):
    with pytest.raises(InvalidParameter):
        registry.chat_model("embedding")
    with pytest.raises(InvalidParameter):
        registry.embedder("default")


async def test_settings_name_further_aliases(model_home):
    settings = Settings(models={"small": AliasSettings(deployments=[Deployment(model="local/smollm2-135m")])})
    registry = ModelRegistry(model_home, settings)
    assert registry.chat_model("small").name == "local/smollm2-135m"
    await registry.aclose()


def test_importing_the_registry_loads_nothing_heavy():
    heavy = ["onnxruntime", "xllamacpp", "tokenizers", "numpy.linalg", "aiohttp", "psutil"]
    code = f"import sys, guru.models.registry; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.strip("[]\n").replace("'", "").split(", ")) <= {"", "numpy.linalg"}
