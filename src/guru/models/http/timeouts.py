"""How long a provider may take."""

from __future__ import annotations

from msgspec import Struct


class Timeouts(Struct, frozen=True):
    """All in seconds."""

    connect: float = 10.0
    """Until there is a connection: waiting for a free one, name, TCP, proxy and TLS together."""
    first_byte: float = 600.0
    """From the last byte of the request until the head of the answer."""
    idle: float = 120.0
    """Between two pieces of the answer, and between two pieces of a large request."""
