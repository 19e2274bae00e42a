from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.knowledge import sparse
from guru.knowledge.sparse import Statistics, Word, best_rows, idf, merge_postings, norms, read_postings, score_rows
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
    found = [
        score_rows(postings, norms(postings.lengths, statistics), weighed, np.arange(len(live)))[live]
        for postings, live in segments
    ]
    assert np.concatenate(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    merged = merge_postings(segments)
    divisors = norms(merged.lengths, statistics)
    again = score_rows(merged, divisors, weighed, np.arange(len(kept)))
    assert again == pytest.approx(expected, rel=1e-4, abs=1e-5)
    eligible = np.arange(len(kept)) % 3 > 0
    for mask in (None, eligible):
        rows, best = best_rows(merged, divisors, weighed, 4, mask)
        possible = sorted(
            (score for n, score in enumerate(again) if score > 0 and (mask is None or mask[n])), reverse=True
        )
        assert sorted(best.tolist(), reverse=True) == possible[:4]
        assert best.tolist() == again[rows].tolist()


def test_the_best_are_exact_when_common_words_are_looked_up_for_few_rows_only(monkeypatch):
    """As with every word: rare words decide who may be among the best, and the common ones are added for those."""
    random = np.random.default_rng(0)
    vocabulary = [f"w{n}" for n in range(200)]
    chances = 1 / np.arange(1, 201)
    texts = [" ".join(random.choice(vocabulary, 30, p=chances / chances.sum())) for _ in range(2000)]
    postings = read_postings([count_terms(text, "", "en").tobytes() for text in texts])
    divisors = norms(postings.lengths, Statistics(2000, float(postings.lengths.mean())))
    looked_up: list[int] = []
    monkeypatch.setattr(sparse, "score_rows", lambda *given: looked_up.append(len(given[3])) or score_rows(*given))
    for seed in range(60):
        asked = np.random.default_rng(seed).choice(200, 4, replace=False)
        words = []
        for number in asked.tolist():
            term = hash_term(terms(f"w{number}")[0])
            words.append(Word([term], [idf(2000, len(postings.find(term)[0]))]))
        monkeypatch.setattr(sparse, "FEW", 10**9)
        rows, scores = best_rows(postings, divisors, words, 10)
        every = score_rows(postings, divisors, words, np.arange(2000))
        assert sorted(scores.tolist()) == np.sort(every[every > 0])[-10:].tolist()
        monkeypatch.setattr(sparse, "FEW", 0)
        again, same = best_rows(postings, divisors, words, 10)
        assert (again.tolist(), same.tolist()) == (rows.tolist(), scores.tolist())
    assert sum(count > 10 for count in looked_up) > 5  # more than are wanted: the common words were left for later
