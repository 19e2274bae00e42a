"""Moderation without a model of its own: texts are compared with sentences of each category of harm.

The embedder that is here anyway says how near a text is to them, and to ordinary sentences with the same words; a short
list of words settles what is plain. This finds blatant harm in English and misses the subtle: benchmarks/moderation.py
measures it. The categories are OpenAI's: https://platform.openai.com/docs/guides/moderation.
"""

from __future__ import annotations

import asyncio
import functools
import math
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guru.errors import InvalidParameter
from guru.models.local.reranker import windows
from guru.protocols import Embedder
from guru.tasks import Moderation, ModerationRequest, Moderations
from guru.types import Usage

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME: Final = "local/moderation"
FILE: Final = Path(__file__).with_name("moderation.toml")
WEIGHTS: Final = (-3.6, 6.0, 8.0)
"""Of 1, the nearness to a category, and how much nearer it is than anything ordinary, in a logistic function."""
THRESHOLD: Final = 0.5
MAX_TEXTS: Final = 256
MAX_CHARACTERS: Final = 1 << 20


class LocalModerator:
    """Implements `guru.tasks.Moderator`."""

    name = NAME

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: tuple[NDArray[Any], NDArray[Any], list[str]] | None = None

    async def moderate(self, request: ModerationRequest) -> Moderations:
        """Raises `InvalidParameter` for images, and for more than it can read at once."""
        texts = to_texts(request)
        pieces = [[text, *windows(text)] for text in texts]
        flat = [piece for group in pieces for piece in group]
        features = await self.features(flat)
        results, place = [], 0
        for text, group in zip(texts, pieces, strict=True):
            scores = [self.scores(row) for row in features[place : place + len(group)]]
            place += len(group)
            worst = {category: max(score[category] for score in scores) for category in scores[0]}
            results.append(to_moderation(worst | spelled_out(text, worst)))
        tokens = await asyncio.to_thread(lambda: sum(map(self._embedder.count_tokens, flat)))
        return Moderations(model=self.name, results=results, usage=Usage(prompt_tokens=tokens))

    async def features(self, texts: list[str]) -> list[dict[str, tuple[float, float]]]:
        """For each text and category: the nearness to it (-1 to 1), and to it more than to anything ordinary."""
        harmful, ordinary, labels = await self._examples()
        vectors = await self._embedder.embed(texts)
        near, far = vectors @ harmful.T, (vectors @ ordinary.T).max(axis=1)
        rows = []
        for row, plain in zip(near.tolist(), far.tolist(), strict=True):
            best: dict[str, float] = {}
            for label, value in zip(labels, row, strict=True):
                best[label] = max(best.get(label, -1.0), value)
            rows.append({label: (value, value - plain) for label, value in best.items()})
        return rows

    @staticmethod
    def scores(features: dict[str, tuple[float, float]]) -> dict[str, float]:
        bias, near, nearer = WEIGHTS
        return {
            category: 1 / (1 + math.exp(-(bias + near * value + nearer * more)))
            for category, (value, more) in features.items()
        }

    async def _examples(self) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
        """Vectors of the harmful sentences with their categories, and of the ordinary ones; made once."""
        if self._known is None:
            data = load_examples()
            labels = [category for category, texts in data["harmful"].items() for _ in texts]
            texts = [text for group in data["harmful"].values() for text in group]
            harmful = await self._embedder.embed(texts)
            self._known = harmful, await self._embedder.embed(data["ordinary"]["texts"]), labels
        return self._known


@functools.cache
def load_examples() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def word_patterns() -> dict[str, re.Pattern[str]]:
    words: dict[str, list[str]] = load_examples()["words"]
    return {
        category: re.compile(r"\b(?:" + "|".join(map(re.escape, group)) + r")\b", re.IGNORECASE)
        for category, group in words.items()
    }


def spelled_out(text: str, scores: dict[str, float]) -> dict[str, float]:
    """The scores of categories whose words stand in the text."""
    return {name: max(scores[name], 0.9) for name, pattern in word_patterns().items() if pattern.search(text)}


def to_moderation(scores: dict[str, float]) -> Moderation:
    categories = {category: score >= THRESHOLD for category, score in scores.items()}
    return Moderation(any(categories.values()), categories, {name: round(score, 6) for name, score in scores.items()})


def to_texts(request: ModerationRequest) -> list[str]:
    """The texts; one input of several parts is one text. Raises `InvalidParameter`."""
    for name in request.extra:
        raise InvalidParameter(f"`{name}` means nothing to {NAME}.", param=name, hint="Leave it out.")
    texts = [item for item in request.input if isinstance(item, str)]
    if not texts:
        for part in request.input:
            if not isinstance(part, dict) or not isinstance(part.get("text"), str):
                message = f"{NAME} reads texts only."
                raise InvalidParameter(message, param="input", hint="Use a provider's model for images.")
        texts = ["\n".join(part["text"] for part in request.input)]
    if len(texts) > MAX_TEXTS or sum(map(len, texts)) > MAX_CHARACTERS:
        hint = f"Send at most {MAX_TEXTS} texts with {MAX_CHARACTERS} characters together."
        raise InvalidParameter("`input` is too large.", param="input", hint=hint)
    return texts
