"""A real browser on a real server: pages are driven as a person drives them."""

import os
import shutil

import pytest

from e2e.gateway import ADMIN, Gateway

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


NOT_OURS = "Transition was aborted because of invalid state. Page already revealed"
"""The browser leaves out its own cross-fade between two pages when the second is there before it, on a busy machine."""


class Windows:
    """Windows on a server. Nothing may be logged as an error in them and nothing may fail."""

    def __init__(self, browser, url):
        self.browser = browser
        self.url = url
        self.contexts = []
        self.problems = []

    def __call__(self, path="/", *, expected=(), **options):
        """Open a path in a new window; `expected` are parts of the errors that belong to what is tried."""
        context = self.browser.new_context(base_url=self.url, **{"locale": "en-GB", **options})
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def note(text):
            if not any(part in text for part in (*expected, NOT_OURS)):
                self.problems.append(text)

        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.goto(path)
        return page

    def close(self):
        for context in self.contexts:
            context.close()
        assert self.problems == []


@pytest.fixture
def open_page(browser, sample_server):
    """Open a path of the server with the sample documents in a new window."""
    windows = Windows(browser, sample_server.url)
    yield windows
    windows.close()


@pytest.fixture
def gateway(tmp_path):
    """A server that asks for keys, with models that say what they are told, and a release."""
    with Gateway(tmp_path / "home") as running:
        yield running


@pytest.fixture
def visit(browser, gateway):
    """Open a path of `gateway` in a new window, logged in with a key."""
    windows = Windows(browser, gateway.url)

    def visit(path, key=ADMIN, **options):
        page = windows("/login", **options)
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{gateway.url}/")
        page.goto(path)
        return page

    yield visit
    windows.close()


@pytest.fixture
def page(open_page):
    """The chat, ready to be asked."""
    page = open_page("/")
    page.get_by_role("list", name="Questions to begin with").wait_for()
    return page
