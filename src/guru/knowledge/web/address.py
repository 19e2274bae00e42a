"""Addresses of pages: which can be asked for, and in which form one names a document."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from guru.errors import InvalidParameter

PORTS: Final = {"http": 80, "https": 443}
MAX_LENGTH: Final = 2048
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]|-._"
_EXTENSIONS: Final = {
    "text/html": "html", "application/xhtml+xml": "html", "text/plain": "txt", "text/markdown": "md",
    "text/csv": "csv", "application/json": "json", "application/pdf": "pdf", "message/rfc822": "eml",
    "text/xml": "xml", "application/xml": "xml",
    "image/png": "png", "image/jpeg": "jpg", "image/tiff": "tiff", "image/webp": "webp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE | re.ASCII)
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")


def is_web_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def normalise(url: str) -> str:
    """The address as it names a document: host in small letters, no default port, no fragment.

    Raises `InvalidParameter` for what is none, or has a password in it.
    """
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, (parts.hostname or "").rstrip(".")
        host = host if ":" in host else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        host, port, parts = "", None, urlsplit("")
    scheme = parts.scheme.lower()
    odd = len(url) > MAX_LENGTH or any(ord(character) < 33 for character in url.strip())
    if scheme not in PORTS or not host or odd:
        raise InvalidParameter(
            f"{url[:100]!r} is not an address of the web.", hint="Write http:// or https:// and a host.", param="paths"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidParameter(
            f"The address of {host} has a user name or a password in it.",
            hint="Download the page and ingest the file.",
            param="paths",
        )
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in (None, PORTS[scheme]) else f"{shown}:{port}"
    path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
    return urlunsplit((scheme, netloc, path, query, ""))


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def charset_of(content_type: str) -> str | None:
    """What a text is encoded in, as the header of the answer says."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found and content_type.strip().lower().startswith("text/") else None


def filename_of(url: str, media_type: str) -> str:
    """What the file would be called on a disk: the last part of its path, with the ending that its kind has."""
    parts = urlsplit(url)
    last = PurePosixPath(unquote(parts.path)).name or parts.hostname or "page"
    kind = _EXTENSIONS.get(media_type.partition(";")[0].strip().lower())
    stem = _NOT_IN_NAMES.sub("-", last)[:100] or "page"
    if kind is None or stem.lower().endswith(f".{kind}"):
        return stem
    return f"{PurePosixPath(stem).stem if parts.path.rstrip('/') else stem}.{kind}"
