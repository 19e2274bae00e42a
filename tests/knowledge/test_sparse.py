from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge import sparse
from guru.knowledge.sparse import Statistics, Word, idf, merge_postings, read_postings, score_bm25
from guru.knowledge.terms import count_terms, hash_term, query_terms, terms

VOCABULARY = ["pump", "valve", "tea", "leaf", "leaves", "the", "P-101", "12.5", "naïve", "motor", "and"]
words = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)
passages = st.lists(st.tuples(words, words, st.booleans()), min_size=1, max_size=12)


def naive_bm25(collection, query):
    """BM25 as the formula says it, passage by passage. `collection` has (body, heading) pairs."""
    counts = [(Counter(terms(body)), Counter(terms(heading))) for body, heading in collection]
    lengths = [sum(body.values()) for body, _ in counts]
    mean = sum(lengths) / len(lengths)
    scores = [0.0] * len(collection)
    for (term,) in query_terms(query):
        having = sum(term in body or term in heading for body, heading in counts)
        idf = log(1 + (len(collection) + sparse.BACKGROUND - having + 0.5) / (having + 0.5))
        for i, (body, heading) in enumerate(counts):
            tf = body[term] + sparse.HEADING_WEIGHT * heading[term]
            length = sparse.K1 * (1 - sparse.B + sparse.B * lengths[i] / max(mean, 1e-9))
            scores[i] += idf * tf * (sparse.K1 + 1) / (tf + length) if tf else 0.0
    return scores


def weigh(stems, segments, passages):
    frequencies = [sum(int(live[postings.find(term)[0]].sum()) for postings, live in segments) for term in stems]
    return Word(stems, [idf(passages, frequency) for frequency in frequencies])


@given(passages, words, st.integers(0, 12))
def test_scores_are_those_of_the_formula_whatever_the_segments_and_the_removed(collection, query, border):
    kept = [(body, heading) for body, heading, live in collection if live]
    if not kept:
        return
    segments = []
    for part in (collection[:border], collection[border:]):
        if part:
            blobs = [count_terms(body, heading, "en").tobytes() for body, heading, _ in part]
            segments.append((read_postings(blobs), np.array([live for _, _, live in part])))
    length = sum(float(postings.lengths[live].sum()) for postings, live in segments)
    statistics = Statistics(len(kept), length / len(kept))
    weighed = [weigh([hash_term(term) for term in word], segments, len(kept)) for word in query_terms(query)]
    expected = naive_bm25(kept, query)
    found = np.concatenate(
        [s[live] for s, (_, live) in zip(score_bm25(segments, statistics, weighed), segments, strict=True)]
    )
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    merged = merge_postings(segments)
    (again,) = score_bm25([(merged, np.ones(len(kept), bool))], statistics, weighed)
    assert again == pytest.approx(expected, rel=1e-4, abs=1e-5)
