"""The page of what was used."""

from playwright.sync_api import expect

from e2e.chatting import ask


def test_what_was_asked_is_counted_in_the_chart_and_in_the_tables(page, open_page):
    ask(page)
    usage = open_page("/usage")
    table = usage.get_by_role("region", name="Usage by model")
    expect(table.get_by_role("row").nth(1)).to_contain_text("local/")
    usage.get_by_role("button", name="Requests").click()
    expect(usage.get_by_role("img", name="requests per day")).to_be_visible()
    usage.get_by_text("Show as a table").click()
    expect(usage.get_by_role("region", name="The chart as a table").get_by_role("row")).not_to_have_count(0)
    usage.get_by_label("Group by").select_option("route")
    expect(usage.get_by_role("region", name="Usage by route")).to_be_visible()


def test_the_numbers_can_be_taken_away(page, open_page):
    ask(page)
    usage = open_page("/usage")
    with usage.expect_download() as download:
        usage.get_by_role("link", name="CSV").click()
    assert download.value.path().read_text().startswith("model,requests,")
