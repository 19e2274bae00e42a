"""Headers, in both directions.

Specification: https://www.rfc-editor.org/rfc/rfc9110#section-5
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from guru import __version__
from guru.errors import BadRequest

Raw = list[tuple[bytes, bytes]]
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
OURS = {"connection", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer", "expect"}
"""What says how the bytes travel is the client's own affair."""
BODILESS = {"GET", "HEAD", "DELETE", "OPTIONS"}


class Headers:
    """The headers of an answer. Names are compared without case; a repeated header is joined with commas."""

    __slots__ = ("_known", "_raw")

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._known: dict[str, str] | None = None

    def get(self, name: str) -> str | None:
        known = self._known
        if known is None:
            known = self._known = {}
            for key, value in self.items():
                known[key] = f"{known[key]}, {value}" if key in known else value
        return known.get(name.lower())

    def items(self) -> list[tuple[str, str]]:
        """All of them as they came, names in lower case."""
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self._raw]

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.items()]})"  # values may be secret


def encode_head(method: str, path: str, host: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The head of a request, but for the length of its body and the empty line. Raises `BadRequest`."""
    if not NAME.fullmatch(method):
        raise BadRequest(f"{method[:80]!r} is not a method of HTTP.", hint="Use GET, POST, PUT, PATCH or DELETE.")
    lines = [f"{method} {path} HTTP/1.1"]
    given = set()
    for name, value in headers:
        lowered = name.lower()
        check(name, value)
        if lowered == "content-length":
            continue  # counted from the body
        given.add(lowered)
        lines.append(f"{name}: {value}")
    if "host" not in given:
        lines.insert(1, f"host: {host}")
    if "user-agent" not in given:
        lines.append(f"user-agent: guru/{__version__}")
    if "accept-encoding" not in given:
        lines.append("accept-encoding: identity")
    lines.append("")
    return "\r\n".join(lines).encode("latin-1")


def check(name: str, value: str) -> None:
    """Raises `BadRequest`, without the value: it may be secret."""
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"{name[:80]!r} is not the name of a header.", hint="Names are letters, digits and hyphens; correct it."
        )
    if not VALUE.fullmatch(value) or value != value.strip(" \t"):
        raise BadRequest(
            f"The value of the header {name} has characters that a header cannot carry.",
            hint="Remove line breaks, control characters, spaces around it, and what is not Latin-1.",
        )
    if name.lower() in OURS:
        raise BadRequest(
            f"The header {name} cannot be set.", hint="Guru itself decides how bytes travel to a provider; remove it."
        )
