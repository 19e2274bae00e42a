"""Writes small documents for the tests with the usual writing libraries."""

import io
import zipfile

import docx
import openpyxl
import pptx
from fpdf import FPDF


def pdf(write=None, *, text="", encryption=None, title=None, size="A4"):
    """A PDF of one page with `text`, or of what `write(fpdf)` puts into it."""
    document = FPDF(format=size, unit="pt")
    document.set_auto_page_break(False)
    document.set_font("Helvetica", size=11)
    if title:
        document.set_title(title)
    if encryption:
        document.set_encryption(**encryption)
    if write:
        write(document)
    else:
        document.add_page()
        document.text(72, 72, text)
    return bytes(document.output())


def lines(document, texts, *, x=72, y=72, size=11, style="", pitch=14):
    """Put lines below each other. Returns where the next would stand."""
    document.set_font("Helvetica", style, size)
    for text in texts:
        document.text(x, y, text)
        y += pitch
    return y


def word(write):
    """A DOCX of what `write(document)` puts into it."""
    document = docx.Document()
    write(document)
    return _saved(document)


def slides(write):
    """A PPTX of what `write(presentation)` puts into it."""
    presentation = pptx.Presentation()
    write(presentation)
    return _saved(presentation)


def workbook(**sheets):
    """An XLSX with a sheet of rows for every keyword."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return _saved(book)


def package(parts, compression=zipfile.ZIP_DEFLATED):
    """A ZIP package with `parts`, a mapping of names to bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return out.getvalue()


def parts_of(data):
    """The parts of a ZIP package."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return {name: source.read(name) for name in source.namelist()}


def _saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
