"""A file somewhere else, and the HTTP session that fetches it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from guru.errors import DownloadError

if TYPE_CHECKING:
    from aiohttp import ClientSession


class Remote(Struct, frozen=True, kw_only=True):
    url: str
    sha256: str | None = None
    """What the bytes must hash to, when the source knows it."""
    size: int | None = None
    headers: dict[str, str] = {}
    """Sent to this address only, never to where it redirects on another host."""


def open_session() -> ClientSession:
    """A session that honours the proxy and certificate settings that pip and others honour."""
    import aiohttp

    context = ssl.create_default_context()
    for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        bundle = os.environ.get(variable)
        if bundle and Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    connector = aiohttp.TCPConnector(ssl=context)
    return aiohttp.ClientSession(timeout=timeout, trust_env=True, connector=connector)


def refused(url: str, status: int, *, hint: str | None = None) -> DownloadError:
    """The error for an HTTP status, with advice."""
    advice = {
        401: "Access needs a token: set HF_TOKEN, or [hub] token.",
        403: "Access is restricted: accept the model's terms on its page, and set HF_TOKEN.",
        404: "Check the name of the repository and of the file.",
        429: "The server asks to slow down: try again in some minutes.",
    }
    fallback = "The server is in trouble: try again later." if status >= 500 else "Check the address."
    where = url.split("?", 1)[0]
    return DownloadError(f"{where} answered with status {status}.", hint=hint or advice.get(status, fallback))
