"""Sessions of the web pages: a signed cookie that stands for a key, so that no page ever holds the key itself.

The cookie names the key and says when it ends; the signature is HMAC-SHA-256 with a secret of this home. A key that
is revoked or rotated away ends its sessions at once, because the key is looked up at every request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

COOKIE = "guru_session"
LIFETIME = 12 * 3600
"""Seconds."""


class Sessions:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def in_home(cls, home: Path) -> Sessions:
        """With the secret of `home`, made when it is not there; only its owner can read it."""
        path = home / "session.key"
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = home / f".session.key.{os.getpid()}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(part, path)  # fails when another process was first: then its secret holds
        except FileExistsError:
            pass
        finally:
            part.unlink()
        return cls(path.read_bytes())

    def derive(self, purpose: bytes) -> bytes:
        """A secret of the same home for something else."""
        return hmac.digest(self._secret, b"guru " + purpose, "sha256")

    def issue(self, key_id: str, key_hash: bytes) -> str:
        """A cookie's value. It ends with the key: `key_hash` is part of what is signed."""
        claim = f"{int(time.time()) + LIFETIME}.{key_id}"
        return f"{encode(claim.encode())}.{encode(self._sign(claim, key_hash))}"

    def key_id(self, value: str) -> str | None:
        """Whom a cookie claims to stand for, and has not ended. Believe it only after `valid`."""
        ends, _, key_id = (decode(value.partition(".")[0]) or b"").decode("utf-8", "replace").partition(".")
        return key_id if ends.isdecimal() and int(ends) > time.time() else None

    def valid(self, value: str, key_hash: bytes) -> bool:
        claim, _, signature = value.partition(".")
        signed = self._sign((decode(claim) or b"").decode("utf-8", "replace"), key_hash)
        return hmac.compare_digest(signed, decode(signature) or b"")

    def _sign(self, claim: str, key_hash: bytes) -> bytes:
        return hmac.digest(self._secret, claim.encode() + b"\0" + key_hash, hashlib.sha256)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
