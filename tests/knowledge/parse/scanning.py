"""Pictures of text, as a camera or a scanner makes them."""

import io
import shutil

import pytest
from PIL import Image, ImageDraw, ImageFont

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="needs Tesseract: apt install tesseract-ocr"
)


def picture(*rows, size=(1200, 400), mode="RGB", ink="black", paper="white"):
    """An image with rows of large text."""
    image = Image.new(mode, size, paper)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=44)
    for number, row in enumerate(rows):
        draw.text((40, 40 + number * 70), row, fill=ink, font=font)
    return image


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
