"""API keys: how they are made, and how they are recognised.

A key has 256 random bits, so its plain SHA-256 says nothing about it: there is no dictionary to try. A slow hash
(bcrypt, argon2) protects what people choose and remember; here it would cost every request milliseconds for nothing.
A key is looked up by its hash. How long that takes may depend on the hash, which an attacker cannot steer towards a
known one, and never on the key.
"""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "sk-guru-"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 43
"""Digits of base 62 that 32 bytes take."""
SHOWN = len(PREFIX) + 4


def new_key() -> str:
    """`sk-guru-` and 32 random bytes in base 62."""
    value, digits = int.from_bytes(secrets.token_bytes(32)), []
    for _ in range(LENGTH):
        value, digit = divmod(value, 62)
        digits.append(DIGITS[digit])
    return PREFIX + "".join(reversed(digits))


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def shown(key: str) -> str:
    """The beginning of a key, for lists: enough to tell keys apart, nothing to call with."""
    return f"{key[:SHOWN]}…" if key.startswith(PREFIX) else "…"
