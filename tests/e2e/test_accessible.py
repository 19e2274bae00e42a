"""Every page for everybody: keyboard, screen reader, light and dark, phone and wide screen."""

import pytest
from playwright.sync_api import expect

from e2e.chatting import QUESTION, answered, ask
from e2e.looking import settled, violations

PAGES = [
    "/", "/collections", "/collections/handbook", "/agents", "/memory", "/map", "/chunks", "/workflows", "/traces",
    "/usage",
]  # fmt: skip
WIDTHS = [360, 768, 1600, 1920]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_names_landmarks_and_contrast(open_page, path, scheme):
    assert violations(settled(open_page(path, color_scheme=scheme))) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_answer_its_source_and_its_trace_have_names_and_contrast(open_page, scheme):
    page = open_page("/", color_scheme=scheme)
    ask(page).locator("guru-answer").get_by_role("button", name="Source 1").click()
    page.get_by_role("img", name="The cited passage").wait_for()
    assert violations(page) == []
    page.get_by_role("link", name="Open the document").click()
    page.get_by_role("img", name="The cited passage").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Chunks").click()
    assert violations(settled(page)) == []
    page.goto("/traces")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    page.get_by_role("button", name="Open or close all").click()
    assert violations(page) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_its_window(open_page, path, width):
    page = settled(open_page(path, viewport={"width": width, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1600])
def test_a_conversation_and_its_source_fit_the_window(open_page, width):
    page = open_page("/", viewport={"width": width, "height": 800})
    answer = ask(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    answer.locator("guru-answer").get_by_role("button", name="Source 1").click()
    page.get_by_role("img", name="The cited passage").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Close the source").click()
    expect(answer).to_be_visible()


def test_the_whole_way_goes_by_keyboard(page):
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Answer in one sentence.")
    page.keyboard.press("Enter")
    answer = answered(page)
    cite = answer.locator("guru-answer").get_by_role("button", name="Source 1")
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        if cite.evaluate("cite => cite === document.activeElement"):
            break
    expect(cite).to_be_focused()
    page.keyboard.press("Enter")
    source = page.get_by_role("complementary", name="Source")
    expect(source.get_by_role("heading", name="Source 1")).to_be_focused()
    page.keyboard.press("Escape")
    expect(source).to_have_count(0)
    expect(cite).to_be_focused()


def test_shortcuts_are_listed_and_focus_returns(page):
    button = page.get_by_role("button", name="Keyboard shortcuts")
    button.click()
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_an_answer_is_announced_once_when_it_stands(page):
    page.evaluate("""() => {
        const status = document.querySelector('[role=status][aria-live=polite]');
        window.heard = [];
        new MutationObserver(() => status.textContent && heard.push(status.textContent))
            .observe(status, { childList: true, characterData: true, subtree: true });
    }""")
    ask(page)
    page.wait_for_function("heard.length > 0")
    heard = page.evaluate("heard")
    assert len(heard) == 1 and "22 weeks" in heard[0] and "source" in heard[0]


def test_the_theme_is_switched_and_remembered(open_page):
    page = open_page("/traces", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.goto("/collections")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_motion_stops_where_it_is_not_wanted(open_page):
    page = open_page("/", reduced_motion="reduce")
    duration = page.evaluate("getComputedStyle(document.querySelector('.sidebar')).transitionDuration")
    assert float(duration.split(",")[0].removesuffix("s")) <= 0.001


def test_the_list_of_conversations_opens_and_closes_on_a_phone(open_page):
    page = open_page("/", viewport={"width": 360, "height": 740})
    opener = page.get_by_role("button", name="Conversations")
    opener.click()
    expect(page.get_by_role("link", name="New conversation")).to_be_focused()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
