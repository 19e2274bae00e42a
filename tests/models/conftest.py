"""What the tests of models share: the real default model, fetched once per machine."""

import asyncio
import os
from pathlib import Path

import pytest

from guru.models.store import ModelStore


@pytest.fixture(scope="session")
def model_home():
    """A home in which SmolLM2-135M is installed, kept between runs in `GURU_TEST_MODELS` or the user's cache."""
    home = Path(os.environ.get("GURU_TEST_MODELS") or Path.home() / ".cache" / "guru-tests")
    asyncio.run(ModelStore(home).pull("smollm2-135m"))
    return home


@pytest.fixture(scope="session")
def smollm(model_home):
    """The path of the default chat model."""
    return ModelStore(model_home).path("smollm2-135m")
