"""The map of a collection, and its summary: seen, pointed at, and reached by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from e2e.looking import violations


def open_map(open_page, **options):
    page = open_page("/map?collection=handbook", **options)
    expect(page.locator("guru-topic-map svg")).to_be_visible()
    return page


def test_every_document_is_a_dot_and_a_row(open_page):
    page = open_map(open_page)
    expect(page.get_by_role("status").first).to_contain_text(re.compile(r"6 documents · \d+ topics?"))
    expect(page.locator("guru-topic-map circle[class^=topic-]")).to_have_count(6)
    page.get_by_text("Show as a table").click()
    table = page.get_by_role("region", name="The map as a table")
    expect(table.get_by_role("row")).to_have_count(7)
    expect(table.get_by_role("link", name="Employee Handbook")).to_have_attribute("href", re.compile("/documents/doc_"))


def test_pointing_at_a_dot_names_it_and_a_click_opens_it(open_page):
    page = open_map(open_page)
    dot = page.locator("guru-topic-map circle[class^=topic-]").first
    dot.hover()
    tip = page.locator(".map-tip")
    expect(tip).to_be_visible()
    title = tip.locator("strong").text_content()
    dot.click()
    page.wait_for_url("**/documents/**")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_arrow_keys_go_from_dot_to_dot_and_enter_opens(open_page):
    page = open_map(open_page)
    chart = page.get_by_role("application", name=re.compile("6 documents"))
    chart.focus()
    names = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
        names.add(page.locator(".map-tip strong").text_content())
    assert len(names) > 2
    page.keyboard.press("Escape")
    expect(page.locator(".map-tip")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/**")


def test_the_legend_shows_one_topic_and_all_again(open_page):
    page = open_map(open_page)
    page.get_by_label("Number of topics").select_option("3")
    keys = page.get_by_role("region", name="Topics").locator("li").get_by_role("button")
    expect(keys).to_have_count(3)
    size = int(keys.first.locator(".number").text_content())
    keys.first.click()
    expect(page.locator("guru-topic-map circle[class^=topic-]")).to_have_count(size)
    expect(keys.nth(1)).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("guru-topic-map circle[class^=topic-]")).to_have_count(6)


def test_a_finger_looks_first_and_opens_then(open_page):
    page = open_map(open_page, has_touch=True, viewport={"width": 420, "height": 900})
    dot = page.locator("guru-topic-map circle[class^=topic-]").first
    dot.tap()
    expect(page.locator(".map-tip")).to_be_visible()
    assert "/map" in page.url
    dot.tap()
    page.wait_for_url("**/documents/**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_tip_and_the_table_have_names_and_contrast(open_page, scheme):
    page = open_map(open_page, color_scheme=scheme)
    page.get_by_text("Show as a table").click()
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".map-tip")).to_be_visible()
    assert violations(page) == []


def test_a_collection_is_summarised_on_its_page(open_page):
    page = open_page("/collections/handbook")
    page.get_by_role("button", name="Summarise").click()
    sentences = page.locator("guru-summary li")
    expect(sentences).to_have_count(5)
    expect(page.locator("guru-summary")).to_contain_text("own most central sentences")
    assert violations(page) == []
    source = sentences.first.get_by_role("link").first
    expect(source).to_have_attribute("href", re.compile(r"/documents/doc_\w+\?start=\d+&end=\d+"))
    source.click()
    page.wait_for_url("**/documents/**")
