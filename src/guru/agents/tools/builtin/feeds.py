"""Reads RSS 0.9 to 2.0 and Atom: https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from xml.etree import ElementTree

from msgspec import Struct

from guru.agents.tools.web import plain
from guru.errors import UnreadableDocument

MAX_ITEMS: Final = 500
_DEFINES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


class NewsItem(Struct):
    title: str
    url: str
    source: str
    date: datetime | None
    text: str = ""


def read_feed(content: bytes, address: str) -> list[NewsItem]:
    """The items of a feed, in its order. Raises `UnreadableDocument`."""
    if _DEFINES.search(content) or b"<\x00!" in content or b"\x00<" in content:  # entities can grow without end
        raise UnreadableDocument("The feed defines entities, or is not UTF-8.", hint="Name another feed.")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - what defines entities was refused
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnreadableDocument(f"The feed is not XML: {error}.", hint="Name another feed.") from error
    source = next((plain(node.text, 100) for node in root.iter() if name_of(node) == "title"), "") or address
    items = [node for node in root.iter() if name_of(node) in ("item", "entry")]
    return [read_item(node, source) for node in items[:MAX_ITEMS]]


def read_item(node: ElementTree.Element, source: str) -> NewsItem:
    fields: dict[str, str] = {}
    url = ""
    for child in node:
        name = name_of(child)
        if name == "link" and child.get("href"):  # Atom
            if child.get("rel", "alternate") == "alternate":
                url = url or str(child.get("href"))
        else:
            fields.setdefault(name, "".join(child.itertext()))
    text = next((fields[name] for name in ("description", "summary", "content", "encoded") if fields.get(name)), "")
    date = next((fields[name] for name in ("pubDate", "published", "updated", "date") if fields.get(name)), "")
    return NewsItem(
        title=plain(fields.get("title"), 300), url=url or fields.get("link", "").strip(), source=source,
        date=read_date(date), text=plain(text, 400),
    )  # fmt: skip


def name_of(node: ElementTree.Element) -> str:
    """The name without its namespace."""
    return str(node.tag).rpartition("}")[2]


def read_date(text: str) -> datetime | None:
    """A date of RFC 822 or ISO 8601, in UTC; None for what is neither."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = parse(text.strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
