"""Files that are not what they seem, and arbitrary bytes."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from guru.errors import UnreadableDocument
from guru.knowledge.parse import Limits, parse
from knowledge.parse.writing import pdf, slides, word, workbook

PDF = pdf(text="Words of a page.")
DOCX = word(lambda document: document.add_paragraph("Words of a letter."))
PPTX = slides(
    lambda deck: setattr(deck.slides.add_slide(deck.slide_layouts[0]).shapes.title, "text", "Words of a slide")
)
XLSX = workbook(Sheet=[["Name", "Age"], ["Ada", 36]])
NAMES = [
    "a.pdf",
    "a.docx",
    "a.pptx",
    "a.xlsx",
    "a.html",
    "a.md",
    "a.csv",
    "a.json",
    "a.jsonl",
    "a.eml",
    "a.py",
    "a",
    "a.txt",
]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PDF, "application/pdf"),
        (DOCX, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (PPTX, "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        (XLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_a_file_with_a_lying_name_is_read_as_what_it_is_with_a_warning(data, media_type):
    document = parse(data, "notes.txt")
    assert document.media_type == media_type
    assert "named .txt" in document.warnings[0]
    assert parse(data, "notes").warnings == []


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.pptx", "a.xlsx"])
def test_text_that_is_named_as_a_document_says_what_it_is(name):
    with pytest.raises(UnreadableDocument, match="it holds an HTML page"):
        parse(b"<!DOCTYPE html><html><body>404 not found</body></html>", name)
    with pytest.raises(UnreadableDocument, match="it holds text"):
        parse(b"just some words", name)


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"<!doctype html><p>Hello", "page", "text/html"),
        (b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nHello", "mail", "message/rfc822"),
        (b'{"a": 1}', "data", "application/json"),
        (b"a,b\n1,2", "data.csv", "text/csv"),
        (b"plain words", "README", "text/plain"),
        (b"# Head", "a.MD", "text/markdown"),
    ],
)
def test_text_formats_are_told_by_content_or_name(data, name, media_type):
    assert parse(data, name).media_type == media_type


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (bytes(100), "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "damaged"),
        (b"\x1f\x8b\x08" + bytes(50), "gzip archive"),
        (b"{\\rtf1 hello}", "Rich Text"),
        (bytes(range(256)) * 4, "binary data"),
        (b"PK\x03\x04" + bytes(60), "damaged"),
        (b"%PDF-1.7\nnothing more", "damaged"),
    ],
)
def test_what_cannot_be_read_says_what_it_is_and_what_to_do(data, message):
    with pytest.raises(UnreadableDocument, match=message) as caught:
        parse(data, "file.bin")
    assert caught.value.hint


def test_a_file_over_the_limit_is_refused():
    with pytest.raises(UnreadableDocument, match="the limit is"):
        parse(b"x" * 101, "a.txt", limits=Limits(file_bytes=100))


def check(data, name):
    """`parse` gives a document whose offsets are all inside its text, or says that the file is unreadable."""
    try:
        document = parse(data, name)
    except UnreadableDocument as error:
        assert error.message
        return
    length = len(document.text)
    assert document.text.strip()
    assert document.title
    document.text.encode()
    end = 0
    for page in document.pages:
        assert end <= page.start <= page.end <= length
        assert not document.text[end : page.start].strip()
        end = page.end
    if document.pages:
        assert end == length
    for heading in document.headings:
        assert 0 <= heading.start < length
        assert heading.level >= 1
        assert heading.title
    assert document == parse(data, name)


MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_arbitrary_bytes_are_a_document_or_unreadable(data, name):
    check(data, name)


@MANY
@given(st.text(max_size=300), st.sampled_from(NAMES))
def test_arbitrary_text_is_a_document_or_unreadable(text, name):
    check(text.encode("utf-8", "surrogatepass"), name)


@MANY
@given(st.sampled_from([PDF, DOCX, PPTX, XLSX]), st.data())
def test_damaged_documents_are_a_document_or_unreadable(data, draw):
    damaged = bytearray(data)
    for position in draw.draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=8)):
        damaged[position] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(len(data) // 2, len(data)))
    check(bytes(damaged[:cut]), "a.bin")


HTML = st.lists(
    st.sampled_from(["<p>", "</p>", "<table>", "<tr>", "<td>", "</table>", "<ul>", "<li>", "</ul>", "<h2>", "</h2>"])
    | st.sampled_from(
        ["<pre>", "</pre>", "<b>", "<br>", "<!--", "-->", "<script>", "</script>", "words ", "&amp;", "é"]
    ),
    max_size=40,
).map("".join)
MARKDOWN = st.lists(
    st.sampled_from(
        ["# ", "## ", "\n", "\n\n", "```\n", "> ", "- ", "---\n", "===\n", "    ", "word ", "[a](b)", "**", "\t"]
    ),
    max_size=40,
).map("".join)


@MANY
@given(HTML)
def test_tags_in_any_order_are_a_document_or_unreadable(html):
    check(b"<body>" + html.encode(), "a.html")


@MANY
@given(MARKDOWN)
def test_markdown_marks_in_any_order_keep_the_text(markdown):
    check(markdown.encode(), "a.md")
    if markdown.strip():
        document = parse(markdown.encode(), "a.md")
        assert document.text == markdown
        for heading in document.headings:
            assert heading.title.split()[0][0] in markdown[heading.start :]
