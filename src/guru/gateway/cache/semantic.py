"""Questions that were asked before, by what they mean: vectors, apart for every scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

OVERHEAD: Final = 1200
"""Bytes that a question takes besides its text and its vector, where it is the only one of its scope."""
MOST: Final = 5
"""Near questions that are looked at before it is said that none is the same."""


class Scope:
    """The questions of one tenant, model, system prompt and set of parameters."""

    __slots__ = ("keys", "places", "questions", "vectors")

    def __init__(self, dimension: int) -> None:
        import numpy as np

        self.keys: list[bytes] = []
        self.questions: list[str] = []
        self.places: dict[bytes, int] = {}
        self.vectors = np.empty((1, dimension), np.float32)  # most scopes have one question

    def add(self, key: bytes, question: str, vector: Vector) -> None:
        import numpy as np

        self.remove(key)
        place = len(self.keys)
        if place == len(self.vectors):
            room = np.empty((max(1, place // 4), self.vectors.shape[1]), np.float32)
            self.vectors = np.concatenate((self.vectors, room))
        self.vectors[place] = vector
        self.keys.append(key)
        self.questions.append(question)
        self.places[key] = place

    def remove(self, key: bytes) -> None:
        """The last one takes its place."""
        place = self.places.pop(key, None)
        if place is None:
            return
        last_key, last_question = self.keys.pop(), self.questions.pop()
        if place < len(self.keys):
            self.vectors[place] = self.vectors[len(self.keys)]
            self.keys[place], self.questions[place] = last_key, last_question
            self.places[last_key] = place

    def near(self, vector: Vector, threshold: float) -> Iterator[tuple[float, bytes, str]]:
        """(similarity, key, question) of the nearest, the best first."""
        import numpy as np

        scores = self.vectors[: len(self.keys)] @ vector
        for place in np.argsort(-scores)[:MOST]:
            if scores[place] < threshold:
                return
            yield float(scores[place]), self.keys[place], self.questions[place]


def size_of(question: str, vector: Vector) -> int:
    """Bytes of memory that a question takes in the index, at most."""
    return len(question.encode()) + vector.nbytes * 5 // 4 + OVERHEAD


class SemanticIndex:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._scopes: dict[bytes, Scope] = {}
        self._scope_of: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._scope_of)

    def add(self, scope: bytes, key: bytes, question: str, vector: Vector) -> None:
        """`vector` is a unit vector, float32."""
        found = self._scopes.get(scope)
        if found is None:
            found = self._scopes[scope] = Scope(len(vector))
        found.add(key, question, vector)
        self._scope_of[key] = scope

    def remove(self, key: bytes) -> None:
        scope = self._scope_of.pop(key, None)
        if scope is not None:
            self._scopes[scope].remove(key)
            if not self._scopes[scope].keys:
                del self._scopes[scope]

    def near(self, scope: bytes, vector: Vector, threshold: float) -> Iterator[tuple[float, bytes, str]]:
        """(similarity, key, question) of the nearest at or above `threshold`, the best first."""
        found = self._scopes.get(scope)
        return found.near(vector, threshold) if found else iter(())
