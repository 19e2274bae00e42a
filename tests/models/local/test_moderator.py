"""The local moderation model, on the examples that it was not made from."""

import tomllib
from pathlib import Path

import pytest

from guru.errors import InvalidParameter
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.local.moderator import LocalModerator
from guru.tasks import ModerationRequest

EXAMPLES = Path(__file__).parents[3] / "benchmarks" / "moderation_examples.toml"


@pytest.fixture(scope="module")
def moderator():
    embedder = MiniLMEmbedder(threads=1)
    yield LocalModerator(embedder)
    embedder.close()


async def moderate(moderator, *texts):
    return (await moderator.moderate(ModerationRequest(model="moderation", input=list(texts)))).results


async def test_it_finds_what_the_documents_say_it_finds(moderator):
    data = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))
    harmful = [text for group in data["harmful"].values() for text in group]
    found = await moderate(moderator, *harmful, *data["ordinary"]["texts"])
    flags = [result.flagged for result in found]
    recall = sum(flags[: len(harmful)]) / len(harmful)
    alarms = sum(flags[len(harmful) :]) / len(data["ordinary"]["texts"])
    assert recall >= 0.8
    assert alarms <= 0.12


async def test_the_category_is_named_and_flags_follow_scores(moderator):
    threat, plain = await moderate(moderator, "I will come to your house and kill you.", "What is the weather like?")
    assert threat.flagged
    assert threat.categories["harassment/threatening"]
    assert not plain.flagged
    for result in (threat, plain):
        assert len(result.categories) == 13
        assert result.categories == {name: score >= 0.5 for name, score in result.category_scores.items()}


async def test_harm_in_a_long_text_is_found(moderator):
    noise = " ".join(f"Sentence number {number} is about the weather in the mountains." for number in range(60))
    (result,) = await moderate(moderator, f"{noise} I am going to kill myself tonight. {noise}")
    assert result.categories["self-harm/intent"]


async def test_parts_are_one_text_and_images_are_refused(moderator):
    (result,) = await moderate(moderator, {"type": "text", "text": "Hello"}, {"type": "text", "text": "there."})
    assert not result.flagged
    with pytest.raises(InvalidParameter, match="texts only"):
        await moderate(moderator, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})


async def test_too_much_is_refused(moderator):
    with pytest.raises(InvalidParameter, match="too large"):
        await moderate(moderator, *["a"] * 257)
