"""Extractive summaries: the most central sentences of a text, in its own words.

Erkan and Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization" (2004), on the vectors of
the sentences that are stored already. The walk begins anew where a sentence is near to the whole or near to the
beginning, as in MEAD (Radev, Jing, Styś and Tam, "Centroid-based summarization of multiple documents", 2004). Chosen by
maximal marginal relevance, so that no two say the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.knowledge.answer.orders import gives_orders
from guru.knowledge.diversity import diversify
from guru.knowledge.rows import pack_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 2_000
"""Sentences that are compared with each other; of more, every second, third ... one."""
DAMPING: Final = 0.6
ROUNDS: Final = 60
DIVERSITY: Final = 0.4
POOL: Final = 12
"""For each sentence that is wanted, so many of the most central are looked at for what they add."""
SHORTEST: Final = 5
LONGEST: Final = 60
"""Words of a sentence that can stand in a summary."""
_ENDS: Final = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")
_HEADING: Final = re.compile(r"\s*(?:#{1,6}\s|\||```|~~~|[-*+•]\s)")
_LEANS: Final = re.compile(
    r"(?:He|She|It|They|This|These|Those|His|Her|Its|Their|Such|Another|Other|Others|Here|There|However|Thereafter|Then|"
    r"Therefore|Thus|Also|And|But|So|Or|Instead|Moreover|Furthermore|Additionally|Similarly|Likewise|Meanwhile|Later|"
    r"Afterwards?|Consequently|Nevertheless|Nonetheless|Hence|Finally|In (?:addition|contrast|turn|particular)|"
    r"For (?:example|instance|this)|As (?:such|a result)|On the other hand|Er|Sie|Es|Dies\w*|Dazu|Dabei|Damit|Dadurch|"
    r"Daher|Deshalb|Jedoch|Außerdem|Zudem|Auch|Il|Elle|Ils|Elles|Cela|Ceci|Cependant)\b"
)
"""How a sentence begins that is not understood without the one before it."""
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]")


class Sentence(Struct, frozen=True):
    """`text` stands at `[start, end)` of the stored text of a document."""

    document: str
    """The id."""
    page: int | None
    start: int
    end: int
    text: str


def choose_sentences(sentences: Sequence[Sentence], vectors: NDArray[Any], count: int) -> list[int]:
    """The places of the `count` sentences that say most of what all say, the most central first.

    `vectors` are of unit length, one for each sentence. Headings, rows of tables and fragments are taken only where
    there is nothing else; what gives orders to a model never is.
    """
    import numpy as np

    allowed = [place for place, sentence in enumerate(sentences) if not gives_orders(sentence.text)]
    places = [place for place in allowed if stands_alone(sentences[place].text)]
    if len(places) < count:
        places = allowed
    if len(places) > MOST:
        places = places[:: -(-len(places) // MOST)]
    if not places:
        return []
    mine = vectors[places].astype(np.float32)
    middle = mine.mean(axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-9)
    # The most central first; what it is worth beside what it repeats is told by its cosine with the whole.
    prior = np.maximum(mine @ middle, 0) ** 2 * (1 + lead(len(places)))
    order = np.lexsort((np.arange(len(places)), -centrality(mine, prior)))[: max(count * POOL, count)]
    chosen, _, _ = diversify(mine[order] @ middle, pack_vectors(mine[order]), count, DIVERSITY)
    return [places[int(order[place])] for place in chosen]


def lead(count: int) -> NDArray[Any]:
    """From 1 for the first sentence down to nearly nothing after the first twentieth, or the first four."""
    import numpy as np

    return np.exp(-np.arange(count) / max(2.0, count / 40))


def centrality(vectors: NDArray[Any], prior: NDArray[Any]) -> NDArray[Any]:
    """LexRank: how likely a reader who goes from sentence to similar sentence is at each, shape (n,).

    `prior` says where the reader begins, and sometimes begins anew.
    """
    import numpy as np

    n = len(vectors)
    if n < 3 or not prior.sum():
        return np.asarray(prior)
    prior = prior / prior.sum()
    near = vectors @ vectors.T
    np.fill_diagonal(near, 0)
    # What any two sentences of the text have in common is no reason to go from one to the other.
    near = np.maximum(near - near.sum() / (n * (n - 1)), 0)
    total = near.sum(axis=1, keepdims=True)
    step = np.where(total > 0, near / np.maximum(total, 1e-12), prior)
    rank = prior
    for _ in range(ROUNDS):
        fresh = (1 - DAMPING) * prior + DAMPING * (rank @ step)
        if np.abs(fresh - rank).sum() < 1e-9:
            break
        rank = fresh
    return np.asarray(rank)


def stands_alone(text: str) -> bool:
    """Whether a text is a whole sentence of prose, of a readable length, that can be understood by itself."""
    if _HEADING.match(text) or "\t" in text or " | " in text or not _ENDS.search(text) or _LEANS.match(text):
        return False
    words = len(_UNSPACED.findall(text)) // 2 + len(_UNSPACED.sub(" ", text).split())
    return SHORTEST <= words <= LONGEST
