"""How sure one can be, from 0 to 1, that the documents answer a question at all.

A calibrated logistic model over the best sentence and what of the question it, its passage and all passages leave out.
Questions made to look answerable (a name, a number or a word swapped) are the hard ones: `benchmarks/answers.md` has
the curve.
"""

from __future__ import annotations

import math
from typing import Final

from guru.knowledge.answer.about import document_words
from guru.knowledge.answer.evidence import Evidence, weights
from guru.knowledge.answer.features import Passage, coverage
from guru.knowledge.answer.periods import period_of
from guru.knowledge.answer.words import content, known_names, names, negated, numbers, words
from guru.knowledge.odds import logit, probability

_NEAR: Final = 0.5
"""Cosine under which not even the best sentence is about what was asked."""


def confidence(evidence: Evidence) -> float:
    """Estimated probability that the evidence answers its question; 0 when nothing was retrieved."""
    if not evidence.ranked:
        return 0.0
    model = weights(evidence.passages).confidence
    return probability(model.score(confidence_features(evidence)))


def confidence_features(evidence: Evidence) -> dict[str, float]:
    """What the logistic model sees. `evidence.ranked` is not empty."""
    question, idf = evidence.question, evidence.idf
    probability, best = evidence.ranked[0]
    quoted = evidence.passages[evidence.quotes[0].passage]
    sentence = evidence.quotes[0].text
    is_row = evidence.quotes[0].start in quoted.tables.rows
    closest = max(candidate.features["cosine"] for _, candidate in evidence.ranked)
    said = f"{_around(quoted, evidence.quotes[0].start)}. {quoted.hit.text}"
    present = set(content(said, question.language))
    everywhere = {term for _, candidate in evidence.ranked for term in candidate.terms}
    missing = sorted((idf(term) for term in question.terms - present), reverse=True)
    unsaid = sorted((idf(term) for term in question.terms - best.terms), reverse=True)
    known = known_names(said)
    unknown = {name for name in question.names - known if not set(content(name, question.language)) <= present}
    return (
        best.features
        | _reader_features(evidence, quoted)
        | {
            "score": weights(evidence.passages).sentence.score(best.features),
            "log_probability": math.log(max(probability, 1e-6)),
            "best_cosine": closest,
            "distance": max(0.0, _NEAR - closest),
            "missing_most": missing[0] if missing else 0.0,
            "missing_sum": sum(missing),
            "missing_count": float(len(missing)),
            "unsaid_most": unsaid[0] if unsaid else 0.0,
            "covered_anywhere": coverage(question.terms, everywhere, idf),
            "missing_names": float(bool(unknown)),
            "missing_name_share": len(unknown) / max(1, len(question.names)),
            "missing_numbers": float(bool(question.numbers - numbers(said))),
            "row_wrong_period": max(0.0, -best.features["row_period"]),
            "missing_years": float(bool(period_of(question.text).years - period_of(said).years)),
            "negation_differs": float(not is_row and question.negated != negated(sentence)),
            "question_negated": float(question.negated),
            "question_terms": float(len(question.terms)),
            "new_names": float(bool(names(sentence) - set(words(question.text)))),
        }
    )


def _around(passage: Passage, start: int) -> str:
    """What the passage stands under, and what is told of the row of a table that is quoted: its columns and labels."""
    hit, row = passage.hit, passage.tables.row(start)
    names = [*row.names, *row.labels, row.caption] if row else []
    return " ".join([hit.title or "", *hit.heading_path, document_words(hit), *names])


def _reader_features(evidence: Evidence, quoted: Passage) -> dict[str, float]:
    """What the reader says of the passage that is quoted, and of the one that it likes best; nothing without it."""
    read = [passage.reading for passage in evidence.passages if passage.reading is not None]
    if not read or quoted.reading is None:
        return {}
    return {
        "reader_quoted_here": logit(quoted.reading.here),
        "reader_best_here": max(logit(reading.here) for reading in read),
        "reader_best_relevance": max(logit(reading.relevance) for reading in read),
    }
