"""Proxies, as the environment names them: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case.

A proxy is told `CONNECT host:port` for https (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6) and given the whole
URL for http. Loopback addresses are never asked for through a proxy.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from guru.errors import ConfigurationError, ModelUnavailable
from guru.models.http.target import Origin

MAX_HEAD = 16 << 10


class Proxy(NamedTuple):
    host: str
    port: int
    authorization: str | None
    """The value of Proxy-Authorization."""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def proxy_for(origin: Origin, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy that stands before `origin`. Raises `ConfigurationError` for one that cannot be used."""
    environment = os.environ if environment is None else environment

    def value(name: str) -> str:
        return environment.get(name.lower()) or environment.get(name.upper()) or ""

    url = value(f"{origin.scheme}_proxy") or value("all_proxy")
    if not url or bypassed(origin, value("no_proxy")):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigurationError(
            f"The proxy for {origin.scheme} is a {parts.scheme} proxy.",
            hint="Name one that begins with http:// (it also carries https) in HTTP_PROXY and HTTPS_PROXY.",
        )
    authorization = None
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, authorization)


def bypassed(origin: Origin, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: a name and all below it, an address, a network, `host:port`, or `*`."""
    host = origin.host.lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in no_proxy.lower().replace(",", " ").split():
        if entry == "*" or entry in (host, origin.authority):
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        name = entry.removesuffix(f":{origin.port}").removeprefix("*").strip(".")
        if name and (host == name or host.endswith("." + name)):
            return True
    return False


async def open_tunnel(connection: socket.socket, proxy: Proxy, origin: Origin) -> None:
    """Ask the proxy at the other end of `connection` to pass bytes on to `origin`. Raises `ModelUnavailable`."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {origin.authority} HTTP/1.1", f"host: {origin.authority}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    await loop.sock_sendall(connection, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = await loop.sock_recv(connection, 4096)
        answer += data
        if not data or len(answer) > MAX_HEAD:
            raise refused(proxy, origin, "ended the conversation")
    status = answer.split(b"\r\n", 1)[0].split(b" ", 2)
    if not answer.startswith(b"HTTP/1.") or len(status) < 2 or not status[1].startswith(b"2"):
        shown = status[1][:3].decode("latin-1") if len(status) > 1 else "something unknown"
        raise refused(proxy, origin, f"answered {shown}")
    if not answer.endswith(b"\r\n\r\n"):
        raise refused(proxy, origin, "sent more than it was asked for")


def refused(proxy: Proxy, origin: Origin, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The proxy {proxy.host}:{proxy.port} {what} when asked for {origin.authority}.",
        hint="Check HTTPS_PROXY and its credentials, or name the host in NO_PROXY.",
    )
