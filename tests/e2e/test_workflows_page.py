"""Workflows: written, begun, followed on their drawing, and answered, in a browser."""

import re

from playwright.sync_api import expect

from e2e.looking import violations

LETTERS = """
name = "letters"
description = "Writes to people."
start = "each"
[input]
type = "object"
required = ["people", "style"]
[input.properties]
people = { type = "array", title = "People" }
style = { enum = ["short", "long"], title = "Style" }
[steps.each]
kind = "map"
items = "{{ input.people }}"
start = "write"
next = "ask"
[steps.each.steps.write]
kind = "task"
prompt = "Write a {{ input.style }} letter to {{ item }}."
end = true
[steps.ask]
kind = "human"
title = "Send all of them?"
text = "{{ steps.each.output[0].text }}"
decisions = ["send", "drop"]
form = { type = "object", required = ["copies"], properties = { copies = { type = "integer", title = "Copies" } } }
end = true
"""


def test_a_workflow_is_written_run_and_answered(visit, gateway):
    page = visit("/workflows")
    page.get_by_role("button", name="New workflow").click()
    definition = page.get_by_label("Definition")
    definition.fill(LETTERS.replace('next = "ask"', 'next = "nobody"').replace("test/", ""))
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("status")).to_contain_text("There is no step 'nobody'.")
    definition.fill(LETTERS)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/workflows?workflow=letters")
    expect(page.get_by_role("button", name="each, map")).to_be_visible()
    page.get_by_label("People").fill('["Ann", "Ben"]')
    page.get_by_label("Style").select_option(label="long")
    assert violations(page) == []
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url(re.compile(r"/workflows\?run=run_"))
    question = page.get_by_role("form", name="Send all of them?")
    expect(question).to_contain_text("Hello")
    expect(page.get_by_role("button", name="ask, human, asked")).to_be_visible()
    expect(page.get_by_role("button", name="write, task, done")).to_contain_text("write (2/2)")
    page.get_by_role("button", name="write, task, done").click()
    step = page.get_by_role("complementary", name="Step")
    step.get_by_label("Which of 2").select_option("each/0/write")
    expect(step.get_by_role("region", name="Input")).to_contain_text("Ann")
    expect(step.get_by_role("region", name="Output")).to_contain_text('"text": "Hello')
    assert violations(page) == []
    question.get_by_label("Copies").fill("3")
    question.get_by_role("button", name="send").click()
    expect(page.get_by_role("button", name="ask, human, done")).to_be_visible()
    expect(page.get_by_role("status", name="State of the run")).to_have_text("done")
    expect(question).to_have_count(0)
    run = gateway.call("GET", "/api/v1/workflow-runs?workflow=letters")["runs"][0]
    output = gateway.call("GET", f"/api/v1/workflow-runs/{run['id']}")["output"]
    assert (output["decision"], output["form"]) == ("send", {"copies": 3})
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
