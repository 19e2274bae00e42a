"""Sitemaps: lists of pages, and lists of such lists.

Specification: https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Final
from xml.etree import ElementTree

from msgspec import Struct

from guru.errors import UnreadableDocument

MAX_BYTES: Final = 50 << 20
"""Unpacked; the specification allows no more."""
MAX_ENTRIES: Final = 50_000
_GZIP = b"\x1f\x8b"
_ROOTS = {"urlset": "url", "sitemapindex": "sitemap"}


class SitemapEntry(Struct):
    url: str
    modified: str | None
    """`lastmod`, in W3C's form of ISO 8601."""


class Sitemap(Struct):
    is_index: bool
    """Whether its entries are sitemaps."""
    entries: list[SitemapEntry]


def parse_sitemap(data: bytes) -> Sitemap:
    """Read a sitemap, packed or not. Raises `UnreadableDocument` for what is none."""
    if data.startswith(_GZIP):
        data = _unpack(data)
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise _not_one("it defines entities or is a page")
    try:
        return _read(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # also an encoding that there is none of
        raise _not_one(str(error)) from error


def _read(data: bytes) -> Sitemap:
    events = ElementTree.iterparse(io.BytesIO(data), events=("start", "end"))  # noqa: S314  # in the parser's process
    _, root = next(events)
    kind = _local(root.tag)
    if kind not in _ROOTS:
        raise _not_one(f"it is <{kind}>")
    found = Sitemap(kind == "sitemapindex", [])
    for event, element in events:
        if event != "end" or _local(element.tag) != _ROOTS[kind]:
            continue
        parts = {_local(child.tag): (child.text or "").strip() for child in element}
        if parts.get("loc"):
            found.entries.append(SitemapEntry(parts["loc"], parts.get("lastmod") or None))
        root.clear()
        if len(found.entries) > MAX_ENTRIES:
            raise _not_one(f"it has more than {MAX_ENTRIES:,} entries")
    return found


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _unpack(data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            unpacked = packed.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _not_one(str(error)) from error
    if len(unpacked) > MAX_BYTES:
        raise _not_one(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
    return unpacked


def _not_one(why: str) -> UnreadableDocument:
    return UnreadableDocument(f"It is not a sitemap: {why}.", hint="Give the address of sitemap.xml, or of a page.")
