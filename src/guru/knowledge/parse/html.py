"""HTML: what a reader sees of a page, without scripts and navigation."""

from __future__ import annotations

import re
from typing import Any

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import TextBuilder, clean, squeeze
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode
from guru.knowledge.parse.table import row_line

_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\A\s*<\?xml[^>]+encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\n\r\f\u00a0]+")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAX_DEPTH = 400

_DROPPED = {
    "script", "style", "noscript", "template", "svg", "math", "head", "iframe", "object", "embed", "canvas", "audio",
    "video", "button", "input", "select", "textarea", "datalist", "dialog", "-comment", "nav",
}  # fmt: skip
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li", "main", "ol", "p", "pre",
    "section", "summary", "table", "ul", "h1", "h2", "h3", "h4", "h5", "h6", "caption", "tr", "td", "th", "tbody",
    "thead", "tfoot",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# Inside a cell, these show that a table lays out a page rather than data.
_LAYOUT = "table, h1, h2, h3, h4, section, article, ul, ol, p + p"


def parse_html(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read HTML. The encoding is taken from the byte order mark, the content or the meta element."""
    from selectolax.lexbor import LexborHTMLParser

    declared = _CHARSET.search(data[:8192]) or _XML_ENCODING.search(data[:200])
    text, warnings = decode(data, declared.group(1).decode("ascii") if declared else None)
    tree = LexborHTMLParser(text)
    writer = _Writer(limits)
    if tree.body is not None:
        writer.walk(tree.body, 0)
    writer.flush()
    meta = _meta(tree)
    title = tree.css_first("title")
    root = tree.root
    return ParsedDocument(
        text=writer.builder.text(),
        media_type="text/html",
        title=meta.get("og:title") or (squeeze(title.text()).replace("\n", " ") if title else "") or None,
        author=meta.get("author") or meta.get("article:author") or meta.get("dc.creator"),
        created=meta.get("article:published_time") or meta.get("date") or meta.get("dcterms.created"),
        modified=meta.get("article:modified_time") or meta.get("last-modified") or meta.get("dcterms.modified"),
        language=_language(root.attributes.get("lang") if root is not None else None),
        headings=writer.builder.headings,
        metadata={key: meta[key] for key in ("description", "keywords") if key in meta},
        warnings=warnings,
    )


class _Writer:
    """Walks the tree and writes blocks; text between two blocks gathers in `_inline`."""

    def __init__(self, limits: Limits) -> None:
        self.builder = TextBuilder(limits)
        self._inline: list[str] = []
        self._prefix = ""

    def walk(self, parent: Any, depth: int) -> None:
        """Write what is in `parent`."""
        if depth > _MAX_DEPTH:
            raise UnreadableDocument("The page is nested too deeply.", hint="Save it in a simpler form.")
        for node in parent.iter(include_text=True):
            if node.tag == "-text":
                self._inline.append(_SPACES.sub(" ", node.text_content or ""))
            elif not _dropped(node):
                self._element(node, depth)

    def flush(self, *, line: bool = False) -> None:
        """Write the text gathered so far as a block or, in a list, as a line."""
        text = squeeze("".join(self._inline))
        self._inline = []
        if text:
            (self.builder.line if line else self.builder.block)(self._prefix + text)
            self._prefix = ""

    def _element(self, node: Any, depth: int) -> None:
        tag = node.tag
        if tag == "br":
            self._inline.append("\n")
        elif tag in _HEADINGS:
            self.flush()
            self.builder.heading(_HEADINGS[tag], squeeze(inline_text(node)))
        elif tag == "pre":
            self.flush()
            self.builder.block(clean(node.text()).strip("\n"))
        elif tag in {"ul", "ol"}:
            self._list(node, depth, nested=False)
        elif tag == "table":
            self._table(node, depth)
        elif tag in _BLOCKS:
            self.flush()
            self.walk(node, depth + 1)
            self.flush()
        else:
            self.walk(node, depth + 1)

    def _list(self, node: Any, depth: int, *, nested: bool) -> None:
        self.flush(line=nested)
        number = _number(node.attributes.get("start"), 1)
        for item in node.iter():
            if item.tag != "li":
                self.walk(item, depth + 1)
                continue
            self._prefix = "  " * nested + (f"{number}. " if node.tag == "ol" else "- ")
            number += 1
            self._item(item, depth + 1)
            self._prefix = ""
        if not nested:
            self.builder.end_block()

    def _item(self, item: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise UnreadableDocument("The page is nested too deeply.", hint="Save it in a simpler form.")
        for node in item.iter(include_text=True):
            if node.tag == "-text":
                self._inline.append(_SPACES.sub(" ", node.text_content or ""))
            elif node.tag in {"ul", "ol"}:
                self._list(node, depth + 1, nested=True)
            elif node.tag in {"p", "div"}:
                self.flush(line=True)
                self._item(node, depth + 1)
            elif not _dropped(node):
                self._element(node, depth)
        self.flush(line=True)

    def _table(self, table: Any, depth: int) -> None:
        self.flush()
        caption = table.css_first("caption")
        rows = [row for row in table.css("tr") if _owner(row) == table]
        cells = [[cell for cell in row.iter() if cell.tag in {"td", "th"}] for row in rows]
        if max(map(len, cells), default=0) < 2 or any(cell.css_first(_LAYOUT) for row in cells for cell in row):
            self._layout_table(cells, caption, depth)
            return
        if caption is not None:
            self.builder.line(squeeze(inline_text(caption)))
        for row in cells:
            line = row_line(inline_text(cell) for cell in row if not _dropped(cell))
            if line:
                self.builder.line(line)
        self.builder.end_block()

    def _layout_table(self, rows: list[list[Any]], caption: Any, depth: int) -> None:
        """Rows whose cells hold text only stay lines; a cell with blocks in it is written as these blocks."""
        if caption is not None:
            self.builder.block(squeeze(inline_text(caption)))
        for row in rows:
            if any(cell.css_first(_LAYOUT) for cell in row):
                for cell in row:
                    self.walk(cell, depth + 1)
                    self.flush()
            else:
                self.builder.line(row_line(map(inline_text, row)))
        self.builder.end_block()


def inline_text(node: Any) -> str:
    """The text of an element on one line."""
    pieces: list[str] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if current.tag == "-text":
            pieces.append(current.text_content or "")
        elif current is node or not _dropped(current):
            if current.tag == "br" or current.tag in _BLOCKS:
                pieces.append(" ")
            stack.extend(reversed(list(current.iter(include_text=True))))
    return _SPACES.sub(" ", "".join(pieces))


def _dropped(node: Any) -> bool:
    if node.tag in _DROPPED:
        return True
    attributes = node.attributes
    return (
        "hidden" in attributes
        or attributes.get("role") == "navigation"
        or bool(_HIDDEN.search(attributes.get("style") or ""))
    )


def _owner(row: Any) -> Any:
    parent = row.parent
    while parent is not None and parent.tag != "table":
        parent = parent.parent
    return parent


def _meta(tree: Any) -> dict[str, str]:
    meta: dict[str, str] = {}
    for node in tree.css("meta"):
        attributes = node.attributes
        key = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv")
        content = squeeze(attributes.get("content") or "").replace("\n", " ")
        if key and content:
            meta.setdefault(key.lower(), content)
    return meta


def _language(tag: str | None) -> str | None:
    code = (tag or "").split("-")[0].strip().lower()
    return code if re.fullmatch("[a-z]{2}", code) else None


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.strip().isdecimal() and len(text) < 10 else default
