import asyncio
import time
from email.message import EmailMessage

import psutil
import pytest
from PIL import Image

from guru.errors import UnreadableDocument
from guru.knowledge.parse import Limits, parse
from guru.knowledge.parse.ocr import NeedsRecognition
from guru.knowledge.parse.sandbox import ParsePool
from knowledge.parse.scanning import encoded, needs_tesseract, picture
from knowledge.parse.writing import lines, pdf

WITH_TIME = Limits(ocr_seconds=60)


def scan(*pages):
    """A PDF whose pages are pictures, or text where a page is a string."""

    def write(document):
        for page in pages:
            document.add_page()
            if isinstance(page, str):
                lines(document, [page])
            elif page is not None:
                document.image(page, 40, 40, 500)

    return pdf(write)


@pytest.fixture
def without_tesseract(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@needs_tesseract
@pytest.mark.parametrize(
    ("kind", "name", "media_type"),
    [
        ("PNG", "note.png", "image/png"),
        ("JPEG", "note.jpg", "image/jpeg"),
        ("TIFF", "note.tiff", "image/tiff"),
        ("WEBP", "note.webp", "image/webp"),
    ],
)
def test_a_picture_is_read(kind, name, media_type):
    data = encoded(picture("The ferry leaves", "at seven o'clock."), kind)
    document = parse(data, name, limits=WITH_TIME)
    assert "ferry leaves" in document.text
    assert "seven" in document.text
    assert (document.media_type, document.title, document.metadata["ocr"]) == (media_type, "note", True)
    assert [page.number for page in document.pages] == [1]


@needs_tesseract
def test_every_frame_of_a_tiff_is_a_page():
    frames = [picture(f"Invoice number {number}") for number in (71, 72, 73)]
    document = parse(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), "in.tif", limits=WITH_TIME)
    texts = [document.text[page.start : page.end] for page in document.pages]
    assert [text.split()[-1] for text in texts] == ["71", "72", "73"]


@needs_tesseract
def test_a_photograph_is_turned_as_it_was_held_and_transparency_is_paper():
    turned = picture("The harbour opens early").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    assert "harbour" in parse(encoded(turned, "JPEG", exif=exif), "a.jpg", limits=WITH_TIME).text
    clear = picture("The harbour opens early", mode="RGBA", paper=(0, 0, 0, 0))
    assert "harbour" in parse(encoded(clear, "PNG"), "a.png", limits=WITH_TIME).text


@needs_tesseract
def test_scanned_pages_are_read_where_they_stand_between_others():
    document = parse(
        scan("Page one has a text layer.", picture("Pump serial number 4711"), "Page three as well.", None),
        "mixed.pdf",
        limits=WITH_TIME,
    )
    texts = [document.text[page.start : page.end].strip() for page in document.pages]
    assert texts[0] == "Page one has a text layer."
    assert "4711" in texts[1]
    assert texts[2] == "Page three as well."
    assert document.metadata["ocr_pages"] == [2]
    assert any("read by OCR" in warning for warning in document.warnings)
    assert any("1 of 4 pages (4)" in warning for warning in document.warnings)


@needs_tesseract
async def test_the_parser_process_reads_a_scan_and_finds_quotes_no_place_in_it(tmp_path):
    pool = ParsePool(timeout=60)
    path = tmp_path / "scan.pdf"
    path.write_bytes(scan(picture("The valve opens at", "nine bar."), "And this is text."))
    try:
        document = await pool.parse(path, "scan.pdf")
        assert "nine bar" in document.text
        (place,) = await pool.highlight(path, document.text.index("this is text"), "this is text")
        assert place.page == 2
        assert await pool.highlight(path, document.text.index("nine bar"), "nine bar") == []
    finally:
        await pool.aclose()


@needs_tesseract
async def test_whoever_looks_at_a_page_does_not_wait_for_recognition(tmp_path):
    pool = ParsePool(timeout=60)
    path, other = tmp_path / "big.png", tmp_path / "a.pdf"
    path.write_bytes(encoded(picture(*["Many words on many lines"] * 60, size=(3000, 4400)), "PNG"))
    other.write_bytes(pdf(text="A page to look at."))
    task = asyncio.create_task(pool.parse(path, "big.png"))
    try:
        await until(running_tesseracts)
        assert (await pool.render_page(other, 1, 1.0)).startswith(b"\x89PNG")
        assert not task.done()
        assert "Many words" in (await task).text
    finally:
        await pool.aclose()


@needs_tesseract
def test_a_picture_in_a_mail_is_read():
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.example", "c@d.example", "A scan"
    message.set_content("See the scan.")
    message.add_attachment(
        encoded(picture("Berth number 42"), "PNG"), maintype="image", subtype="png", filename="scan.png"
    )
    with pytest.raises(NeedsRecognition):
        parse(bytes(message), "a.eml")
    assert "Berth number 42" in parse(bytes(message), "a.eml", limits=WITH_TIME).text


@needs_tesseract
def test_without_time_for_it_a_scan_is_sent_back():
    with pytest.raises(NeedsRecognition):
        parse(scan(picture("Words")), "scan.pdf")
    with pytest.raises(NeedsRecognition):
        parse(encoded(picture("Words"), "PNG"), "a.png")


@needs_tesseract
async def test_time_for_recognition_is_limited_and_nothing_is_left_running(tmp_path):
    pool = ParsePool(timeout=60, ocr_timeout=0.05)
    path = tmp_path / "big.png"
    path.write_bytes(encoded(picture(*["Many words on many lines"] * 60, size=(3000, 4400)), "PNG"))
    try:
        with pytest.raises(UnreadableDocument, match=r"took longer than 0\.05 seconds") as caught:
            await pool.parse(path, "big.png")
        assert "ocr_timeout_seconds" in caught.value.hint
        assert not running_tesseracts()
    finally:
        await pool.aclose()


@needs_tesseract
async def test_a_parser_that_is_killed_takes_tesseract_with_it(tmp_path):
    pool = ParsePool(timeout=60)
    path = tmp_path / "big.png"
    path.write_bytes(encoded(picture(*["Many words on many lines"] * 60, size=(3000, 4400)), "PNG"))
    task = asyncio.create_task(pool.parse(path, "big.png"))
    await until(running_tesseracts)
    await pool.aclose()
    with pytest.raises(UnreadableDocument):
        await task
    await until(lambda: not running_tesseracts())


@needs_tesseract
def test_a_language_that_is_not_installed_is_named():
    limits = Limits(ocr_seconds=60, ocr_languages=("eng", "tlh"))
    with pytest.raises(UnreadableDocument, match=r"eng\+tlh") as caught:
        parse(encoded(picture("Words"), "PNG"), "a.png", limits=limits)
    assert "ocr_languages" in caught.value.hint


@needs_tesseract
def test_a_picture_without_text_says_so():
    with pytest.raises(UnreadableDocument, match="No text was recognised"):
        parse(encoded(picture(), "PNG"), "a.png", limits=WITH_TIME)


def test_a_scan_without_tesseract_says_how_to_get_it(without_tesseract):
    with pytest.raises(UnreadableDocument, match="no text layer") as caught:
        parse(scan(picture("Words")), "scan.pdf", limits=WITH_TIME)
    assert "apt install tesseract-ocr" in caught.value.hint
    with pytest.raises(UnreadableDocument, match="need OCR") as caught:
        parse(encoded(picture("Words"), "PNG"), "a.png", limits=WITH_TIME)
    assert "apt install tesseract-ocr" in caught.value.hint


def test_a_partial_scan_without_tesseract_keeps_its_text_and_says_what_is_missing(without_tesseract):
    document = parse(scan("Some text.", picture("Words")), "scan.pdf", limits=WITH_TIME)
    assert document.text.strip() == "Some text."
    (warning,) = document.warnings
    assert "1 of 2 pages (2)" in warning
    assert "apt install tesseract-ocr" in warning


def test_recognition_can_be_turned_off():
    limits = Limits(ocr_seconds=60, ocr_languages=())
    with pytest.raises(UnreadableDocument, match="turned off"):
        parse(encoded(picture("Words"), "PNG"), "a.png", limits=limits)


def test_empty_pages_need_no_recognition(without_tesseract):
    document = parse(scan("Words.", None), "a.pdf", limits=WITH_TIME)
    assert document.warnings == ["There is no text on 1 of 2 pages (2)."]
    with pytest.raises(UnreadableDocument, match="its pages are empty"):
        parse(scan(None), "a.pdf", limits=WITH_TIME)


@needs_tesseract
@pytest.mark.parametrize(
    "data",
    [
        encoded(picture("Words"), "PNG")[:400],
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"RIFF\x10\x00\x00\x00WEBPjunkjunkjunk",
        encoded(picture("Words"), "JPEG")[:900],
        encoded(picture("Words"), "TIFF")[:900],
    ],
)
def test_a_damaged_picture_says_so(data):
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(data, "a.png", limits=WITH_TIME)


@needs_tesseract
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked():
    data = encoded(Image.new("1", (9000, 9000)), "PNG")
    began = time.process_time()
    with pytest.raises(UnreadableDocument, match="9,000 x 9,000 pixels"):
        parse(data, "bomb.png", limits=WITH_TIME)
    assert time.process_time() - began < 5


def running_tesseracts():
    return [
        process
        for process in psutil.process_iter(["name", "status"])
        if process.info["name"] == "tesseract" and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


async def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)
