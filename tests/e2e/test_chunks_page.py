"""The page that shows how a document would be cut, two ways side by side."""

import re

from playwright.sync_api import expect

WAVES = "# Tides\n\n" + "The tide comes in at seven. " * 20 + "\n\n# Moons\n\nThe moon is full on Friday.\n"


def column(page, side):
    return page.get_by_role("region", name=f"Cut on the {side}")


def test_a_document_is_cut_two_ways_side_by_side(open_page):
    page = open_page("/chunks")
    page.get_by_label("Collection").select_option("handbook")
    page.get_by_label("Document").select_option(label="service-and-warranty.md")
    left, right = column(page, "left"), column(page, "right")
    for side in (left, right):
        expect(side.get_by_role("status")).to_contain_text(re.compile(r"\d+ chunks? of \d+ tokens on average"))
    expect(left.locator(".chunk").first).to_contain_text("tokens")
    right.get_by_label("Strategy").select_option("fixed")
    right.get_by_label("Tokens").fill("40")
    right.get_by_label("Tokens").press("Tab")
    right.get_by_label("Overlap").fill("10")
    right.get_by_label("Overlap").press("Tab")
    expect(right.locator(".chunk .shared").first).to_be_visible()
    expect(right.locator(".chunk-head").nth(1)).to_contain_text("shared with the one before")
    expect(right.locator(".chunk").nth(left.locator(".chunk").count())).to_be_visible()  # there are more
    right.get_by_label("Strategy").select_option("hierarchical")
    expect(right.locator(".chunk-head").nth(1)).to_contain_text("read as")
    expect(right.get_by_label("Tokens to read")).to_be_visible()


def test_pasted_text_shows_borders_and_heading_paths(open_page):
    page = open_page("/chunks")
    page.get_by_role("button", name="Text", exact=True).click()
    page.get_by_label("Text to cut").fill(WAVES)
    right = column(page, "right")
    expect(right.locator(".chunk").last).to_contain_text("The moon is full on Friday.")
    expect(right.locator(".chunk .path").last).to_have_text("Moons")
    left = column(page, "left")
    left.get_by_label("Strategy").select_option("sentence")
    left.get_by_label("Tokens").fill("30")
    left.get_by_label("Tokens").press("Tab")
    expect(left.get_by_role("status")).to_contain_text(re.compile(r"to (2\d|30)\b"))


def test_a_file_is_read_and_what_cannot_be_parsed_says_so(open_page):
    page = open_page("/chunks")
    page.get_by_role("button", name="A file").click()
    code = {"name": "Main.hs", "mimeType": "text/plain", "buffer": b"main = putStrLn greeting\n"}
    page.get_by_label("Choose a file").set_input_files(code)
    right = column(page, "right")
    right.get_by_label("Strategy").select_option("code")
    expect(right.locator(".note.warning")).to_contain_text("There is no grammar of Haskell")
    expect(right.locator(".chunk")).to_contain_text("putStrLn")


def test_a_size_that_no_model_reads_is_refused_in_its_column(open_page):
    page = open_page("/chunks", expected=["400"])
    left = column(page, "left")
    expect(left.get_by_role("status")).to_be_visible()
    left.get_by_label("Tokens").fill("5000")
    left.get_by_label("Tokens").press("Tab")
    expect(left.get_by_role("alert")).to_contain_text("the embedding model reads")
    expect(column(page, "right").locator(".chunk").first).to_be_visible()


def test_a_collection_takes_over_what_was_found_good(open_page):
    page = open_page("/collections/to-be-cut", expected=["404"])
    note = {"name": "tides.md", "mimeType": "text/markdown", "buffer": WAVES.encode()}
    page.get_by_label("Choose files").set_input_files(note)
    page.get_by_role("row", name=re.compile("tides.md")).get_by_role("link").click()
    page.get_by_role("link", name="Try other cuts").click()
    right = column(page, "right")
    expect(right.locator(".chunk").last).to_contain_text("The moon")
    right.get_by_role("button", name="Cut to-be-cut like this").click()
    expect(right).to_contain_text("to-be-cut is cut like this from its next ingest on.")
    settings = page.evaluate("fetch('/api/v1/collections/to-be-cut').then((answer) => answer.json())")
    assert settings["settings"]["chunking"] == "heading"
