"""Pages that are pictures: rendered, and read by OCR."""

from __future__ import annotations

from typing import Any

from guru.knowledge.parse.document import Limits
from guru.knowledge.parse.ocr import MAX_PIXELS, Recognizer

_DOTS_PER_INCH = 300
_POINTS_PER_INCH = 72


def read_scanned(pdf: Any, numbers: list[int], limits: Limits) -> dict[int, list[str]]:
    """The paragraphs on those of the pages `numbers` (from 1) of an open pypdfium2 document that show something.

    Raises as `Recognizer` does, where there is something to recognise.
    """
    recognizer: Recognizer | None = None
    found = {}
    for number in numbers:
        page = pdf[number - 1]
        try:
            if not _is_blank(page):
                recognizer = recognizer or Recognizer(limits)
                found[number] = recognizer.paragraphs(_picture(page))
        finally:
            page.close()
    return found


def _is_blank(page: Any) -> bool:
    import pypdfium2.raw

    return bool(pypdfium2.raw.FPDFPage_CountObjects(page) == 0)


def _picture(page: Any) -> Any:
    width, height = page.get_size()
    scale = min(_DOTS_PER_INCH / _POINTS_PER_INCH, (MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
    image = page.render(scale=scale, grayscale=True).to_pil()
    image.info["dpi"] = (scale * _POINTS_PER_INCH,) * 2
    return image
