"""XLSX: a sheet is a heading, a row a line with its column names; formulas show the values that were saved."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import openpyxl

from guru.knowledge.parse.builder import TextBuilder
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.package import check_package
from guru.knowledge.parse.properties import core_properties
from guru.knowledge.parse.table import write_table

_MAX_EMPTY_ROWS = 100_000
_UNCOMPUTED = re.compile(rb"</f>\s*(?:<v\s*/>|<v></v>|</c>)")


def parse_xlsx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read all sheets, hidden ones too. Raises `UnreadableDocument`."""
    check_package(data, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl on features it does not keep: they hold no text
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        builder = TextBuilder(limits)
        notes: list[str] = []
        for sheet in workbook.worksheets:
            sheet.reset_dimensions()  # the file may claim a million empty rows
            builder.heading(1, sheet.title)
            write_table(builder, _rows(sheet, notes))
        properties = core_properties(workbook.properties)
        properties["metadata"]["sheets"] = workbook.sheetnames
        properties["title"] = properties["title"] or PurePosixPath(name).stem
        workbook.close()
    uncomputed = _uncomputed(data)
    if uncomputed:
        notes.append(f"{uncomputed} formulas have no saved value; open the file in a spreadsheet program and save it.")
    return ParsedDocument(
        text=builder.text(),
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headings=builder.headings,
        warnings=notes,
        **properties,
    )


def _rows(sheet: Any, notes: list[str]) -> Iterator[list[str]]:
    empty = 0
    for row in sheet.iter_rows():
        values = [_shown(cell) for cell in row]
        if any(values):
            empty = 0
            yield values
            continue
        empty += 1
        if empty == 1:
            yield []
        elif empty > _MAX_EMPTY_ROWS:
            notes.append(f"Sheet {sheet.title} was read up to a gap of more than {_MAX_EMPTY_ROWS:,} empty rows.")
            return


def _shown(cell: Any) -> str:
    """A cell's value as text: numbers exactly, percentages and dates as their format shows them."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (int, float)) and "%" in (cell.number_format or ""):
        return f"{value * 100:.10g}%"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    return str(value).strip()


def _uncomputed(data: bytes) -> int:
    """How many formulas were saved without a value, as programs do that do not compute."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        sheets = [name for name in package.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return sum(len(_UNCOMPUTED.findall(package.read(sheet))) for sheet in sheets)
