"""What parsing yields, and how much of a file it will take."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

MIB = 1024 * 1024


class PageSpan(Struct):
    """Page `number` (from 1) is `text[start:end]` of the document."""

    number: int
    start: int
    end: int


class HeadingSpan(Struct):
    """A heading whose words begin at character `start` of the text. `level` counts from 1, the outermost."""

    level: int
    title: str
    start: int


class SyntaxPart(Struct, array_like=True):
    """Whole lines of source code that belong together: `text[start:end]`, and the parts in it."""

    start: int
    end: int
    parts: list[SyntaxPart] = []


class ParsedDocument(Struct, kw_only=True):
    """A file as text. Every offset in Guru counts characters of `text`, which is stored exactly as it is here."""

    text: str
    media_type: str
    title: str | None = None
    author: str | None = None
    created: str | None = None
    """ISO 8601, as is `modified`."""
    modified: str | None = None
    language: str | None = None
    """ISO 639-1."""
    pages: list[PageSpan] = []
    headings: list[HeadingSpan] = []
    syntax: list[SyntaxPart] = []
    """Of source code, where its grammar is installed: the parts of the text, one after the other."""
    metadata: dict[str, Any] = {}
    warnings: list[str] = []


class Rectangle(Struct):
    """A part of a page in fractions (0 to 1) of its width and height; the origin is the top left corner."""

    x: float
    y: float
    width: float
    height: float


class PageHighlight(Struct):
    """Where a span of the text stands on page `page` of `width` x `height` points: one rectangle per line."""

    page: int
    width: float
    height: float
    rects: list[Rectangle]


class Limits(Struct, frozen=True):
    """What a file may cost. A file that wants more is refused with `UnreadableDocument`."""

    file_bytes: int = 200 * MIB
    characters: int = 50_000_000
    pages: int = 20_000
    unpacked_bytes: int = 1024 * MIB
    """Of everything inside a DOCX, PPTX or XLSX together."""
    unpacked_ratio: int = 200
    """Unpacked over packed size, for parts over 1 MiB."""
    entries: int = 20_000
    """Files inside a package or an archive; parts of a message."""
    archive_bytes: int = 1024 * MIB
    """Of a ZIP archive, and of everything in it together."""
    depth: int = 100
    """Nesting of JSON values, tables in tables, messages in messages."""
    ocr_languages: tuple[str, ...] = ("eng",)
    """Tesseract's names of the languages to expect in pictures; none: pictures are not read."""
    ocr_seconds: float = 0.0
    """For reading all pictures of a file; 0: it is sent back with `NeedsRecognition` when it has some."""
