"""Characters of a PDF page with their boxes, read in bulk."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

_LINE_END_HYPHENS = str.maketrans("\x02\ufffe", "--")  # how pdfium shows a hyphen at the end of a line
_BOLD = (b"bold", b"black", b"heavy", b"semibold", b"demi")
_BOLD_WEIGHT = 600


@dataclass(slots=True)
class PageCharacters:
    """Character i of `text` has the box `boxes[i]` = x0, y0, x1, y1 in points from the page's top left corner."""

    text: str
    boxes: NDArray[np.float32]
    width: float
    height: float


def read_characters(page: Any, textpage: Any) -> PageCharacters:
    """The characters of a pypdfium2 page as it is displayed, that is, turned and cropped.

    Boxes are pdfium's loose ones: as wide as the advance and as high as the font, so that the letters of a word touch
    and the height tells the font size.
    """
    count = max(pdfium.FPDFText_CountChars(textpage), 0)
    width, height = page.get_size()
    boxes = _displayed(_loose_boxes(textpage, count), page.get_bbox(), page.get_rotation())
    return PageCharacters(_text(textpage, count), boxes, width, height)


def is_bold(textpage: Any, index: int) -> bool:
    """Whether character `index` is set in a bold font, by its weight or by the font's name."""
    if pdfium.FPDFText_GetFontWeight(textpage, index) >= _BOLD_WEIGHT:
        return True
    name = ctypes.create_string_buffer(128)
    pdfium.FPDFText_GetFontInfo(textpage, index, name, len(name), ctypes.c_int())
    return any(word in name.value.lower() for word in _BOLD)


def _text(textpage: Any, count: int) -> str:
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(textpage, 0, count, buffer) if count else 1
    text = bytes(buffer)[: 2 * (written - 1)].decode("utf-16-le", "replace")
    # pdfium leaves some characters out of the text and adds others; then each is asked for by its index.
    if len(text) != count or "\ufffd" in text:
        text = "".join(_character(pdfium.FPDFText_GetUnicode(textpage, index)) for index in range(count))
    return text.translate(_LINE_END_HYPHENS)


def _character(code: int) -> str:
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\x00"


def _loose_boxes(textpage: Any, count: int) -> NDArray[np.float32]:
    """Left, top, right, bottom of every character in the page's own coordinates, y upwards. Shape (count, 4)."""
    boxes = np.zeros((count, 4), dtype=np.float32)
    read, handle, address = _loose_box_function(), ctypes.cast(textpage.raw, ctypes.c_void_p).value, boxes.ctypes.data
    for index in range(count):
        read(handle, index, address + 16 * index)
    return boxes


@cache
def _loose_box_function() -> Any:
    """FPDFText_GetLooseCharBox taking plain addresses: half the time of the generated binding per call."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    return prototype(ctypes.cast(pdfium.FPDFText_GetLooseCharBox, ctypes.c_void_p).value or 0)


def _displayed(
    boxes: NDArray[np.float32], visible: tuple[float, float, float, float], rotation: int
) -> NDArray[np.float32]:
    """Boxes in page coordinates as x0, y0, x1, y1 on the displayed page, y downwards."""
    left, bottom, right, top = visible
    x0, y0, x1, y1 = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    turned = {
        0: (x0 - left, top - y0, x1 - left, top - y1),
        90: (y0 - bottom, x0 - left, y1 - bottom, x1 - left),
        180: (right - x0, y0 - bottom, right - x1, y1 - bottom),
        270: (top - y0, right - x0, top - y1, right - x1),
    }[rotation % 360]
    first = np.stack(turned[:2], axis=1)
    second = np.stack(turned[2:], axis=1)
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1).astype(np.float32)
