"""What stands on a PDF page but not in its content: values of form fields, and comments."""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2.raw as pdfium

from guru.knowledge.parse.builder import squeeze

_MAX_BYTES = 1_000_000
_COMMENTS = {pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_FREETEXT}


def read_annotations(page: Any) -> list[str]:
    """A text for each filled form field, as `name: value`, and each comment on a pypdfium2 page."""
    found = []
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        text = _text(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if text:
            found.append(text)
    return found


def _text(annotation: Any) -> str:
    subtype = pdfium.FPDFAnnot_GetSubtype(annotation)
    if subtype in _COMMENTS:
        contents = _string(annotation, b"Contents")
        return f"Comment: {contents}" if contents else ""
    if subtype == pdfium.FPDF_ANNOT_WIDGET:
        name, value = _string(annotation, b"T"), _string(annotation, b"V")
        return f"{name}: {value}" if name and value and value != "Off" else value.removeprefix("Off")
    return ""


def _string(annotation: Any, key: bytes) -> str:
    size = min(pdfium.FPDFAnnot_GetStringValue(annotation, key, None, 0), _MAX_BYTES)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    return squeeze(bytes(buffer).decode("utf-16-le", "ignore").rstrip("\x00"))
