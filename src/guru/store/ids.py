"""Identifiers: short, url-safe, unguessable, and sorted by the time they were made."""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that reads like something else
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
DIGITS = bytes(ord(ALPHABET[value & 31]) for value in range(256))
RANDOM = 12
"""Characters that nobody can guess: 60 bits."""
RESERVE = 256
"""Random parts that are fetched from the kernel at once: each journey there takes as long as making an id."""

_random: list[str] = []
os.register_at_fork(after_in_child=_random.clear)


def new_id(prefix: str) -> str:
    """`prefix_` and 22 characters: 10 of milliseconds since 1970, 12 (60 bits) random, as in ULID."""
    try:
        random = _random.pop()  # one step, so that threads never get the same
    except IndexError:
        text = os.urandom(RANDOM * RESERVE).translate(DIGITS).decode()
        random, *rest = [text[start : start + RANDOM] for start in range(0, len(text), RANDOM)]
        _random.extend(rest)
    at, pairs = int(time.time() * 1000), PAIRS
    high, low = divmod(at, 1 << 20)
    return (
        f"{prefix}_{pairs[high >> 20]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{pairs[low >> 10]}"
        f"{pairs[low & 1023]}{random}"
    )
