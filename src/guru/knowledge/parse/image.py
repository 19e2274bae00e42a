"""Pictures (PNG, JPEG, TIFF, WebP): what Tesseract reads in them. A TIFF has a page for each of its frames."""

from __future__ import annotations

import io
import warnings
from typing import Any

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import TextBuilder
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.ocr import MAX_PIXELS, NoText, Recognizer

_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "TIFF": "image/tiff", "WEBP": "image/webp"}


def parse_image(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Recognise the text of a picture. Raises `UnreadableDocument`, and `NeedsRecognition` as `Recognizer` does."""
    builder = TextBuilder(limits)
    with _open(data) as image:
        recognizer = Recognizer(limits)
        frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        for number in range(1, frames + 1):
            image.seek(number - 1)
            builder.page(number)
            for paragraph in recognizer.paragraphs(_upright(image)):
                builder.block(paragraph)
        media_type = _MEDIA_TYPES[image.format]
    text = builder.text()
    if not text.strip():
        raise NoText("No text was recognised in the picture.", hint="Check that it is the right one.")
    return ParsedDocument(text=text, media_type=media_type, pages=builder.pages, metadata={"ocr": True})


def _open(data: bytes) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of size and of odd metadata: the size is checked before it is unpacked
            return Image.open(io.BytesIO(data), formats=tuple(_MEDIA_TYPES))
    except Image.DecompressionBombError as error:
        raise UnreadableDocument("The picture has too many pixels.", hint="Save it smaller.") from error
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise UnreadableDocument(
            "The picture is damaged and cannot be opened.", hint="Check that it was saved or downloaded completely."
        ) from error


def _upright(image: Any) -> Any:
    """The frame that is open, turned as its camera held it, in grey on white."""
    from PIL import Image, ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableDocument(
            f"The picture has {width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,} in all.",
            hint="Save it smaller: 300 dots per inch are enough.",
        )
    try:
        turned = ImageOps.exif_transpose(image)
        if turned.mode in {"RGBA", "LA", "PA", "P"}:
            over = turned.convert("RGBA")
            turned = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        grey = turned.convert("L")
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow's word for a broken PNG
        raise UnreadableDocument(
            f"The picture is damaged ({error}).", hint="Check that it was saved or downloaded completely."
        ) from error
    grey.info = {"dpi": image.info.get("dpi", (0, 0))}
    return grey
