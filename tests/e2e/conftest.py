"""A real browser on a real server: pages are driven as a person drives them."""

import os
import shutil

import pytest

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
NO_BROWSER = (
    "There is no Chromium. Debian and Ubuntu: `apt-get install chromium`. Elsewhere install Chrome or Chromium, "
    "or give the path of one in GURU_CHROMIUM."
)
PATIENCE = 30_000
"""Milliseconds to wait for what a page does by itself; `chatting.answered` waits longer, for the model."""


def find_chromium():
    """The path of an installed browser, or None."""
    if path := os.environ.get("GURU_CHROMIUM"):
        return path
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


# Not for the whole session: the driver of Playwright holds this thread's event loop, which other tests need.
@pytest.fixture(scope="module")
def browser():
    executable = find_chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, sample_server):
    """Open a path in a new window; nothing may be logged as an error and nothing may fail in it."""
    contexts, problems = [], []

    def open_page(path="/", *, expected=(), **options):
        context = browser.new_context(base_url=sample_server.url, **{"locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def note(text):
            if not any(part in text for part in expected):
                problems.append(text)

        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page):
    """The chat, ready to be asked."""
    page = open_page("/")
    page.get_by_role("list", name="Questions to begin with").wait_for()
    return page
