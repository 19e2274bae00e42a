"""Prompts: versions seen and compared, tried, labelled and rolled back."""

import pytest
from playwright.sync_api import expect

from e2e.gateway import HOSTILE, MEMBER
from e2e.looking import settled, violations
from scripted import say

PROMPT = {
    "messages": [
        {"role": "system", "content": "You serve {{ town }}.\n{% if kind %}Be kind.{% endif %}"},
        {"role": "user", "content": "Question: {{ question }}"},
    ],
    "variables": {
        "question": {"description": "What the customer asks."},
        "town": {"default": "Oslo"},
        "kind": {"type": "boolean", "required": False},
    },
    "model": HOSTILE,
}


@pytest.fixture
def prompts(gateway):
    """Two versions of `support`, of which `prod` is the first."""
    nice = {"role": "system", "content": "You serve {{ town }}.\n{% if kind %}Be nice.{% endif %}"}
    later = [nice, PROMPT["messages"][1]]
    for definition in (PROMPT, PROMPT | {"messages": later}):
        gateway.call("POST", "/api/v1/prompts/support/versions", {"definition": definition, "notes": "<b>bold</b>"})
    gateway.call("POST", "/api/v1/prompts/support/labels/prod", {"version": 1})
    return gateway


def labels(gateway):
    return gateway.call("GET", "/api/v1/prompts/support")["labels"]


def test_a_prompt_is_read_compared_and_its_label_moved_and_rolled_back(visit, prompts):
    page = visit("/prompts")
    row = page.get_by_role("row").filter(has_text="support")
    expect(row).to_contain_text("prod: 1")
    row.get_by_role("link", name="support").click()
    message = page.get_by_role("article", name="Message of the system")
    expect(message.locator(".template-variable")).to_have_text("{{ town }}")
    expect(message.locator(".template-section")).to_have_count(2)
    page.get_by_label("Version", exact=True).select_option("2")
    expect(message).to_contain_text("Be nice.")
    expect(page.get_by_text("<b>bold</b>")).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    difference = page.get_by_role("region", name="messages[0]", exact=True)
    expect(difference.locator("del")).to_have_text("{% if kind %}Be kind.{% endif %}")
    expect(difference.locator("ins")).to_have_text("{% if kind %}Be nice.{% endif %}")
    page.get_by_label("Compared with version").select_option("2")
    expect(page.get_by_role("status")).to_have_text("Both are the same.")
    page.get_by_role("button", name="Labels").click()
    page.get_by_label("Label", exact=True).fill("prod")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Move").click()
    expect(page.get_by_role("listitem")).to_have_count(2)
    assert labels(prompts) == {"prod": 2}
    page.get_by_role("button", name="Roll prod back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("listitem").first).to_contain_text("prod 2 → 1")
    assert labels(prompts) == {"prod": 1}


def test_a_version_is_tried_on_a_model(visit, prompts):
    prompts.models.model.script = say("At ", "<b>noon</b>.")
    page = visit("/prompts/support", expected=("status of 400",))
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("needs `question`")
    page.get_by_label("question").fill("{{ town }} <i>?</i>")
    page.get_by_label("kind").fill("true")
    page.get_by_role("button", name="Fill in").click()
    expect(page.get_by_role("article", name="Filled in: user")).to_contain_text("Question: {{ town }} <i>?</i>")
    expect(page.get_by_role("article", name="Filled in: system")).to_contain_text("You serve Oslo.\nBe kind.")
    expect(page.get_by_label("Model", exact=True)).to_have_value(HOSTILE)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("article", name="Answer")).to_contain_text("At <b>noon</b>.")
    expect(page.get_by_role("status")).to_contain_text("test/scripted")
    (request,) = prompts.models.model.requests
    said = [message.text for message in request.messages]
    assert said == ["You serve Oslo.\nBe kind.", "Question: {{ town }} <i>?</i>"]


def test_a_member_is_told_who_may_move_a_protected_label(visit, prompts):
    page = visit("/prompts/support", key=MEMBER, expected=("status of 403",))
    page.get_by_role("button", name="Labels").click()
    page.get_by_label("Label", exact=True).fill("prod")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Move").click()
    expect(page.get_by_role("alert")).to_contain_text("Only an administrator may move the label 'prod'.")


def test_a_version_is_tried_on_some_and_promoted(visit, prompts):
    page = visit("/prompts/support")
    page.get_by_label("Version", exact=True).select_option("2")
    page.get_by_role("button", name="Labels").click()
    page.get_by_label("percent of them").fill("25")
    page.get_by_role("button", name="Begin").click()
    card = page.get_by_role("article", name="Release of support@prod")
    expect(card).to_contain_text("support@prod: support@2 against support@1 running")
    expect(card).to_contain_text("25 % for the candidate")
    assert violations(settled(page)) == []
    card.get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(page.get_by_role("listitem").first).to_contain_text("prod 1 → 2")
    assert labels(prompts) == {"prod": 2}


def test_prompts_fit_every_window_in_light_and_dark(visit, prompts):
    for scheme, width in (("light", 1600), ("dark", 360)):
        page = visit("/prompts", color_scheme=scheme, viewport={"width": width, "height": 900})
        assert violations(settled(page)) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto("/prompts/support")
        for view in ("Messages", "Compare", "Try it", "Labels"):
            page.get_by_role("button", name=view).click()
            settled(page)
            assert (view, violations(page)) == (view, [])
            assert page.evaluate("document.documentElement.scrollWidth") <= width
