"""Identifiers: short, url-safe, unguessable, and sorted by the time they were made."""

from __future__ import annotations

import time
from os import urandom

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that reads like something else


PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
SHIFTS = range(100, -1, -10)


def new_id(prefix: str) -> str:
    """`prefix_` and 22 characters: 10 of milliseconds since 1970, 12 (60 bits) random, as in ULID."""
    value = (int(time.time() * 1000) << 60) | int.from_bytes(urandom(8)) >> 4
    return f"{prefix}_{''.join([PAIRS[(value >> shift) & 1023] for shift in SHIFTS])}"
