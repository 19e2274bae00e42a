"""How sure one can be, from 0 to 1, that the documents answer a question at all.

A calibrated logistic model over the best sentence and what of the question it, its passage and all passages leave out.
Questions made to look answerable (a name, a number or a word swapped) are the hard ones: `benchmarks/answers.md` has
the curve.
"""

from __future__ import annotations

import math
from typing import Final

from guru.knowledge.answer.evidence import Evidence, weights
from guru.knowledge.answer.features import Passage, coverage, logit
from guru.knowledge.answer.words import content, names, negated, numbers, words

_NEAR: Final = 0.5
"""Cosine under which not even the best sentence is about what was asked."""


def confidence(evidence: Evidence) -> float:
    """Estimated probability that the evidence answers its question; 0 when nothing was retrieved."""
    if not evidence.ranked:
        return 0.0
    model = weights(evidence.passages).confidence
    return 1 / (1 + math.exp(-model.score(confidence_features(evidence))))


def confidence_features(evidence: Evidence) -> dict[str, float]:
    """What the logistic model sees. `evidence.ranked` is not empty."""
    question, idf = evidence.question, evidence.idf
    probability, best = evidence.ranked[0]
    quoted = evidence.passages[evidence.quotes[0].passage]
    sentence = evidence.quotes[0].text
    is_row = evidence.quotes[0].start in quoted.tables.rows
    closest = max(candidate.features["cosine"] for _, candidate in evidence.ranked)
    title = " ".join([quoted.hit.title or "", *quoted.hit.heading_path])
    said = f"{title}. {quoted.hit.text}"
    present = set(content(said, question.language))
    everywhere = {term for _, candidate in evidence.ranked for term in candidate.terms}
    missing = sorted((idf(term) for term in question.terms - present), reverse=True)
    unsaid = sorted((idf(term) for term in question.terms - best.terms), reverse=True)
    lowered = set(words(said))
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
            "missing_names": float(bool(question.names - lowered)),
            "missing_name_share": len(question.names - lowered) / max(1, len(question.names)),
            "missing_numbers": float(bool(question.numbers - numbers(said))),
            "negation_differs": float(not is_row and question.negated != negated(sentence)),
            "question_negated": float(question.negated),
            "question_terms": float(len(question.terms)),
            "new_names": float(bool(names(sentence) - set(words(question.text)))),
        }
    )


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
