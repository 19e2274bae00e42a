"""Whether those who reach an address are told apart by keys."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from guru.config import ServerSettings
from guru.errors import ConfigurationError


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. A name other than `localhost` may lead anywhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def needs_key(server: ServerSettings) -> bool:
    """Whether a request needs a key. Raises `ConfigurationError` where it must and is told not to."""
    if is_loopback(server.host):
        return bool(server.require_key)
    if server.require_key is False:
        raise ConfigurationError(
            f"[server] require_key is false, and {server.host} can be reached from other machines.",
            hint="Leave require_key out, or listen on 127.0.0.1.",
        )
    return True


def cors_origins(server: ServerSettings) -> list[str]:
    """The origins whose pages may call, as browsers write them. Raises `ConfigurationError` for those that may not."""
    origins = [origin.lower().rstrip("/") for origin in server.cors_origins]
    for origin in origins:
        if origin == "*" and not needs_key(server):
            raise ConfigurationError(
                '[server] cors_origins is "*", and requests need no key: every web page could read everything.',
                hint="Name the origins, or set require_key = true.",
            )
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query):
            raise ConfigurationError(
                f"[server] cors_origins: {origin!r} is not an origin.",
                hint="Write https://app.example, without a path.",
            )
    return origins
