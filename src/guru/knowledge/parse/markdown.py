"""Markdown: the text is the file as it is, front matter included; headings are found as CommonMark defines them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from guru.knowledge.parse.builder import check_length, clean
from guru.knowledge.parse.document import HeadingSpan, Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^([A-Za-z][\w-]*)[ \t]*:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*-[ \t]+(.*?)[ \t]*$")
_MARKS = re.compile(r"^[ \t]{0,3}(?:>[ \t]?|[-*+][ \t]+|\d+[.)][ \t]+)*(?:#{1,6}[ \t]*)?")


def parse_markdown(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read Markdown with front matter (`title`, `author`, `date` ... as flat YAML). Raises `UnreadableDocument`."""
    text, warnings = decode(data)
    text = clean(text)
    check_length(len(text), limits)
    matter = _FRONT_MATTER.match(text)
    fields = _fields(matter.group(1)) if matter else {}
    return ParsedDocument(
        text=text,
        media_type="text/markdown",
        title=_string(fields.get("title")),
        author=_string(fields.get("author") or fields.get("authors")),
        created=_string(fields.get("date") or fields.get("created")),
        modified=_string(fields.get("updated") or fields.get("modified") or fields.get("lastmod")),
        headings=_headings(text, matter.end() if matter else 0),
        metadata={"front_matter": fields} if fields else {},
        warnings=warnings,
    )


def _headings(text: str, body_start: int) -> list[HeadingSpan]:
    from markdown_it import MarkdownIt

    # Only block structure matters, so inline parsing, the expensive half, is left out.
    blocks = MarkdownIt("commonmark", {"maxNesting": 20}).disable(["inline"], True).parse(text[body_start:])
    line_starts = [body_start]
    for line in text[body_start:].split("\n"):
        line_starts.append(line_starts[-1] + len(line) + 1)
    headings = []
    for opening, content in pairwise(blocks):
        if opening.type != "heading_open" or opening.map is None:
            continue
        title = " ".join(content.content.split())
        if not title:
            continue
        start = line_starts[opening.map[0]]
        line = text[start : line_starts[opening.map[0] + 1]]
        marks = _MARKS.match(line)
        headings.append(HeadingSpan(int(opening.tag[1]), _plain(title), start + (marks.end() if marks else 0)))
    return headings


def _plain(title: str) -> str:
    """A heading without emphasis, code marks and link targets."""
    title = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", title)
    return re.sub(r"(\*\*|__|`|(?<!\w)[*_]|[*_](?!\w))", "", title).strip() or title


def _fields(block: str) -> dict[str, Any]:
    """The flat part of a YAML block: scalars and lists of scalars. What is nested deeper stays in the text only."""
    fields: dict[str, Any] = {}
    key = None
    for line in block.split("\n"):
        field = _FIELD.match(line)
        item = _ITEM.match(line)
        if field:
            key, value = field.group(1).lower(), field.group(2)
            if value.startswith("[") and value.endswith("]"):
                fields[key] = [_unquote(part) for part in value[1:-1].split(",") if part.strip()]
            else:
                fields[key] = _unquote(value)
        elif item and key and (fields[key] == "" or isinstance(fields[key], list)):
            fields[key] = [*(fields[key] or []), _unquote(item.group(1))]
    return {name: value for name, value in fields.items() if value}


def _unquote(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _string(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(value)
    return str(value) if value else None
