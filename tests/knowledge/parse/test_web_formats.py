import pytest

from guru.errors import UnreadableDocument
from guru.knowledge.parse import Limits, parse

# --------------------------------------------------------------------------- HTML


def text_of(html):
    return parse(html.encode(), "a.html").text


def test_a_page_is_read_without_scripts_styles_and_navigation():
    page = """<!doctype html><title>T</title><style>p {}</style><nav>Home About</nav>
    <p>Hello <b>bold</b> world.<script>alert(1)</script></p><div hidden>no</div><p style="display: none">no</p>"""
    assert text_of(page) == "Hello bold world."


def test_headings_lists_tables_and_code_keep_their_shape():
    page = """<h1>Guide</h1><ol><li>one</li><li>two<ul><li>inner</li></ul></li></ol>
    <table><tr><th>Class</th><th>Kept</th></tr><tr><td>Internal</td><td>5 <i>years</i></td></tr></table>
    <pre>a = 1\n  b = 2</pre>"""
    document = parse(page.encode(), "a.html")
    assert document.text == ("Guide\n\n1. one\n2. two\n  - inner\n\nClass | Kept\nInternal | 5 years\n\na = 1\n  b = 2")
    assert [(heading.level, heading.title, heading.start) for heading in document.headings] == [(1, "Guide", 0)]


def test_a_table_that_lays_out_the_page_is_read_as_text():
    page = "<table><tr><td><h2>News</h2><p>First.</p></td><td><p>Second.</p></td></tr></table>"
    assert text_of(page) == "News\n\nFirst.\n\nSecond."


def test_metadata_of_a_page_is_read():
    page = """<html lang="de-AT"><head><title> Der  Titel </title><meta name="author" content="A. Huber">
    <meta property="article:published_time" content="2026-01-12"></head><body>Guten Tag, meine Damen</body></html>"""
    document = parse(page.encode(), "a.html")
    assert (document.title, document.author) == ("Der Titel", "A. Huber")
    assert (document.created, document.language) == ("2026-01-12", "de")


@pytest.mark.parametrize(
    "data",
    [
        '<meta charset="iso-8859-2"><p>Zażółć gęślą jaźń</p>'.encode("iso-8859-2"),
        "<p>Zażółć gęślą jaźń</p>".encode("utf-16"),
        b"\xef\xbb\xbf" + '<meta charset="latin-1"><p>Zażółć gęślą jaźń</p>'.encode(),
    ],
)
def test_the_encoding_of_a_page_is_found(data):
    assert parse(data, "a.html").text == "Zażółć gęślą jaźń"


def test_a_page_nested_very_deeply_is_refused():
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        parse(b"<div>" * 5000 + b"text" + b"</div>" * 5000, "a.html")


# --------------------------------------------------------------------------- JSON


def test_json_becomes_a_line_per_value_with_its_path():
    data = b'{"title": "Staff", "people": [{"name": "Ada", "since": 2009}, {"name": "Bob", "tags": []}]}'
    document = parse(data, "a.json")
    assert document.text == (
        "title: Staff\npeople[0].name: Ada\npeople[0].since: 2009\npeople[1].name: Bob\npeople[1].tags: []"
    )
    assert document.title == "Staff"


def test_numbers_stay_exactly_as_they_are_written():
    digits = "9" * 6000
    assert parse(f'{{"big": {digits}, "price": 1.10}}'.encode(), "a.json").text == f"big: {digits}\nprice: 1.10"


def test_a_key_that_stands_twice_stays_twice():
    assert parse(b'{"a": 1, "a": 2}', "a.json").text == "a: 1\na: 2"


def test_broken_json_is_read_as_text_with_a_warning():
    document = parse(b'{"a": 1,', "a.json")
    assert document.text == '{"a": 1,'
    assert "no valid JSON" in document.warnings[0]


def test_json_nested_too_deeply_is_refused():
    for depth in (200, 200_000):
        with pytest.raises(UnreadableDocument, match="nested"):
            parse(b"[" * depth + b"]" * depth, "a.json")


def test_json_lines_are_blocks_and_broken_lines_are_kept():
    document = parse(b'{"a": 1, "b": "x"}\nbroken\n{"a": 2}\n', "a.jsonl")
    assert document.text == "a: 1\nb: x\n\nbroken\n\na: 2"
    assert document.warnings == ["1 lines are no valid JSON and were kept as text, the first is line 2."]


# --------------------------------------------------------------------------- CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_carry_their_column_names_whatever_the_delimiter(delimiter):
    rows = ["site|people|rate", "Leeds|214|0,5", "Porto||2"]
    data = "\n".join(row.replace(",", ".").replace("|", delimiter) for row in rows).encode()
    assert parse(data, "a.csv").text == (
        "site | people | rate\nsite: Leeds | people: 214 | rate: 0.5\nsite: Porto | rate: 2"
    )


def test_quoted_cells_may_hold_delimiters_and_line_breaks():
    data = b'name,address\nOffice,"14 Calder Wharf,\nLeeds"\n'
    assert parse(data, "a.csv").text.endswith("name: Office | address: 14 Calder Wharf, Leeds")


def test_rows_without_a_header_are_written_as_they_are():
    assert parse(b"1,2\n3,4\n", "a.csv").text == "1 | 2\n3 | 4"


# --------------------------------------------------------------------------- e-mail

MESSAGE = b"""From: Ada <ada@example.org>
To: bob@example.org
Subject: =?utf-8?q?Caf=C3=A9?=
Date: Mon, 2 Nov 2026 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=xx

--xx
Content-Type: multipart/alternative; boundary=yy

--yy
Content-Type: text/plain; charset=latin-1

See you at the caf\xe9.
--yy
Content-Type: text/html

<p>See you.</p>
--yy--
--xx
Content-Type: text/csv
Content-Disposition: attachment; filename="list.csv"

name,age
Ada,36
--xx
Content-Type: image/png
Content-Disposition: attachment; filename="pic.png"

\x89PNG\r\n\x1a\n0000
--xx--
"""


def test_a_message_has_its_headers_its_text_and_its_readable_attachments():
    document = parse(MESSAGE, "a.eml")
    assert document.text == (
        "From: Ada <ada@example.org>\nTo: bob@example.org\nDate: Mon, 02 Nov 2026 10:00:00 +0100\nSubject: Café\n\n"
        "See you at the café.\n\nAttachment: list.csv\n\nname | age\nname: Ada | age: 36"
    )
    assert (document.title, document.created) == ("Café", "2026-11-02T10:00:00+01:00")
    assert [attachment["name"] for attachment in document.metadata["attachments"]] == ["list.csv", "pic.png"]
    assert "pic.png was not read" in document.warnings[0]
    assert document.text.startswith("Attachment: list.csv", document.headings[0].start)


def test_messages_in_messages_end_somewhere():
    message = b"From: a@example.org\nSubject: innermost\n\nThe end.\n"
    for level in range(20):
        message = b"From: a@example.org\nSubject: level %d\nContent-Type: message/rfc822\n\n" % level + message
    document = parse(message, "a.eml")
    assert "level 19" in document.text
    assert any("nested" in warning for warning in document.warnings)


def test_a_message_with_very_many_parts_is_refused():
    parts = b"--x\nContent-Type: text/plain\n\nhi\n" * 50
    message = b"From: a@example.org\nContent-Type: multipart/mixed; boundary=x\n\n" + parts + b"--x--"
    with pytest.raises(UnreadableDocument, match="too many parts"):
        parse(message, "a.eml", limits=Limits(entries=20))
