"""Collections: made, filled, searched, looked into, deleted."""

import re

from playwright.sync_api import expect


def test_a_collection_is_made_filled_and_deleted(open_page, tmp_path):
    page = open_page("/collections")
    page.get_by_label("Name of the new collection").fill("Field notes")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="field-notes")).to_be_visible()
    expect(page.get_by_text("No documents yet")).to_be_visible()

    (tmp_path / "birds.md").write_text("# Birds\n\nThe crested grebe nests in June.\n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is not a PDF")
    page.get_by_label("Choose files").set_input_files([tmp_path / "birds.md", tmp_path / "broken.pdf"])
    upload = page.get_by_role("region", name="Adding files to field-notes")
    expect(upload).to_contain_text("1 document")
    expect(upload).to_contain_text("1 file could not be read")
    expect(upload.get_by_role("listitem").filter(has_text="broken.pdf")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("birds.md"))).to_contain_text("MD")

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the collection").click()
    expect(page).to_have_url(re.compile("/collections$"))
    expect(page.get_by_role("link", name="field-notes")).to_have_count(0)


def test_a_folder_keeps_its_paths(open_page, tmp_path):
    page = open_page("/collections/from-a-folder", expected=["404"])
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("The first note is about tides.")
    (folder / "deep" / "two.txt").write_text("The second note is about moons.")
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(page.get_by_role("region", name="Adding files")).to_contain_text("2 documents")
    expect(page.get_by_role("table")).to_contain_text("notes/deep/two.txt")


def test_a_name_that_is_taken_is_refused_in_place(open_page):
    page = open_page("/collections", expected=["409"])
    page.get_by_label("Name of the new collection").fill("handbook")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("handbook")


def test_search_shows_the_score_of_every_stage(open_page):
    page = open_page("/collections/handbook")
    box = page.get_by_role("searchbox", name="Search the passages")
    box.fill("hotel limit in Portugal")
    box.press("Enter")
    first = page.get_by_role("listitem").filter(has=page.locator(".bars")).first
    expect(first).to_contain_text("travel-and-expenses.docx")
    for stage in ("dense", "sparse"):
        expect(first.get_by_role("term").filter(has_text=re.compile(f"^{stage}"))).to_be_visible()
    widths = first.locator(".bar rect:not(.track)").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert max(widths) > 20


def test_search_can_be_narrowed_to_a_kind_and_a_document(open_page):
    page = open_page("/collections/handbook")
    page.get_by_label("Search in").select_option("employee-handbook.pdf")
    page.get_by_role("searchbox", name="Search the passages").fill("password")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".result").first).to_contain_text("employee-handbook.pdf")
    expect(page.locator(".result").filter(has_text="it-and-security.html")).to_have_count(0)
    page.get_by_role("button", name="sparse").click()
    expect(page.get_by_role("button", name="sparse")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status").first).to_be_visible()


def test_a_result_opens_the_document_at_its_passage(open_page):
    page = open_page("/collections/handbook")
    box = page.get_by_role("searchbox", name="Search the passages")
    box.fill("weeks of parental leave")
    box.press("Enter")
    page.locator(".result").first.get_by_role("link").click()
    expect(page.get_by_role("img", name="The cited passage")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Chunks")).click()
    expect(page.locator(".chunk mark").first).to_be_visible()


def test_a_document_shows_what_is_known_of_it_and_where_its_chunks_end(open_page):
    page = open_page("/collections/handbook")
    page.get_by_role("row", name=re.compile("service-and-warranty.md")).get_by_role("link").click()
    about = page.get_by_role("complementary", name="About this document")
    expect(about).to_contain_text("service-and-warranty.md")
    expect(page.get_by_role("group", name="The passage in its text")).to_contain_text("60 months")
    page.get_by_role("button", name=re.compile("^Chunks")).click()
    expect(page.locator(".chunk").first).to_contain_text("tokens")
    expect(page.get_by_role("link", name="Original file")).to_have_attribute("href", re.compile("/file$"))


DROP = """([name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name, { type: 'text/markdown' }));
    return transfer;
}"""


def test_a_file_dropped_anywhere_on_a_collection_is_added(open_page):
    page = open_page("/collections/dropped", expected=["404"])
    transfer = page.evaluate_handle(DROP, ["owls.md", "# Owls\n\nThe barn owl hunts at dusk.\n"])
    place = page.get_by_role("region", name="Add documents")
    place.dispatch_event("dragover", {"dataTransfer": transfer})
    expect(place).to_have_attribute("data-dragging", "true")
    place.dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_role("table")).to_contain_text("owls.md")
    expect(place).to_have_attribute("data-dragging", "false")


def test_an_upload_shows_its_progress_and_is_cancelled(open_page):
    page = open_page("/collections/cancelled", expected=["404"])
    text = "The tide comes and the tide goes, and nobody counts the waves. " * 40
    files = [{"name": f"note-{n}.txt", "mimeType": "text/plain", "buffer": f"{n}. {text}".encode()} for n in range(150)]
    page.get_by_label("Choose files").set_input_files(files)
    upload = page.get_by_role("region", name="Adding files")
    expect(upload.get_by_role("progressbar")).to_be_visible()
    expect(upload).to_contain_text(re.compile(r"Reading [1-9]\d* of 150 files"))
    upload.get_by_role("button", name="Cancel").click()
    expect(upload).to_contain_text("Cancelled")
