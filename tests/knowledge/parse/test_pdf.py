import io

import pytest
from PIL import Image, ImageDraw

from guru.errors import NotFound, UnreadableDocument
from guru.knowledge.parse import Limits, parse
from guru.knowledge.parse.pdf import read_layout, render_page
from knowledge.parse.writing import lines, pdf

LIMITS = Limits()
PROSE = [
    "The first line of the paragraph goes on to",
    "the second line, which ends the sentence.",
]


def test_lines_of_a_paragraph_are_joined_and_paragraphs_stand_apart():
    def write(document):
        document.add_page()
        y = lines(document, PROSE)
        lines(document, ["A second paragraph."], y=y + 10)

    assert parse(pdf(write), "a.pdf").text == (
        "The first line of the paragraph goes on to the second line, which ends the sentence.\n\nA second paragraph."
    )


def test_every_page_has_a_span_of_the_text():
    def write(document):
        for number in ("one", "two", "three"):
            document.add_page()
            lines(document, [f"Words of page {number}."])

    document = parse(pdf(write), "a.pdf")
    assert [document.text[page.start : page.end].strip() for page in document.pages] == [
        "Words of page one.",
        "Words of page two.",
        "Words of page three.",
    ]
    assert [page.number for page in document.pages] == [1, 2, 3]


def test_a_table_keeps_its_rows_with_cells_separated():
    def write(document):
        document.add_page()
        rows = [("Item", "2019", "2018"), ("Product", "$ 66,069", "$ 64,497"), ("Service", "(59,774)", "45,863")]
        for row, y in zip(rows, (100, 116, 132), strict=True):
            for cell, x in zip(row, (72, 300, 400), strict=True):
                document.text(x, y, cell)

    assert parse(pdf(write), "a.pdf").text == (
        "Item | 2019 | 2018\nProduct | $66,069 | $64,497\nService | (59,774) | 45,863"
    )


def test_two_columns_are_read_one_after_the_other():
    left = [f"left column line {number} of the text" for number in range(1, 9)]
    right = [f"right column line {number} of the text" for number in range(1, 9)]

    def write(document):
        document.add_page()
        lines(document, ["A Title That Goes Over Both Columns Of The Page, From Left To Right Edge"], y=60, size=14)
        lines(document, left, x=60, y=100)
        lines(document, right, x=320, y=100)

    text = parse(pdf(write), "a.pdf").text
    assert text.index("Title") < text.index("left column line 1")
    assert text.index("left column line 8") < text.index("right column line 1")
    assert "left column line 2 of the text left column line 3" in text


def test_headings_are_found_by_size_and_weight():
    def write(document):
        document.add_page()
        lines(document, ["Annual Report"], y=60, size=22)
        lines(document, PROSE * 3, y=100)
        lines(document, ["Outlook"], y=210, style="B")
        lines(document, PROSE * 3, y=235)

    document = parse(pdf(write), "a.pdf")
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "Annual Report"), (2, "Outlook")]
    assert all(document.text.startswith(heading.title, heading.start) for heading in document.headings)
    assert document.title == "Annual Report"


def test_hyphens_at_line_ends_go_unless_the_word_has_one():
    def write(document):
        document.add_page()
        texts = [
            "This long-term contract was signed for the deve-",
            "lopment of a long-",
            "term plan that everybody knows about.",
        ]
        lines(document, texts)

    text = parse(pdf(write), "a.pdf").text
    assert "development of a long-term plan" in text


def test_running_heads_go_but_for_the_first_and_page_numbers_go_all():
    def write(document):
        for number in range(1, 7):
            document.add_page()
            lines(document, ["Handbook of the Company"], y=30, size=8)
            lines(document, [f"Chapter {'ABCDEF'[number - 1]} has words of its own."], y=200)
            lines(document, [f"Page {number} of 6"], y=820, size=8)

    document = parse(pdf(write), "a.pdf")
    assert document.text.count("Handbook of the Company") == 1
    assert "Page" not in document.text
    assert document.text.count("words of its own") == 6
    assert document.metadata["running_lines_removed"] == {"Handbook of the Company": 5, "Page # of #": 6}


def test_a_sentence_that_goes_on_over_the_page_is_parted_by_a_line_break_only():
    def write(document):
        document.add_page()
        lines(document, ["This sentence begins on one page and"])
        document.add_page()
        lines(document, ["ends on the next."])

    document = parse(pdf(write), "a.pdf")
    assert document.text == "This sentence begins on one page and\nends on the next."
    assert [document.text[page.start : page.end] for page in document.pages][1] == "ends on the next."


def test_comments_and_form_fields_are_part_of_the_text():
    def write(document):
        document.add_page()
        lines(document, ["Please sign here."])
        document.text_annotation(72, 200, text="Check the date.")
        document.free_text_annotation("Approved by Ada.", x=72, y=300, w=200, h=30)

    assert parse(pdf(write), "a.pdf").text == (
        "Please sign here.\n\nComment: Check the date.\n\nComment: Approved by Ada."
    )


def test_a_repeated_line_in_the_body_stays():
    def write(document):
        for _ in range(6):
            document.add_page()
            lines(document, ["The same words in the middle."], y=400)

    assert parse(pdf(write), "a.pdf").text.count("The same words") == 6


def test_text_set_sideways_is_one_line():
    def write(document):
        document.add_page()
        lines(document, PROSE)
        with document.rotation(90, x=40, y=500):
            document.text(40, 500, "Sideways note")

    assert "Sideways note" in parse(pdf(write), "a.pdf").text


def test_metadata_of_the_file_is_read():
    document = parse(pdf(text="Some words to read.", title="Report on Words"), "a.pdf")
    assert document.title == "Report on Words"
    assert document.media_type == "application/pdf"
    assert document.created is not None


def test_a_title_that_is_a_file_name_is_none():
    assert parse(pdf(text="Some words.", title="Microsoft Word - draft.docx"), "report.pdf").title == "report"


def test_a_partial_scan_names_the_pages_without_text():
    def write(document):
        for number in range(1, 4):
            document.add_page()
            if number != 2:
                lines(document, ["Words."])

    document = parse(pdf(write), "a.pdf")
    assert document.warnings == ["There is no text on 1 of 3 pages (2)."]
    assert len(document.pages) == 3


def test_an_encrypted_file_says_so():
    data = pdf(text="Secret words.", encryption={"owner_password": "owner", "user_password": "user"})
    with pytest.raises(UnreadableDocument, match="needs a password"):
        parse(data, "a.pdf")


def test_an_empty_user_password_opens():
    data = pdf(text="Printable words.", encryption={"owner_password": "owner", "user_password": ""})
    assert parse(data, "a.pdf").text == "Printable words."


def test_a_truncated_file_is_refused_or_read_but_never_crashes():
    data = pdf(text="Some words.")
    for length in range(8, len(data), 97):
        try:
            assert parse(data[:length], "a.pdf").text
        except UnreadableDocument as error:
            assert error.hint


def test_too_many_pages_are_refused():
    def write(document):
        for _ in range(3):
            document.add_page()
            lines(document, ["Words."])

    with pytest.raises(UnreadableDocument, match="3 pages; the limit is 2"):
        parse(pdf(write), "a.pdf", limits=Limits(pages=2))


def two_pages(document):
    document.add_page()
    lines(document, ["First line of a paragraph that is cited and", "second line of it, with the end."])
    document.add_page()
    lines(document, ["Another page."])


def test_a_highlight_covers_exactly_the_letters_of_its_span():
    data = pdf(two_pages)
    text = parse(data, "a.pdf").text
    start = text.index("that is cited")
    (page,) = read_layout(data, LIMITS).highlight(start, start + len("that is cited"))
    (rectangle,) = page.rects
    assert page.page == 1

    # Paint the rectangle white: the words under it are gone and all others are still there.
    before = Image.open(io.BytesIO(render_page(data, 1, 2.0))).convert("L")
    painted = before.copy()
    box = (rectangle.x, rectangle.y, rectangle.x + rectangle.width, rectangle.y + rectangle.height)
    left, top, right, bottom = (round(v * s) for v, s in zip(box, before.size * 2, strict=True))
    assert before.crop((left, top, right, bottom)).getextrema()[0] < 100
    ImageDraw.Draw(painted).rectangle((left, top, right, bottom), fill=255)
    line = painted.crop((0, top, painted.width, bottom)).point(lambda value: 255 - value).getbbox()
    assert line is not None
    words = text[:start].rstrip()
    (prefix,) = read_layout(data, LIMITS).highlight(0, len(words))
    assert abs(prefix.rects[0].x + prefix.rects[0].width - rectangle.x) < 0.01


def test_a_highlight_over_lines_and_pages_has_a_rectangle_for_each():
    data = pdf(two_pages)
    document = parse(data, "a.pdf")
    pages = read_layout(data, LIMITS).highlight(0, len(document.text))
    assert [(page.page, len(page.rects)) for page in pages] == [(1, 2), (2, 1)]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_highlights_follow_the_rotation_of_the_page(turn):
    import pypdfium2

    opened = pypdfium2.PdfDocument(pdf(text="Turned words."))
    opened[0].set_rotation(turn)
    out = io.BytesIO()
    opened.save(out)
    opened.close()
    data = out.getvalue()
    text = parse(data, "a.pdf").text
    assert text == "Turned words."
    (page,) = read_layout(data, LIMITS).highlight(0, len(text))
    shown = Image.open(io.BytesIO(render_page(data, 1, 2.0))).convert("L")
    ink = shown.point(lambda value: 255 - value).getbbox()
    x0 = min(rectangle.x for rectangle in page.rects) * shown.width
    y0 = min(rectangle.y for rectangle in page.rects) * shown.height
    x1 = max(rectangle.x + rectangle.width for rectangle in page.rects) * shown.width
    y1 = max(rectangle.y + rectangle.height for rectangle in page.rects) * shown.height
    assert x0 - 3 <= ink[0] and y0 - 3 <= ink[1] and ink[2] <= x1 + 3 and ink[3] <= y1 + 3


def test_a_page_is_rendered_at_its_scale():
    image = Image.open(io.BytesIO(render_page(pdf(text="Words."), 1, 0.5)))
    assert image.size == (298, 421)


def test_a_page_that_is_not_there_is_not_found():
    with pytest.raises(NotFound, match="no page 2"):
        render_page(pdf(text="Words."), 2, 1.0)
