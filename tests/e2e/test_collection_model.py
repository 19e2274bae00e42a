"""The embedding model of a collection, changed and taken back on its page."""

import pytest
from playwright.sync_api import expect

from e2e.conftest import Windows
from running import configure_letters, embedding_process, run, run_json, serving


@pytest.fixture
def open_page(browser, home, tmp_path):
    """A server that has another model than the one its collection `notes` was embedded with."""
    (tmp_path / "moon.md").write_text("# The moon\n\nThe moon is full on Friday.")
    with embedding_process(delay=0.3) as url:
        run(home, "ingest", tmp_path / "moon.md", "-c", "notes")
        configure_letters(home, url, "letters-32")
        with serving(home) as server:
            windows = Windows(browser, server.url)
            yield windows
            windows.close()


def test_a_collection_is_embedded_anew_and_goes_back(open_page, home):
    page = open_page("/collections/notes")
    model = page.get_by_role("region", name="Embedding model")
    expect(model).to_contain_text("local/all-minilm-l6-v2")
    model.get_by_role("button", name="Embed anew").click()
    job = page.get_by_role("region", name="Embedding notes")
    expect(job).to_contain_text("1 chunk in")
    expect(page.locator(".page-head")).to_contain_text("letters/letters-32")
    expect(model).to_contain_text("the vectors of local/all-minilm-l6-v2 are kept")
    assert run_json(home, "search", "full moon", "-c", "notes")["results"][0]["document"] == "moon.md"
    model.get_by_role("button", name="Go back to local/all-minilm-l6-v2").click()
    expect(model.get_by_role("button", name="Embed anew")).to_be_visible()
    expect(page.locator(".page-head")).to_contain_text("local/all-minilm-l6-v2")
