"""The chat: from a question to a cited answer, and what can be done with it."""

import re

import pypdfium2 as pdfium
import pytest
from playwright.sync_api import expect

from e2e.chatting import QUESTION, answered, ask, start_long_answer
from guru.samples import DOCUMENTS

# Measured in one go, as the page may still be scrolling to them: fractions of the sheet.
RECTANGLES = """sheet => [...sheet.querySelectorAll(".rect")].map((rect) => {
    const outer = sheet.getBoundingClientRect(), inner = rect.getBoundingClientRect();
    return [
        (inner.left - outer.left) / outer.width, (inner.top - outer.top) / outer.height,
        (inner.right - outer.left) / outer.width, (inner.bottom - outer.top) / outer.height,
    ];
})"""


def test_a_sample_question_is_answered_with_a_citation_that_opens_its_page(page):
    page.get_by_role("button", name=QUESTION, exact=True).click()
    answer = answered(page)
    expect(answer).to_contain_text("22 weeks")
    answer.locator("guru-answer").get_by_role("button", name="Source 1").click()
    source = page.get_by_role("complementary", name="Source")
    expect(source.get_by_role("heading", name="Source 1")).to_be_focused()
    expect(source.locator("blockquote")).to_contain_text("22 weeks")
    expect(source).to_contain_text("employee-handbook.pdf")
    image = source.get_by_role("img", name=re.compile("Page .* of the document"))
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500


def test_the_highlight_lies_on_the_cited_words_of_the_pdf_page(page):
    answer = ask(page)
    answer.locator("guru-answer").get_by_role("button", name="Source 1").click()
    page.get_by_role("img", name="The cited passage").wait_for()
    quote = page.locator("blockquote").inner_text()
    number = int(re.search(r"page (\d+)", page.locator(".source-head").inner_text())[1])
    marked = []
    with pdfium.PdfDocument(DOCUMENTS / "employee-handbook.pdf") as document:
        width, height = document[number - 1].get_size()
        text = document[number - 1].get_textpage()
        for left, top, right, bottom in page.locator(".sheet").evaluate(RECTANGLES):
            marked.append(text.get_text_bounded(left * width, (1 - bottom) * height, right * width, (1 - top) * height))
        text.close()
    assert " ".join(" ".join(marked).split()) == " ".join(quote.split())


def test_pages_of_a_source_turn_and_the_text_is_marked_too(page):
    ask(page).locator("guru-answer").get_by_role("button", name="Source 1").click()
    source = page.get_by_role("complementary", name="Source")
    pages = source.get_by_role("group", name="Pages")
    expect(pages).to_contain_text("/ 6")
    before = pages.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(pages).not_to_have_text(before)
    source.get_by_role("button", name="Next page").click()
    expect(pages).to_have_text(re.compile(r"\d"))
    source.get_by_role("button", name="Larger").click()
    assert source.locator(".sheet").evaluate("sheet => sheet.offsetWidth > sheet.parentElement.clientWidth")
    source.get_by_role("button", name="Text", exact=True).click()
    expect(source.locator(".quote mark")).to_have_text("22 weeks")
    expect(source.locator("mark").last).to_contain_text("22 weeks")


def test_a_question_that_the_documents_do_not_answer_is_declined_in_the_open(page):
    answer = ask(page, "What was the revenue of Tarnholm Instruments in 2025?")
    expect(answer).to_contain_text("Not in the documents.")
    expect(answer.locator(".cite")).to_have_count(0)


def test_a_conversation_has_an_address_and_survives_a_reload(page):
    ask(page)
    assert re.search(r"/chat/[\w-]+$", page.url)
    page.reload()
    expect(page.get_by_role("article", name="Your question")).to_contain_text(QUESTION)
    answer = answered(page)
    expect(answer).to_contain_text("22 weeks")
    expect(answer.locator("guru-answer").get_by_role("button", name="Source 1")).to_be_visible()


def test_an_answer_is_stopped_and_what_was_written_stays(page):
    answer = start_long_answer(page)
    page.get_by_role("button", name="Stop the answer").click()
    expect(answer).to_contain_text("Stopped before the end.")
    kept = answer.locator("guru-answer").inner_text()
    assert kept.strip()
    page.reload()
    expect(answered(page)).to_contain_text("Stopped before the end.")


def test_a_reload_in_the_middle_of_an_answer_shows_what_became_of_it(page):
    start_long_answer(page)
    expect(page).to_have_url(re.compile(r"/chat/"))
    page.reload()
    expect(page.get_by_role("article", name="Answer")).to_contain_text("Stopped before the end.")


def test_an_edited_question_is_a_branch_beside_the_first(page):
    ask(page)
    page.get_by_role("article", name="Your question").hover()
    page.get_by_role("button", name="Edit the question").click()
    editor = page.get_by_role("textbox", name="Edit the question")
    editor.fill("How many characters must a password have?")
    editor.press("Enter")
    expect(answered(page)).to_contain_text("14")
    versions = page.get_by_role("group", name="Versions of this question")
    expect(versions).to_contain_text("2/2")
    versions.get_by_role("button", name="Previous question").click()
    expect(page.get_by_role("article", name="Your question")).to_contain_text(QUESTION)
    expect(page.get_by_role("article", name="Answer")).to_contain_text("22 weeks")
    page.reload()
    expect(page.get_by_role("group", name="Versions of this question")).to_contain_text("2/2")


def test_answering_again_makes_a_second_answer_to_the_same_question(page):
    ask(page).get_by_role("button", name="Answer again").click()
    answer = answered(page)
    expect(answer.get_by_role("group", name="Versions of this answer")).to_contain_text("2/2")
    expect(page.get_by_role("article", name="Your question")).to_have_count(1)
    answer.get_by_role("button", name="Previous answer").click()
    expect(page.get_by_role("group", name="Versions of this answer")).to_contain_text("1/2")


def test_an_error_is_shown_where_the_answer_would_stand_and_can_be_retried(open_page):
    page = open_page("/", expected=["503"])
    error = {"error": {"message": "The model restarts.", "hint": "Try again in a moment.", "trace_id": "tr_x"}}
    page.route("**/messages", lambda route: route.fulfill(status=503, json=error), times=1)
    page.get_by_role("button", name=QUESTION, exact=True).click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The model restarts. Try again in a moment.")
    expect(alert.get_by_role("link", name="See the trace")).to_have_attribute("href", "/traces/tr_x")
    alert.get_by_role("button", name="Try again").click()
    expect(answered(page)).to_contain_text("22 weeks")
    expect(page.get_by_role("article")).to_have_count(2)


def test_conversations_are_found_renamed_and_deleted(page):
    ask(page)
    conversations = page.get_by_role("navigation", name="Conversations")
    conversations.get_by_role("link").first.hover()
    conversations.get_by_role("button", name=re.compile("^Rename")).first.click()
    title = page.get_by_role("textbox", name="New title")
    title.fill("Leave for parents")
    title.press("Enter")
    renamed = conversations.get_by_role("link", name=re.compile("Leave for parents"))
    expect(renamed).to_be_visible()
    page.get_by_role("searchbox", name="Search conversations").fill("leave for par")
    expect(conversations.get_by_role("link")).to_have_count(1)
    renamed.hover()
    conversations.get_by_role("button", name="Delete Leave for parents").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(renamed).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/$"))


def test_files_added_in_the_chat_go_into_a_collection_and_can_be_asked(page, tmp_path):
    path = tmp_path / "harbour.md"
    path.write_text(
        "# Harbour rules\n\nThe harbour master of Velden is Ottilie Kranz. Boats may stay for nine nights.\n"
    )
    page.get_by_label("Add files to the collection").set_input_files(path)
    expect(page.get_by_label("Adding files to my-documents")).to_contain_text("1 document")
    expect(page.get_by_label("Collection", exact=True)).to_have_value("my-documents")
    answer = ask(page, "Who is the harbour master of Velden?")
    expect(answer).to_contain_text("Ottilie Kranz")
    answer.locator("guru-answer").get_by_role("button", name="Source 1").click()
    expect(page.get_by_role("complementary", name="Source").locator("mark").last).to_contain_text("Ottilie Kranz")


@pytest.mark.parametrize("path", ["/chat/cv_unknown", "/documents/doc_unknown", "/traces/tr_unknown"])
def test_what_does_not_exist_is_said_in_place(open_page, path):
    page = open_page(path, expected=["404"])
    expect(page.get_by_role("alert")).to_contain_text("There is no")


def hold(page, path):
    """Keep the first request to a path; the list in which it will be."""
    held = []

    def keep(route):
        held.append(route)

    page.route(path, keep, times=1)
    return held


def let_go(page, held):
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()


def test_a_question_that_is_faster_than_the_lists_is_asked_of_the_documents(open_page):
    page = open_page("about:blank")
    held = hold(page, "**/api/v1/collections")
    page.goto("/")
    box = page.get_by_label("Your question")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    let_go(page, held)
    expect(answered(page).locator("guru-answer").get_by_role("button", name="Source 1")).to_be_visible()


def test_a_question_whose_lists_do_not_come_says_so_and_can_be_asked_again(open_page):
    page = open_page("about:blank", expected=("503",))
    page.route("**/api/v1/collections", lambda route: route.fulfill(status=503), times=2)
    page.goto("/")
    expect(page.get_by_role("alert")).to_be_visible()
    answer = ask(page)
    expect(answer.get_by_role("alert")).to_be_visible()
    answer.get_by_role("button", name="Answer again").click()
    expect(answered(page).locator("guru-answer").get_by_role("button", name="Source 1")).to_be_visible()


def test_a_question_that_is_faster_than_its_conversation_follows_its_last_answer(page):
    ask(page)
    held = hold(page, "**/api/v1/conversations/*")
    page.reload()
    box = page.get_by_label("Your question")
    box.fill("And how many days of holiday does everybody get?")
    box.press("Enter")
    let_go(page, held)
    expect(page.get_by_role("article", name="Answer")).to_have_count(2)
    assert answered(page).is_visible()
    expect(page.get_by_role("article", name="Your question")).to_have_count(2)
