"""Opening sockets: names to addresses, and the fastest of several addresses.

Specification: https://www.rfc-editor.org/rfc/rfc8305 (happy eyeballs). uvloop has none of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from itertools import chain, zip_longest
from typing import Any

from guru.errors import ConfigurationError

HEAD_START = 0.25
"""Seconds that an address has for itself before the next one is tried too."""
Address = tuple[int, tuple[Any, ...]]
NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def open_socket(host: str, port: int, *, public: bool = False) -> socket.socket:
    """A connected socket. Raises `OSError`, and `ConfigurationError` where `public` is asked for and there is none."""
    addresses = await resolve(host, port)
    if public:
        addresses = only_public(host, addresses)
    if len(addresses) == 1:
        return await connect(*addresses[0])
    return await race(addresses)


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of `host`, the families taking turns, in the order in which the system prefers them."""
    with contextlib.suppress(ValueError):
        ip = ipaddress.ip_address(host)
        return [(socket.AF_INET, (host, port))] if ip.version == 4 else [(socket.AF_INET6, (host, port, 0, 0))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    preferred = found[0][0]
    first = [(family, address) for family, _, _, _, address in found if family == preferred]
    second = [(family, address) for family, _, _, _, address in found if family != preferred]
    return [item for item in chain.from_iterable(zip_longest(first, second)) if item is not None]


def only_public(host: str, addresses: list[Address]) -> list[Address]:
    """Those that are not of this machine or of a private network. What is looked at here is what is connected to: a
    name that is looked up a second time may say something else. Raises `ConfigurationError` when none is left."""
    found = [address for address in addresses if is_public(str(address[1][0]))]
    if not found:
        raise ConfigurationError(
            f"The address of {host} is one of a private network.",
            hint="Correct base_url, or set allow_private = true in the provider's table.",
        )
    return found


def is_public(text: str) -> bool:
    """Whether an address is one of the internet; an IPv4 address inside an IPv6 one counts for itself."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


async def connect(family: int, address: tuple[Any, ...]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def race(addresses: list[Address]) -> socket.socket:
    """The first socket that connects. Raises the first error when none does."""
    waiting = list(reversed(addresses))
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(connect(*waiting.pop())))
            timeout = HEAD_START if waiting else None
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                running.discard(task)
                if (failure := task.exception()) is None:
                    running |= done - {task}  # another that connected in the same moment is closed below
                    return task.result()
                failures.append(failure)
    finally:
        for task in running:
            task.cancel()
        for late in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(late, socket.socket):
                late.close()
    raise failures[0]
