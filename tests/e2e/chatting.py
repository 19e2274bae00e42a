"""What a person does in the chat."""

from playwright.sync_api import expect

PATIENCE = 240_000
"""Milliseconds. An answer takes a second or two; on a machine that is busy with something else it takes its time."""
QUESTION = "How many weeks of parental leave does every parent get?"


def ask(page, question=QUESTION):
    """Ask, and wait until the answer stands; the answer."""
    box = page.get_by_label("Your question")
    box.fill(question)
    box.press("Enter")
    return answered(page)


def answered(page):
    """The last answer, once it stands."""
    expect(page.get_by_role("button", name="Stop the answer")).to_have_count(0, timeout=PATIENCE)
    answer = page.get_by_role("article", name="Answer").last
    expect(answer.get_by_role("button", name="Answer again")).to_be_visible()
    return answer


def start_long_answer(page):
    """Ask the model itself, without documents, something that it talks about for long."""
    page.get_by_label("Collection", exact=True).select_option("")
    box = page.get_by_label("Your question")
    box.fill("Write a long story about a lighthouse keeper and his seven cats. Describe every cat in detail.")
    box.press("Enter")
    answer = page.get_by_role("article", name="Answer").last
    expect(answer.locator("guru-answer")).to_contain_text(" ", timeout=PATIENCE)
    return answer
