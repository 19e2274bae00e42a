"""PPTX: a slide is a page, its title a heading; tables, charts and notes belong to it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

from guru.knowledge.parse.builder import TextBuilder, squeeze
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.package import check_package
from guru.knowledge.parse.properties import core_properties
from guru.knowledge.parse.table import row_line

_FURNITURE = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.HEADER}


def parse_pptx(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read a PPTX, hidden slides too. Raises `UnreadableDocument`."""
    check_package(data, limits)
    presentation = pptx.Presentation(io.BytesIO(data))
    builder = TextBuilder(limits)
    for number, slide in enumerate(presentation.slides, 1):
        builder.page(number)
        _slide(slide, builder)
    return ParsedDocument(
        text=builder.text(),
        media_type="application/vnd.openxmlformats-officedocument.presentationml.presentation",
        pages=builder.pages,
        headings=builder.headings,
        **core_properties(presentation.core_properties),
    )


def _slide(slide: Any, builder: TextBuilder) -> None:
    title = slide.shapes.title
    if title is not None:
        builder.heading(1, _text(title.text_frame).replace("\n", " "))
    for shape in _in_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _shape(shape, builder)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = _text(slide.notes_slide.notes_text_frame)
        if notes:
            builder.block(f"Notes: {notes}")


def _in_order(shapes: Any) -> Iterator[Any]:
    """Shapes from top to bottom and left to right, those in groups in their place."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _in_order(shape.shapes)
        elif not (shape.is_placeholder and shape.placeholder_format.type in _FURNITURE):
            yield shape


def _shape(shape: Any, builder: TextBuilder) -> None:
    if shape.has_text_frame:
        text = _text(shape.text_frame)
        if text:
            builder.block(text)
    elif getattr(shape, "has_table", False) and shape.has_table:
        builder.end_block()
        for row in shape.table.rows:
            line = row_line(cell.text for cell in row.cells)
            if line:
                builder.line(line)
        builder.end_block()
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        _chart(shape.chart, builder)


def _text(frame: Any) -> str:
    """The paragraphs of a text frame as lines; deeper levels of an outline are indented list items."""
    lines = []
    for paragraph in frame.paragraphs:
        text = squeeze("".join("\n" if run == "\v" else run for run in paragraph.text)).replace("\n", " ")
        if text:
            lines.append("  " * (paragraph.level - 1) + "- " + text if paragraph.level else text)
    return "\n".join(lines)


def _chart(chart: Any, builder: TextBuilder) -> None:
    """A chart's data: a row for every category, with the value of each series."""
    builder.end_block()
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.line(squeeze(chart.chart_title.text_frame.text))
    for plot in chart.plots:
        series = [(squeeze(one.name or ""), list(one.values)) for one in plot.series]
        for position, category in enumerate(plot.categories):
            values = (
                f"{label}: {values[position]:g}"
                for label, values in series
                if position < len(values) and values[position] is not None
            )
            builder.line(row_line([str(category), *values]))
    builder.end_block()
