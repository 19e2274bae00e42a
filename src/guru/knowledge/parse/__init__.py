"""From a file to text with pages, headings and metadata. `parse` does the work; `sandbox.ParsePool` does it safely."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath

from guru.errors import UnreadableDocument
from guru.knowledge.parse.document import (
    HeadingSpan,
    Limits,
    PageHighlight,
    PageSpan,
    ParsedDocument,
    Rectangle,
    SyntaxPart,
)
from guru.knowledge.parse.ocr import NeedsRecognition
from guru.knowledge.parse.sniff import sniff

__all__ = ["HeadingSpan", "Limits", "PageHighlight", "PageSpan", "ParsedDocument", "Rectangle", "SyntaxPart", "parse"]

_LIMITS = Limits()
_PARSERS = {
    "pdf": "pdf:parse_pdf",
    "docx": "docx:parse_docx",
    "pptx": "pptx:parse_pptx",
    "xlsx": "xlsx:parse_xlsx",
    "html": "html:parse_html",
    "markdown": "markdown:parse_markdown",
    "csv": "delimited:parse_delimited",
    "json": "structured:parse_json",
    "jsonl": "structured:parse_json_lines",
    "email": "mail:parse_mail",
    "image": "image:parse_image",
    "code": "code:parse_code",
    "text": "plain:parse_text",
}


def parse(data: bytes, name: str, *, limits: Limits = _LIMITS, charset: str | None = None) -> ParsedDocument:
    """Parse the file `name` with content `data`. Pure: the same bytes and name give the same document. `charset` is
    the encoding that whoever sent a text said it has.

    The format is chosen by the content first. Raises `UnreadableDocument` with what is wrong and what to do, and
    `NeedsRecognition` for text in pictures where `limits.ocr_seconds` is 0.
    """
    if len(data) > limits.file_bytes:
        raise UnreadableDocument(
            f"The file has {len(data) / 1e6:,.0f} MB; the limit is {limits.file_bytes / 1e6:,.0f} MB.",
            hint="Split it into smaller files.",
        )
    if charset is not None:
        data = _as_utf8(data, charset)
    found = sniff(data, name)
    try:
        document = _parser(found.kind)(data, name, limits)
    except (UnreadableDocument, NeedsRecognition):
        raise
    except RecursionError as error:
        raise UnreadableDocument("The file is nested too deeply.", hint="Save it in a simpler form.") from error
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableDocument(
            f"The file is damaged ({type(error).__name__}: {str(error)[:200]}).",
            hint="Open it in the program that made it and save it again.",
        ) from error
    return complete(document, name, found.warnings)


def _as_utf8(data: bytes, charset: str) -> bytes:
    """A text in UTF-8, which every parser tries first; as it is where it is that already, or not what was said."""
    for encoding in ("utf-8", charset):
        try:
            return data.decode(encoding).encode("utf-8", "replace")
        except (UnicodeError, LookupError):
            continue
    return data


def _parser(kind: str) -> Callable[[bytes, str, Limits], ParsedDocument]:
    module, function = _PARSERS[kind].split(":")
    parser: Callable[[bytes, str, Limits], ParsedDocument] = getattr(import_module(f"{__name__}.{module}"), function)
    return parser


def complete(document: ParsedDocument, name: str, warnings: list[str]) -> ParsedDocument:
    """Fill in what every format shares: a title, the language, warnings of sniffing. Raises `UnreadableDocument`."""
    from guru.knowledge.parse.language import detect_language

    if not document.text.strip():
        raise UnreadableDocument("The file holds no text.", hint="Check that it is the file that you meant.")
    if not document.title:
        document.title = document.headings[0].title if document.headings else PurePosixPath(name).stem
    document.title = " ".join(document.title.split())[:300]
    if document.language is None and "language_name" not in document.metadata:
        document.language = detect_language(document.text)
    document.warnings = [*warnings, *document.warnings]
    return document
