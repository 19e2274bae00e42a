"""A query, as every stage wants it: its vector, its words, its pairs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.knowledge.index.base import Snapshot
from guru.knowledge.rows import StoredSentences, short_hash
from guru.knowledge.sparse import Word, idf
from guru.knowledge.terms import hash_term, query_pairs, query_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIR_WEIGHT: Final = 0.5
"""How much two words side by side, as in the query, count beside the mean of the two words."""


class Query(Struct, frozen=True):
    """A query, read for one state of a collection."""

    text: str
    vector: Any
    """Float32, unit length."""
    words: list[Word]
    """Without stop words, unless there are no others."""
    pairs: list[tuple[int, int]]
    """Neighbours in the query, hashed, of which at least one is no stop word."""

    @property
    def idf(self) -> float:
        """Of all its words: what scores are shares of."""
        return max(sum(word.idf for word in self.words), 1e-9)


def read_query(text: str, vector: NDArray[Any], snapshot: Snapshot) -> Query:
    """Take a query apart."""
    hashes = [[hash_term(term) for term in stems] for stems in query_terms(text, snapshot.languages)]
    pairs = {
        (hash_term(first), hash_term(second)): None
        for language in sorted(snapshot.languages)
        for first, second in query_pairs(text, language)
    }
    return Query(text=text, vector=vector, words=weigh(snapshot, hashes), pairs=list(pairs))


def weigh(snapshot: Snapshot, words: Sequence[Sequence[int]]) -> list[Word]:
    """The words of a query, given as hashes of their stems, with what they tell in this collection."""
    terms = list(dict.fromkeys(term for word in words for term in word))
    found = dict(zip(terms, snapshot.frequencies(terms), strict=True))
    passages = snapshot.statistics.passages
    return [Word(list(word), [idf(passages, found[term]) for term in word]) for word in words]


def coverage(query: Query, sentences: StoredSentences) -> NDArray[Any]:
    """For every sentence the share of the query's idf that it has, float32.

    A pair of words that stands in the sentence as it does in the query adds to that: 0 is nothing in common, 1 is
    every word, a quoted query has more.
    """
    import numpy as np

    found = np.zeros(len(sentences.spans), np.float32)
    unique = {tuple(word.terms): word for word in query.words}.values()
    known = {term: word.idf for word in unique for term in word.terms}
    for word in unique:
        has = np.zeros(len(found), bool)
        for term in word.terms:
            has[sentences.sentence_of_term[sentences.terms == short_hash(term)]] = True
        found += np.float32(word.idf) * has
    inside = sentences.sentence_of_term[1:] == sentences.sentence_of_term[:-1]
    for first, second in query.pairs:
        here = inside & (sentences.terms[:-1] == short_hash(first)) & (sentences.terms[1:] == short_hash(second))
        if here.any():
            has = np.zeros(len(found), bool)
            has[sentences.sentence_of_term[1:][here]] = True
            found += np.float32(PAIR_WEIGHT * (known.get(first, 0.0) + known.get(second, 0.0)) / 2) * has
    return found / np.float32(max(sum(word.idf for word in unique), 1e-9))
