"""Identifiers: short, url-safe, unguessable, and sorted by the time they were made."""

from __future__ import annotations

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that reads like something else


def new_id(prefix: str) -> str:
    """`prefix_` and 22 characters: 10 of milliseconds since 1970, 12 (60 bits) random, as in ULID."""
    value = (int(time.time() * 1000) << 60) | secrets.randbits(60)
    digits = [ALPHABET[(value >> shift) & 31] for shift in range(105, -5, -5)]
    return f"{prefix}_{''.join(digits)}"
