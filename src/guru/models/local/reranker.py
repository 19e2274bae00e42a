"""A reranker without a model of its own, but an embedder: how near a passage is to a query, by meaning and by words.

It is a bi-encoder: query and passage are read apart. `reader_reranker.py` has a cross-encoder, which reads them
together, beside it. The score is calibrated: of passages with 0.7, about seven in ten answer the query
(benchmarks/rerank.py fits and measures it).
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from guru.errors import InvalidParameter
from guru.protocols import Embedder
from guru.tasks import Ranked, Ranking, RerankRequest
from guru.types import Usage

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_DOCUMENTS: Final = 1000
MAX_CHARACTERS: Final = 4 << 20
WINDOW: Final = 40
"""Words of the pieces that a passage is looked at in, besides as a whole."""
WEIGHTS: Final = (-7.96, -1.42, 8.59, 7.17)
"""Of a logistic regression on 1 and `FEATURES`. A passage near as a whole, with no piece that is, says little."""
FEATURES: Final = ("whole", "best_piece", "words")
WORD: Final = re.compile(r"\w+")
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_STOP_WORDS: Final = """
a about an and any are as at be been but by can could did do does for from had has have he her his how i if in into is
it its many me much my no not of on or our she so that the their them there these they this to us was we were what when
where which while who whom whose why will with would you your
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())


class LocalReranker:
    """Implements `guru.tasks.Reranker`, by the name of the embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self._embedder = embedder

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Raises `InvalidParameter` for more than it can read at once, and for fields that it does not know."""
        return await ranking(self.name, request, self._embedder.token_offsets, self.features, WEIGHTS)

    async def features(self, query: str, documents: Sequence[str]) -> tuple[list[tuple[float, ...]], int]:
        """`FEATURES` of every document, 0 to 1, and the tokens that were read."""
        pieces = [windows(document) for document in documents]
        texts = [query, *documents, *(piece for group in pieces for piece in group)]
        vectors = await self._embedder.embed(texts)
        return await asyncio.to_thread(self._features, query, documents, pieces, vectors)

    def _features(
        self, query: str, documents: Sequence[str], pieces: list[list[str]], vectors: NDArray[Any]
    ) -> tuple[list[tuple[float, ...]], int]:
        near = (vectors[1:] @ vectors[0]).tolist()
        overlap = word_overlap(query, documents)
        rows: list[tuple[float, ...]] = []
        place = len(documents)
        for index, group in enumerate(pieces):
            best = max([near[index], *near[place : place + len(group)]])
            place += len(group)
            rows.append((near[index], best, overlap[index]))
        count = self._embedder.count_tokens
        return rows, sum(map(count, documents)) + count(query) * len(documents)


Features = Callable[[str, Sequence[str]], Awaitable[tuple[list[tuple[float, ...]], int]]]
"""Of a query with each of some documents, and the tokens that were read for them."""


async def ranking(
    name: str,
    request: RerankRequest,
    token_offsets: Callable[[str], Sequence[tuple[int, int]]],
    features: Features,
    weights: Sequence[float],
) -> Ranking:
    """The documents in the order of their scores. Raises `InvalidParameter`."""
    check(request, name)
    documents = await asyncio.to_thread(cut, request, token_offsets)
    rows, tokens = await features(request.query, documents)
    scores = [score(row, weights) for row in rows]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top_n]
    results = [Ranked(index, round(scores[index], 6)) for index in order]
    return Ranking(model=name, results=results, usage=Usage(prompt_tokens=tokens), calibrated=True)


def check(request: RerankRequest, name: str) -> None:
    for field in request.extra:
        raise InvalidParameter(f"{name} has no parameter `{field}`.", param=field, hint="Leave it out.")
    size = sum(map(len, request.documents))
    if len(request.documents) > MAX_DOCUMENTS or size > MAX_CHARACTERS:
        message = f"{len(request.documents)} documents with {size} characters are too many at once."
        hint = f"Send at most {MAX_DOCUMENTS} documents with {MAX_CHARACTERS} characters together."
        raise InvalidParameter(message, param="documents", hint=hint)


def cut(request: RerankRequest, token_offsets: Callable[[str], Sequence[tuple[int, int]]]) -> list[str]:
    """The documents, each at most `max_tokens_per_doc` tokens long."""
    limit = request.max_tokens_per_doc
    if limit is None:
        return request.documents
    kept: list[str] = []
    for document in request.documents:
        offsets = token_offsets(document)
        kept.append(document if len(offsets) <= limit else document[: offsets[limit - 1][1]])
    return kept


def score(features: Sequence[float], fitted: Sequence[float]) -> float:
    """The calibrated score, 0 to 1."""
    bias, *weights = fitted
    total = bias + sum(weight * value for weight, value in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-total))


def windows(text: str) -> list[str]:
    """A passage in pieces of whole sentences, about `WINDOW` words each; none where it is no longer than one."""
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for sentence in SENTENCE_END.split(text):
        words = sentence.split()
        # A "sentence" without an end, as in a table, is cut by words.
        for start in range(0, len(words), WINDOW):
            part = words[start : start + WINDOW]
            if piece and size + len(part) > WINDOW:
                pieces.append(" ".join(piece))
                piece, size = [], 0
            piece += part
            size += len(part)
    if piece:
        pieces.append(" ".join(piece))
    return pieces if len(pieces) > 1 else []


def word_overlap(query: str, documents: Sequence[str]) -> list[float]:
    """The share of the query's words that each document has; words that fewer documents have count more."""
    asked = terms(query)
    found = [asked & terms(document) for document in documents]
    weights = {
        word: math.log(1 + (len(documents) + 1) / (sum(word in words for words in found) + 0.5)) for word in asked
    }
    total = sum(weights.values()) or 1.0
    return [sum(weights[word] for word in words) / total for words in found]


def terms(text: str) -> set[str]:
    words = (word for word in WORD.findall(text.lower()) if word not in STOP_WORDS)
    return {stem(word) for word in words}


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    return str(stemmer().stemWord(word))


@lru_cache(maxsize=1)
def stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
