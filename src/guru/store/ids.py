"""Identifiers: short, url-safe, unguessable, and sorted by the time they were made."""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that reads like something else
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
RESERVE = 2048
"""Random bytes that are fetched from the kernel at once: each journey there takes as long as making an id."""

_random: list[int] = []
os.register_at_fork(after_in_child=_random.clear)


def new_id(prefix: str) -> str:
    """`prefix_` and 22 characters: 10 of milliseconds since 1970, 12 (60 bits) random, as in ULID."""
    try:
        bits = _random.pop()  # one step, so that threads never get the same
    except IndexError:
        _random.extend(memoryview(os.urandom(RESERVE)).cast("Q"))
        bits = _random.pop()
    at, pairs = int(time.time() * 1000), PAIRS
    return (
        f"{prefix}_{pairs[at >> 40]}{pairs[at >> 30 & 1023]}{pairs[at >> 20 & 1023]}{pairs[at >> 10 & 1023]}"
        f"{pairs[at & 1023]}{pairs[bits >> 54]}{pairs[bits >> 44 & 1023]}{pairs[bits >> 34 & 1023]}"
        f"{pairs[bits >> 24 & 1023]}{pairs[bits >> 14 & 1023]}{pairs[bits >> 4 & 1023]}"
    )
