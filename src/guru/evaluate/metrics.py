"""What a ranking is worth, between 0 and 1. Pure functions of which hits are right.

A question has needs: places of which each must be found once (most questions have one). `found` says of every hit,
best first, which needs it meets; it is empty for a hit that is wrong. Passages overlap, so two hits may meet the same
need: both are right, but the second brings nothing new. Definitions: C. Manning, P. Raghavan, H. Schuetze,
"Introduction to Information Retrieval", 2008, chapter 8; nDCG: K. Jarvelin, J. Kekalainen, 2002,
https://doi.org/10.1145/582415.582418.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Found = Sequence[frozenset[int]]


def precision(found: Found, k: int) -> float:
    """Share of right hits among the first `k`; a place that stayed empty counts as wrong."""
    return sum(1 for met in found[:k] if met) / k


def recall(found: Found, needs: int, k: int) -> float:
    """Share of the needs that the first `k` hits meet."""
    return len(frozenset().union(*found[:k])) / needs


def hit(found: Found, k: int) -> float:
    """1 when any of the first `k` hits is right."""
    return float(any(found[:k]))


def reciprocal_rank(found: Found, k: int) -> float:
    """1 / rank of the first right hit; 0 when none is among the first `k`."""
    return next((1 / rank for rank, met in enumerate(found[:k], start=1) if met), 0.0)


def ndcg(found: Found, needs: int, k: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1, where a need is gained once.

    A hit that meets two needs gains the second one as if it stood one rank lower, so that nothing exceeds the ideal
    ranking: one need at each of the first ranks.
    """
    gained = 0.0
    for place, rank in enumerate(first_ranks(found), start=1):
        position = max(place, rank)
        if position <= k:
            gained += 1 / math.log2(1 + position)
    return gained / sum(1 / math.log2(1 + place) for place in range(1, min(needs, k) + 1))


def first_ranks(found: Found) -> list[int]:
    """For every need that is met at all, the rank of the first hit that meets it, ascending."""
    ranks: dict[int, int] = {}
    for rank, met in enumerate(found, start=1):
        for need in met:
            ranks.setdefault(need, rank)
    return sorted(ranks.values())


def context_precision(right: Sequence[bool]) -> float:
    """Ragas's context precision: the mean, over the right passages, of the precision at their ranks.

    It is 1 when every right passage stands before every wrong one, and 0 when none is right.
    """
    total = correct = 0.0
    for rank, is_right in enumerate(right, start=1):
        if is_right:
            correct += 1
            total += correct / rank
    return total / correct if correct else 0.0
