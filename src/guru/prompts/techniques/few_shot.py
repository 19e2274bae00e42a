"""Few-shot: examples, as turns before the last message of the user (Brown et al. 2020, arXiv:2005.14165).

Those nearest in meaning to what is asked help most, the nearest one last (Liu et al. 2021, arXiv:2101.06804).
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, Literal

from guru.protocols import Embedder
from guru.types import Message

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT: Final = 32
"""Versions whose examples' vectors are kept: of a thousand examples each, some 50 MB."""
Shown = tuple[Message, Message]
"""What the user says in an example, and the answer."""


def apply(messages: list[Message], examples: list[Shown]) -> list[Message]:
    place = last_user(messages)
    return [*messages[:place], *(message for pair in examples for message in pair), *messages[place:]]


def last_user(messages: list[Message]) -> int:
    """Where the last message of the user stands; the end where there is none."""
    return next((place for place in reversed(range(len(messages))) if messages[place].role == "user"), len(messages))


def in_order(total: int, choose: Literal["all", "first", "random"], count: int, seed: int) -> list[int]:
    """The numbers of the examples that are shown, in their order."""
    if choose == "all" or count >= total:
        return list(range(total))
    if choose == "first":
        return list(range(count))
    return sorted(random.Random(seed).sample(range(total), count))


class Nearest:
    """Chooses examples by meaning. Their vectors are made once for each version, and kept for the last ones."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()

    async def choose(self, query: str, texts: list[str], count: int, key: Hashable) -> list[int]:
        """The numbers of the texts that are nearest in meaning to `query`, the nearest last.

        `key` stands for the texts: the same key has the same ones.
        """
        vectors = self._kept.get(key)
        if vectors is None:
            vectors = await self._embedder.embed(texts)
            self._kept[key] = vectors
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        (asked,) = await self._embedder.embed([query])
        likeness = vectors @ asked
        best = sorted(range(len(texts)), key=lambda number: (-float(likeness[number]), number))[:count]
        return best[::-1]
