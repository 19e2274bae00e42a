"""Addresses: from a URL to whom to connect to and what to ask for.

Specification: https://www.rfc-editor.org/rfc/rfc3986
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from guru.errors import ConfigurationError

PORTS = {"http": 80, "https": 443}
CONTROL = re.compile(r"[\x00-\x20\x7f]")
SAFE = "%/:=&?~#+!$,;'@()*[]|"


class Origin(NamedTuple):
    """Whom to connect to: one pool of connections each."""

    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int
    verify: bool
    """Whether the server's certificate is checked."""

    @property
    def authority(self) -> str:
        """`host:port`, as CONNECT wants it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Reach(NamedTuple):
    """What a caller's connections may be. Callers that differ in it share none."""

    name: str = ""
    """Whose they are."""
    most: int | None = None
    """At once, to one origin; None: as many as the client allows."""
    public: bool = False
    """Whether addresses of this machine and of private networks are refused, when it connects."""


ANYWHERE = Reach()


class Target(NamedTuple):
    """One URL, taken apart."""

    origin: Origin
    host: str
    """The Host header."""
    path: str
    """With the query."""


def parse(url: str, verify: bool = True) -> Target:
    """Raises `ConfigurationError`, which never repeats what might be a password."""
    if CONTROL.search(url):
        raise ConfigurationError(
            "An address of a provider has spaces or control characters.", hint="Percent-encode them in the base_url."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
        host = host if ":" in host else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise ConfigurationError("An address of a provider is not a URL.", hint="Correct its base_url.") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"The address of {host} has a user name or a password in it.",
            hint="Put credentials into api_key or headers of the provider.",
        )
    if parts.scheme not in PORTS or not host:
        raise ConfigurationError(
            f"{parts.scheme or 'An address without a scheme'} cannot be used for a provider at {host or 'no host'}.",
            hint="An address begins with http:// or https:// and a host.",
        )
    origin = Origin(parts.scheme, host, PORTS[parts.scheme] if port is None else port, verify)
    shown = f"[{host}]" if ":" in host else host
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=SAFE)
    return Target(origin, shown if origin.port == PORTS[parts.scheme] else f"{shown}:{origin.port}", path)
