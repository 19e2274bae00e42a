"""DOCX: the body in order, with headings, lists, tables in tables, footnotes and text boxes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import docx
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import TextBuilder, squeeze
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.numbering import Numbering
from guru.knowledge.parse.package import check_package
from guru.knowledge.parse.properties import core_properties
from guru.knowledge.parse.table import row_line

_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Choice"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_SKIPPED = {qn("w:del"), qn("w:moveFrom"), qn("w:instrText"), qn("w:delText"), qn("w:pPr"), qn("w:rPr"), qn("w:sdtPr")}
_CONTAINERS = {qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml"), qn("w:ins"), qn("w:moveTo"), _CHOICE}
_NOTES = {qn("w:footnoteReference"): ("footnotes", "Footnote"), qn("w:endnoteReference"): ("endnotes", "Endnote")}


def parse_docx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read a DOCX. Deleted text of tracked changes is left out. Raises `UnreadableDocument`."""
    check_package(data, limits)
    document = docx.Document(io.BytesIO(data))
    builder = TextBuilder(limits)
    _Writer(document, builder, limits).write()
    return ParsedDocument(
        text=builder.text(),
        media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        headings=builder.headings,
        **core_properties(document.core_properties),
    )


class _Writer:
    def __init__(self, document: Any, builder: TextBuilder, limits: Limits) -> None:
        self._document = document
        self._builder = builder
        self._limits = limits
        self._styles = _Styles(document)
        self._numbering = Numbering(_related(document.part, "/numbering"))
        self._notes = {kind: _notes(document.part, kind) for kind, _ in _NOTES.values()}
        self._in_list = False

    def write(self) -> None:
        for text in self._margins("header"):
            self._builder.block(text)
        self._blocks(self._document.element.body, 0)
        for text in self._margins("footer"):
            self._builder.block(text)

    def _blocks(self, parent: Any, depth: int) -> None:
        if depth > self._limits.depth:
            raise UnreadableDocument("Tables are nested too deeply.", hint="Save the document in a simpler form.")
        for element in parent:
            if element.tag == qn("w:p"):
                self._paragraph(element, depth)
            elif element.tag == qn("w:tbl"):
                self._table(element, depth)
            elif element.tag == _ALTERNATIVES:
                self._blocks(element[:1], depth + 1)
            elif element.tag in _CONTAINERS:
                self._blocks(element, depth + 1)

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        text = squeeze("".join(_pieces(paragraph)))
        if text:
            self._write_text(paragraph, text)
        for box in _boxes(paragraph):
            self._blocks(box, depth + 1)
        for reference in paragraph.iter(*_NOTES):
            kind, label = _NOTES[reference.tag]
            note = self._notes[kind].get(reference.get(qn("w:id")))
            if note:
                self._builder.block(f"{label}: {note}")

    def _write_text(self, paragraph: Any, text: str) -> None:
        level = self._styles.heading_level(paragraph)
        item = self._styles.list_item(paragraph)
        label = self._numbering.next_label(*item) if item else ""
        if level:
            self._builder.heading(level, f"{label} {text}" if label not in {"", "-"} else text)
        elif label and item:
            self._builder.line("  " * item[1] + f"{label} {text}")
        else:
            if self._in_list:
                self._builder.end_block()
            self._builder.block(text)
        self._in_list = bool(label) and not level

    def _table(self, table: Any, depth: int) -> None:
        rows = list(_descend(table, qn("w:tr")))
        if len(rows) == 1 and len(cells := list(_descend(rows[0], qn("w:tc")))) == 1:
            self._blocks(cells[0], depth + 1)  # a frame around text
            return
        self._builder.end_block()
        above: dict[int, str] = {}
        for row in rows:
            self._row(row, above, depth)
        self._builder.end_block()

    def _row(self, row: Any, above: dict[int, str], depth: int) -> None:
        """Write a row as a line; tables inside its cells follow, row by row. A merged cell repeats what it shows."""
        texts: list[str] = []
        inner: list[Any] = []
        column = 0
        for cell in _descend(row, qn("w:tc")):
            text = " ".join(filter(None, (squeeze("".join(_pieces(part))) for part in _descend(cell, qn("w:p")))))
            if _continues_above(cell):
                text = text or above.get(column, "")
            above[column] = text
            texts.append(text)
            inner.extend(_descend(cell, qn("w:tbl")))
            inner_boxes = [box for part in _descend(cell, qn("w:p")) for box in _boxes(part)]
            texts[-1] = " ".join(filter(None, [text, *(squeeze(" ".join(_pieces(box))) for box in inner_boxes)]))
            column += _width(cell)
        line = row_line(texts)
        if line:
            self._builder.line(line)
        for table in inner:
            self._table(table, depth + 1)

    def _margins(self, kind: str) -> list[str]:
        """The different headers or footers of all sections, each once."""
        found: dict[str, None] = {}
        for section in self._document.sections:
            for which in (f"first_page_{kind}", kind, f"even_page_{kind}"):
                part = getattr(section, which)
                if not part.is_linked_to_previous:
                    lines = (squeeze("".join(_pieces(paragraph))) for paragraph in part._element.iter(qn("w:p")))
                    found.setdefault("\n".join(filter(None, lines)))
        return [text for text in found if text]


class _Styles:
    """What the styles of a document say about a paragraph: heading level and list."""

    def __init__(self, document: Any) -> None:
        self._by_id = {style.style_id: style.element for style in document.styles}

    def heading_level(self, paragraph: Any) -> int:
        """From 1; 0 for text."""
        for properties, style_name in self._chain(paragraph):
            named = _HEADING.match(style_name)
            if named:
                return int(named.group(1))
            if style_name.lower() == "title":
                return 1
            outline = properties.find(qn("w:outlineLvl")) if properties is not None else None
            if outline is not None and (level := _integer(outline)) < 9:
                return level + 1
        return 0

    def list_item(self, paragraph: Any) -> tuple[str, int] | None:
        """The list that a paragraph is an item of, and its level from 0."""
        for properties, _ in self._chain(paragraph):
            numbering = properties.find(qn("w:numPr")) if properties is not None else None
            reference = numbering.find(qn("w:numId")) if numbering is not None else None
            if numbering is not None and reference is not None:
                level = numbering.find(qn("w:ilvl"))
                list_id = reference.get(qn("w:val"), "0")
                return None if list_id == "0" else (list_id, _integer(level) if level is not None else 0)
        return None

    def _chain(self, paragraph: Any) -> Iterator[tuple[Any, str]]:
        """The paragraph's own properties, then those of its style and of the styles that this one is based on."""
        properties = paragraph.find(qn("w:pPr"))
        yield properties, ""
        reference = properties.find(qn("w:pStyle")) if properties is not None else None
        seen: set[str] = set()
        while reference is not None and (identity := reference.get(qn("w:val"))) not in seen:
            seen.add(identity)
            style = self._by_id.get(identity)
            if style is None:
                return
            label = style.find(qn("w:name"))
            yield style.find(qn("w:pPr")), label.get(qn("w:val"), "") if label is not None else ""
            reference = style.find(qn("w:basedOn"))


def _pieces(element: Any) -> Iterator[str]:
    """The text of a paragraph in order, without text boxes, deleted text and field codes."""
    for child in element:
        tag = child.tag
        if tag in {qn("w:t"), _MATH_TEXT}:
            yield child.text or ""
        elif tag in {qn("w:tab"), qn("w:ptab")}:
            yield " "
        elif tag in {qn("w:br"), qn("w:cr")}:
            yield "\n"
        elif tag == qn("w:noBreakHyphen"):
            yield "-"
        elif tag == _ALTERNATIVES:
            yield from _pieces(child[:1])
        elif tag not in _SKIPPED and tag != qn("w:txbxContent") and isinstance(tag, str):
            yield from _pieces(child)


def _boxes(paragraph: Any) -> list[Any]:
    """The contents of text boxes in a paragraph; of two versions of one box, the first."""
    return [
        box
        for box in paragraph.iter(qn("w:txbxContent"))
        if not any(parent.tag.endswith("}Fallback") for parent in box.iterancestors())
        and next(parent for parent in box.iterancestors(qn("w:p"))) is paragraph
    ]


def _descend(parent: Any, tag: str) -> Iterator[Any]:
    """The nearest descendants with `tag`, through content controls and the like, but not through other tables."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _CONTAINERS:
            yield from _descend(child, tag)


def _continues_above(cell: Any) -> bool:
    merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
    return merge is not None and merge.get(qn("w:val"), "continue") == "continue"


def _width(cell: Any) -> int:
    span = cell.find(f"{qn('w:tcPr')}/{qn('w:gridSpan')}")
    return max(_integer(span), 1) if span is not None else 1


def _integer(element: Any) -> int:
    value = element.get(qn("w:val"), "")
    return int(value) if value.isdecimal() and len(value) < 6 else 0


def _notes(part: Any, kind: str) -> dict[str, str]:
    root = _related(part, f"/{kind}")
    if root is None:
        return {}
    return {note.get(qn("w:id")): squeeze("".join(_pieces(note))).replace("\n", " ") for note in root}


def _related(part: Any, suffix: str) -> Any | None:
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(suffix):
            target = relation.target_part
            return target.element if hasattr(target, "element") else parse_xml(target.blob)
    return None
