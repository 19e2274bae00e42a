"""CSV and TSV: a row is a line with its column names."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from guru.knowledge.parse.builder import TextBuilder, clean
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode
from guru.knowledge.parse.table import write_table

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 50


def parse_delimited(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read rows, the delimiter found by trying. Raises `UnreadableDocument`."""
    text, warnings = decode(data)
    text = clean(text)
    delimiter = _delimiter(text, name)
    csv.field_size_limit(max(limits.characters, 1))
    builder = TextBuilder(limits)
    rows = write_table(builder, _rows(text, delimiter))
    return ParsedDocument(
        text=builder.text(),
        media_type="text/tab-separated-values" if delimiter == "\t" else "text/csv",
        metadata={"rows": rows, "delimiter": delimiter},
        warnings=warnings,
    )


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    lines = (line + "\n" for line in text.split("\n"))
    for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        # A blank line in a CSV file parts nothing.
        if any(row):
            yield row


def _delimiter(text: str, name: str) -> str:
    """The delimiter that gives the most columns in most rows; a row that differs counts against it."""
    sample = text[: 64 * 1024]
    best, best_score = "\t" if name.lower().endswith((".tsv", ".tab")) else ",", 0.0
    for delimiter in _DELIMITERS:
        rows = []
        for row in _rows(sample, delimiter):
            rows.append(len(row))
            if len(rows) >= _SAMPLE_ROWS:
                break
        usual = max(set(rows), key=rows.count, default=1)
        score = (usual - 1) * (rows.count(usual) / len(rows)) ** 2 if rows else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
