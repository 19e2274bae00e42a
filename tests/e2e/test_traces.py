"""Traces: the list, and one request as a waterfall with everything that was sent."""

import re

from playwright.sync_api import expect

from e2e.chatting import QUESTION, ask


def test_the_trace_of_an_answer_shows_its_spans_its_passages_and_its_prompt(page):
    ask(page).get_by_role("link", name="Trace of this answer").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(QUESTION)
    page.get_by_role("button", name="Open or close all").click()
    spans = page.locator("details.span")
    expect(spans.filter(has_text="retrieve").first).to_be_visible()
    assert spans.count() >= 3
    expect(page.locator(".sent-hits").first).to_contain_text("employee-handbook.pdf")
    bars = page.locator(".span-bar rect:not(.track)").evaluate_all("all => all.map(one => one.getBoundingClientRect())")
    track = page.locator(".span-bar").first.bounding_box()
    assert all(track["x"] - 1 <= bar["x"] and bar["width"] >= 1 for bar in bars)


def test_the_list_of_traces_leads_to_each(page, open_page):
    ask(page)
    traces = open_page("/traces")
    row = traces.get_by_role("row", name=re.compile("parental leave")).first
    expect(row).to_contain_text("ok")
    row.get_by_role("link").click()
    expect(traces.get_by_role("heading", name="Timeline")).to_be_visible()


def test_the_list_can_be_narrowed_to_a_route(page, open_page):
    ask(page)
    traces = open_page("/traces")
    route = traces.get_by_role("row").nth(1).locator("td").nth(1).inner_text()
    traces.get_by_label("Route").select_option(route)
    expect(traces.get_by_role("row").nth(1)).to_contain_text(route)
