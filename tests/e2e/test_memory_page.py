"""The page of what is remembered: added, found, corrected, forgotten with a way back, all forgotten."""

from playwright.sync_api import expect

from e2e.chatting import ask
from e2e.looking import violations


def test_memory_is_seen_corrected_and_forgotten(open_page):
    page = open_page("/memory")
    expect(page.get_by_role("heading", name="Nothing is remembered yet")).to_be_visible()

    def remember(text):
        page.get_by_role("button", name="Remember something").click()
        page.get_by_label("What", exact=True).fill(text)
        page.get_by_role("button", name="Remember", exact=True).click()

    remember("I live in Hamburg.")
    row = page.get_by_role("listitem").filter(has_text="Hamburg")
    expect(row).to_contain_text("about you")
    expect(row).to_contain_text("Written by you")
    remember("I moved to Lisbon.")
    expect(page.get_by_text("Remembered, in place of “I live in Hamburg.”.")).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="Lisbon")
    row.get_by_role("button", name="What “I moved to Lisbon.” replaced").click()
    expect(row.get_by_role("list", name="What it replaced")).to_contain_text("I live in Hamburg.")
    remember("My dog is called Rex.")
    expect(page.get_by_text("2 memories")).to_be_visible()
    for scheme in ("light", "dark"):
        other = open_page("/memory", color_scheme=scheme)
        expect(other.get_by_role("listitem").filter(has_text="Rex")).to_be_visible()
        assert violations(other) == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 800})

    page.keyboard.press("/")
    search = page.get_by_label("Search what is remembered")
    expect(search).to_be_focused()
    page.keyboard.type("What is my pet called?")
    expect(page.get_by_role("listitem").filter(has_text="Rex")).to_contain_text("relevant")
    search.fill("")
    expect(page.get_by_role("listitem").filter(has_text="Lisbon")).to_be_visible()

    page.get_by_role("button", name="Edit “My dog is called Rex.”").click()
    text = page.get_by_label("What", exact=True)
    expect(text).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit “My dog is called Rex.”")).to_be_focused()
    page.keyboard.press("Enter")
    text.fill("My dog is called Bello.")
    page.get_by_role("button", name="Save").click()
    dog = page.get_by_role("listitem").filter(has_text="Bello")

    dog.get_by_role("button", name="Forget").click()
    expect(dog).to_have_count(0)
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dog).to_be_visible()
    assert page.request.get("/api/v1/memories").json()["total"] == 2
    dog.get_by_role("button", name="Forget").click()
    page.goto("/traces")  # leaving does not bring it back
    for _ in range(100):
        if page.request.get("/api/v1/memories").json()["total"] == 1:
            break
        page.wait_for_timeout(100)
    page.goto("/memory")
    expect(page.get_by_role("listitem").filter(has_text="Lisbon")).to_be_visible()
    expect(dog).to_have_count(0)

    page.get_by_label("Show what was replaced").check()
    expect(page.get_by_role("listitem").filter(has_text="I live in Hamburg.")).to_contain_text("replaced")
    page.get_by_role("button", name="Forget all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Forget everything")).to_be_disabled()
    dialog.get_by_label("Type forget to go on").fill("forget")
    dialog.get_by_role("button", name="Forget everything").click()
    expect(page.get_by_text("All is forgotten.")).to_be_visible()
    assert page.request.get("/api/v1/memories/export").json()["memories"] == []


def test_a_conversation_is_asked_to_use_memory(open_page):
    page = open_page("/")
    page.get_by_label("Collection", exact=True).select_option(label="No documents")
    page.get_by_label("Memory", exact=True).select_option(label="Memory: on")
    ask(page, "My name is Ann. Say hello.")
    page.goto("/memory")
    row = page.get_by_role("listitem").filter(has_text="My name is Ann.")
    expect(row).to_contain_text("Found by rules")
    row.get_by_role("link", name="this conversation").click()
    expect(page.get_by_label("Memory", exact=True)).to_have_value("on")
    assert page.request.delete("/api/v1/memories").json() == {"forgotten": 1}
