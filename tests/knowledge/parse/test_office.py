import datetime

import pytest

from guru.errors import UnreadableDocument
from guru.knowledge.parse import Limits, parse
from knowledge.parse.writing import package, parts_of, slides, word, workbook

# --------------------------------------------------------------------------- DOCX


def test_a_word_document_is_read_in_order_with_headings_by_style():
    def write(document):
        document.add_heading("Travel", 1)
        document.add_paragraph("Book early.")
        document.add_table(1, 2).rows[0].cells[1].text = "cell"
        document.add_heading("Hotels", 2)
        document.add_paragraph("Stay cheaply.")

    document = parse(word(write), "a.docx")
    assert document.text == "Travel\n\nBook early.\n\n | cell\n\nHotels\n\nStay cheaply."
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "Travel"), (2, "Hotels")]
    assert all(document.text.startswith(heading.title, heading.start) for heading in document.headings)


def test_list_items_have_their_bullets_and_numbers():
    def write(document):
        document.add_paragraph("red", style="List Bullet")
        document.add_paragraph("first", style="List Number")
        document.add_paragraph("second", style="List Number")
        document.add_paragraph("after")

    assert parse(word(write), "a.docx").text == "- red\n1. first\n2. second\n\nafter"


def test_rows_of_a_table_in_a_table_are_kept():
    def write(document):
        outer = document.add_table(2, 2)
        for cell, text in zip(outer.rows[0].cells, ("Region", "Figures"), strict=True):
            cell.text = text
        outer.cell(1, 0).text = "North"
        inner = outer.cell(1, 1).add_table(2, 2)
        for row, values in zip(inner.rows, (("2024", "17"), ("2025", "19")), strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value

    lines = parse(word(write), "a.docx").text.split("\n")
    assert "Region | Figures" in lines
    assert "2024 | 17" in lines
    assert "2025 | 19" in lines


def test_a_cell_merged_downwards_is_repeated_so_that_every_row_keeps_its_label():
    def write(document):
        table = document.add_table(2, 2)
        table.cell(0, 0).merge(table.cell(1, 0)).text = "North"
        table.cell(0, 1).text, table.cell(1, 1).text = "17", "19"

    assert parse(word(write), "a.docx").text == "North | 17\nNorth | 19"


def test_headers_and_footers_are_kept_once():
    def write(document):
        document.sections[0].header.paragraphs[0].text = "Confidential"
        document.add_paragraph("One.")
        document.add_section()
        document.add_paragraph("Two.")

    assert parse(word(write), "a.docx").text == "Confidential\n\nOne.\n\nTwo."


def test_deleted_text_is_gone_and_inserted_text_is_there():
    def write(document):
        document.add_paragraph("KEEP MARK END")

    parts = parts_of(word(write))
    body = parts["word/document.xml"].decode()
    tracked = (
        'KEEP </w:t></w:r><w:del w:id="1"><w:r><w:delText>old </w:delText></w:r></w:del>'
        '<w:ins w:id="2"><w:r><w:t xml:space="preserve">new </w:t></w:r></w:ins><w:r><w:t>'
    )
    parts["word/document.xml"] = body.replace("KEEP MARK ", tracked).encode()
    assert parse(package(parts), "a.docx").text == "KEEP new END"


def test_properties_of_a_word_document_are_read():
    def write(document):
        properties = document.core_properties
        properties.title, properties.author = "Travel Policy", "Y. Hartmann"
        properties.created = datetime.datetime(2026, 1, 12, 9, tzinfo=datetime.UTC)
        document.add_paragraph("Words.")

    document = parse(word(write), "a.docx")
    assert (document.title, document.author) == ("Travel Policy", "Y. Hartmann")
    assert document.created.startswith("2026-01-12T09:00:00")


# --------------------------------------------------------------------------- PPTX


def test_a_slide_is_a_page_with_its_title_notes_and_table():
    from pptx.util import Inches

    def write(presentation):
        for title in ("Results", "Plans"):
            slide = presentation.slides.add_slide(presentation.slide_layouts[1])
            slide.shapes.title.text = title
            slide.placeholders[1].text = f"Points on {title}"
        table = slide.shapes.add_table(1, 2, Inches(1), Inches(5), Inches(3), Inches(1)).table
        table.cell(0, 0).text, table.cell(0, 1).text = "Budget", "1,200"
        slide.notes_slide.notes_text_frame.text = "Say thanks."

    document = parse(slides(write), "a.pptx")
    assert [document.text[page.start : page.end].strip() for page in document.pages] == [
        "Results\n\nPoints on Results",
        "Plans\n\nPoints on Plans\n\nBudget | 1,200\n\nNotes: Say thanks.",
    ]
    assert [heading.title for heading in document.headings] == ["Results", "Plans"]


# --------------------------------------------------------------------------- XLSX


def test_rows_of_a_sheet_carry_their_column_names():
    rows = [
        ["Name", "Since", "Pay"],
        ["Ada", datetime.date(2020, 1, 2), 1234.5],
        ["Bob", datetime.datetime(2021, 3, 4, 5, 6), 10**14],  # noqa: DTZ001  (Excel has no time zones)
    ]
    document = parse(workbook(Staff=rows, Empty=[]), "a.xlsx")
    assert document.text == (
        "Staff\n\nName | Since | Pay\nName: Ada | Since: 2020-01-02 | Pay: 1234.5\n"
        "Name: Bob | Since: 2021-03-04 05:06:00 | Pay: 100000000000000\n\nEmpty"
    )
    assert document.metadata["sheets"] == ["Staff", "Empty"]


def test_a_title_over_a_table_is_no_header():
    document = parse(workbook(S=[["Report for 2025"], ["City", "Rain"], ["Leeds", 3]]), "a.xlsx")
    assert document.text == "S\n\nReport for 2025\nCity | Rain\nCity: Leeds | Rain: 3"


def test_formulas_without_a_saved_value_are_reported():
    document = parse(workbook(S=[["Sum", "=1+1"]]), "a.xlsx")
    assert document.warnings == ["1 formulas have no saved value; open the file in a spreadsheet program and save it."]


def test_rows_far_below_are_found_and_the_gap_is_one_blank_line():
    rows = [["top", "row"]] + [[] for _ in range(5000)] + [["far", "below"]]
    assert parse(workbook(S=rows), "a.xlsx").text == "S\n\ntop | row\n\nfar | below"


# --------------------------------------------------------------------------- packages that are not what they should be


@pytest.fixture
def parts():
    return parts_of(word(lambda document: document.add_paragraph("Words.")))


def test_a_zip_bomb_in_a_word_document_is_refused_unopened(parts):
    parts["word/media/image1.bin"] = bytes(50_000_000)
    with pytest.raises(UnreadableDocument, match="unpacks to over 200 times"):
        parse(package(parts), "a.docx")


def test_a_package_that_unpacks_to_too_much_is_refused(parts):
    with pytest.raises(UnreadableDocument, match="unpacks to"):
        parse(package(parts), "a.docx", limits=Limits(unpacked_bytes=10_000))


def test_a_package_of_too_many_parts_is_refused(parts):
    with pytest.raises(UnreadableDocument, match="parts, too many"):
        parse(package(parts), "a.docx", limits=Limits(entries=5))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_entities_are_refused(parts, encoding):
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    parts["word/document.xml"] = bomb.encode(encoding)
    with pytest.raises(UnreadableDocument, match="XML entities"):
        parse(package(parts), "a.docx")


def test_a_truncated_package_is_damaged(parts):
    data = package(parts)
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(data[: len(data) // 2], "a.docx")


def test_a_package_with_a_missing_part_is_damaged(parts):
    del parts["[Content_Types].xml"]
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(package(parts), "a.docx")


def test_an_encrypted_office_file_says_so():
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(UnreadableDocument, match="encrypted"):
        parse(data, "a.docx")


def test_an_old_office_file_says_what_to_do():
    with pytest.raises(UnreadableDocument, match="old binary Office format") as caught:
        parse(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "a.doc")
    assert "DOCX" in caught.value.hint


def test_a_text_over_the_limit_of_characters_is_refused():
    data = word(lambda document: document.add_paragraph("word " * 1000))
    with pytest.raises(UnreadableDocument, match="characters of text"):
        parse(data, "a.docx", limits=Limits(characters=100))
