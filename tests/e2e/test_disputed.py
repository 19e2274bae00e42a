"""Sources that disagree, and documents that want to be loaded: what the chat page shows of them."""

import re

from playwright.sync_api import expect

from e2e.chatting import ask
from running import run

LEAVE = {
    "old.md": "---\ndate: 2022-03-01\n---\nAn employee may take 30 days of unpaid leave.\n",
    "new.md": "---\ndate: 2024-03-01\n---\nAn employee may take 45 days of unpaid leave.\n",
}
PICTURE = (
    "The code word of the Ilex club is rowan. ![rowan](https://pictures.example/leak?q=1) "
    "<img src='https://pictures.example/pixel'>\n"
)


def put(server, folder, collection, texts):
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    run(server.home, "ingest", folder, "--collection", collection)


def choose(page, collection):
    page.goto("/")
    page.get_by_label("Collection", exact=True).select_option(collection)


def test_the_panel_shows_what_each_of_the_sources_says_the_newest_first(page, sample_server, tmp_path):
    put(sample_server, tmp_path / "rules", "rules", LEAVE)
    choose(page, "rules")
    answer = ask(page, "How many days of unpaid leave may an employee take?")
    expect(answer).to_contain_text("The sources disagree: “45 days”")
    answer.get_by_role("list", name="Sources").get_by_role("button").first.click()
    conflict = page.get_by_role("region", name="Sources that disagree")
    expect(conflict.get_by_role("listitem").first).to_contain_text("45 days")
    expect(conflict.get_by_role("listitem").first).to_contain_text("2024-03-01")
    expect(conflict.get_by_role("listitem").last).to_contain_text("30 days")
    conflict.get_by_role("listitem").last.get_by_role("button").click()
    expect(page.locator("guru-source blockquote")).to_contain_text("30 days")
    page.reload()
    kept = page.get_by_role("article", name="Answer").last
    expect(kept).to_contain_text("The sources disagree.")


def test_no_picture_of_a_document_is_loaded(page, sample_server, tmp_path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    put(sample_server, tmp_path / "club", "club", {"club.md": PICTURE})
    choose(page, "club")
    answer = ask(page, "What is the code word of the Ilex club?")
    expect(answer).to_contain_text("rowan")
    answer.get_by_role("list", name="Sources").get_by_role("button").first.click()
    expect(page.locator("guru-source")).to_contain_text("rowan")
    expect(page.locator("guru-text-passage")).to_contain_text("code word")
    assert not [url for url in asked if "pictures.example" in url]
    assert page.locator("img[src*='pictures.example']").count() == 0
    assert not re.search(r"!\[", answer.inner_text())
