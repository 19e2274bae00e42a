"""What tools need of the network, which the server hands in: one request at a time, to addresses that may be asked."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from guru import __version__
from guru.errors import DownloadError, InvalidParameter

USER_AGENT: Final = f"Guru/{__version__} (+https://github.com/guru-ai/guru)"
MAX_URL: Final = 4096
MAX_ANSWER: Final = 4 << 20
_TAG = re.compile(r"<[^<>]*>")


class Reply(Struct):
    """An answer, as far as it was read."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    complete: bool = True
    """Whether the body is all there is: what is larger than the limit is cut off."""


class Web(Protocol):
    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", limit: int, private: bool
    ) -> Reply:
        """Send one request and follow no redirect; read `limit` bytes of the answer at most.

        Unless `private`, the address that is connected to is not one of this machine or of a private network.
        Raises `DownloadError`.
        """
        ...


class Page(Struct):
    """A page or a file of the web, as text."""

    title: str | None
    text: str


class Pages(Protocol):
    async def read(self, body: bytes, url: str, content_type: str) -> Page:
        """Raises `UnreadableDocument`."""
        ...


def check_address(url: str) -> str:
    """The host of an address of the web. Raises `InvalidParameter` for what is none."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise not_an_address(url) from None
    if parts.scheme not in ("http", "https") or not host or len(url) > MAX_URL or not url.isprintable():
        raise not_an_address(url)
    if parts.username is not None or parts.password is not None:
        raise InvalidParameter("The address has a user name or a password in it.", hint="Leave them out.", param="url")
    return host.lower().rstrip(".")


def not_an_address(url: str) -> InvalidParameter:
    return InvalidParameter(
        f"{url[:100]!r} is not an address of the web.", hint="It begins with https:// and a host.", param="url"
    )


async def ask_json(
    web: Web, url: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None,
    body: Any = None,
) -> Any:  # fmt: skip
    """What an API answers, decoded. With a `body` it is a POST of JSON. The address is one of the configuration, so
    that it may be private. Raises `DownloadError`, without what was sent."""
    sent = {"accept": "application/json", "user-agent": USER_AGENT, **(headers or {})}
    query = {name: str(value) for name, value in (params or {}).items() if value is not None}
    address = f"{url}?{urlencode(query)}" if query else url
    content = b""
    if body is not None:
        sent["content-type"], content = "application/json", msgspec.json.encode(body)
    method = "GET" if body is None else "POST"
    reply = await web.send(method, address, headers=sent, body=content, limit=MAX_ANSWER, private=True)
    host = urlsplit(url).hostname
    if not 200 <= reply.status < 300:
        hint = {401: "Its key is not taken.", 403: "Its key is not taken.", 429: "It wants fewer requests."}
        raise DownloadError(
            f"{host} answered with status {reply.status}.", hint=hint.get(reply.status, "Try again later.")
        )
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DownloadError(f"{host} answered with something else than JSON.", hint="Try again later.") from error


def plain(text: Any, most: int = 500) -> str:
    """A short text without tags, on one line."""
    words = " ".join(html.unescape(_TAG.sub("", str(text or ""))).split())
    return words if len(words) <= most else f"{words[:most]}..."
