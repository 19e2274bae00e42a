"""Whether those who reach an address are told apart by keys."""

from __future__ import annotations

import ipaddress

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
