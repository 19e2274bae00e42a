"""PDF, read with pdfium: `parse_pdf`, and for the page view `highlight` and `render_page`."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from guru.errors import NotFound, UnreadableDocument
from guru.knowledge.parse.builder import squeeze
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.pdf.layout import PdfLayout
from guru.knowledge.parse.pdf.scanned import read_scanned

_MAX_PIXELS = 40_000_000
_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?|Z)?")
_PLACEHOLDER = re.compile(
    r"(?i)^(untitled|document\d*|microsoft (word|powerpoint|excel)\b.*|.*\.(docx?|xlsx?|pptx?|pdf|indd|tex|dvi|qxd))$"
)


def parse_pdf(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Text in reading order, page by page; that of scanned pages by OCR, where it is there.

    Raises `UnreadableDocument` for encrypted and broken files, and `NeedsRecognition` as `parse` does.
    """
    without_ocr: list[UnreadableDocument] = []
    with open_pdf(data) as pdf:
        if len(pdf) > limits.pages:
            raise UnreadableDocument(
                f"The document has {len(pdf):,} pages; the limit is {limits.pages:,}.",
                hint="Split it into smaller files.",
            )

        def recognize(numbers: list[int]) -> dict[int, list[str]]:
            try:
                return read_scanned(pdf, numbers, limits)
            except UnreadableDocument as error:
                without_ocr.append(error)  # the other pages may have text
                return {}

        layout = PdfLayout(pdf, limits, recognize)
        fields = pdf.get_metadata_dict()
    return ParsedDocument(
        text=layout.text,
        media_type="application/pdf",
        title=_title(fields.get("Title", "")),
        author=squeeze(fields.get("Author", "")) or None,
        created=_date(fields.get("CreationDate", "")),
        modified=_date(fields.get("ModDate", "")),
        pages=layout.builder.pages,
        headings=layout.builder.headings,
        metadata=_metadata(fields, layout),
        warnings=_warnings(layout, without_ocr[0] if without_ocr else None),
    )


def read_layout(data: bytes, limits: Limits) -> PdfLayout:
    """The layout that `parse_pdf` takes its text from, for `PdfLayout.highlight`."""
    with open_pdf(data) as pdf:
        return PdfLayout(pdf, limits)


def render_page(data: bytes, page: int, scale: float) -> bytes:
    """Page `page` (from 1) as a PNG of `scale` pixels per point (1/72 inch). Raises `NotFound` for no such page."""
    with open_pdf(data) as pdf:
        if not 1 <= page <= len(pdf):
            raise NotFound(f"The document has no page {page}; it has {len(pdf)}.")
        opened = pdf[page - 1]
        width, height = opened.get_size()
        scale = min(scale, (_MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
        out = io.BytesIO()
        opened.render(scale=scale).to_pil().save(out, "PNG")
    return out.getvalue()


def open_pdf(data: bytes) -> Any:
    """The pypdfium2 document, which closes itself as a context manager. Raises `UnreadableDocument`."""
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableDocument(
                "The PDF is encrypted and needs a password.", hint="Save a copy without a password and use that."
            ) from error
        raise UnreadableDocument(
            "The PDF is damaged and cannot be opened.", hint="Check that it was saved or downloaded completely."
        ) from error


def _warnings(layout: PdfLayout, without_ocr: UnreadableDocument | None) -> list[str]:
    if not layout.pages:
        raise UnreadableDocument("The PDF has no pages.", hint="Check that it was saved or downloaded completely.")
    empty = layout.empty_pages()
    if len(empty) == len(layout.pages):
        if without_ocr is not None:
            raise UnreadableDocument(
                f"The PDF has no text layer: its pages are pictures. {without_ocr.message}", hint=without_ocr.hint
            )
        raise UnreadableDocument(
            "The PDF has no text: its pages are empty, or show none that can be read.",
            hint="Check that it is the file that you meant; a scan may be too coarse or turned.",
        )
    warnings = []
    if layout.recognized:
        warnings.append(f"The text of {_pages(layout.recognized, layout)} was read by OCR and may have mistakes.")
    if empty:
        why = f" {without_ocr.message} {without_ocr.hint}" if without_ocr else ""
        warnings.append(f"There is no text on {_pages(empty, layout)}.{why}")
    return warnings


def _pages(numbers: list[int], layout: PdfLayout) -> str:
    listed = ", ".join(map(str, numbers[:20])) + (" ..." if len(numbers) > 20 else "")
    return f"{len(numbers)} of {len(layout.pages)} pages ({listed})"


def _metadata(fields: dict[str, str], layout: PdfLayout) -> dict[str, Any]:
    kept = {
        key.lower(): squeeze(fields[key]) for key in ("Subject", "Keywords", "Producer", "Creator") if fields.get(key)
    }
    found = {"running_lines_removed": layout.running, "ocr_pages": layout.recognized}
    return {**kept, **{key: value for key, value in found.items() if value}}


def _title(title: str) -> str | None:
    title = squeeze(title)
    return None if not title or _PLACEHOLDER.match(title) else title


def _date(text: str) -> str | None:
    """A PDF date, `D:YYYYMMDDHHmmSSOHH'mm`, in ISO 8601."""
    match = _DATE.match(text.strip())
    if not match:
        return None
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(match.groups()[:6], (1, 1, 1, 0, 0, 0), strict=True)
    )
    zone = UTC
    if match.group(7):
        offset = timedelta(hours=int(match.group(8)), minutes=int(match.group(9) or 0))
        zone = timezone(-offset if match.group(7) == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:
        return None
