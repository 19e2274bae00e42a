"""Prompts are written on their page: a new one, a new version, what is wrong with it, and nothing lost by the way."""

import re

import pytest
from playwright.sync_api import expect

from e2e.gateway import MEMBER
from e2e.looking import settled, violations
from e2e.test_prompts_page import prompts  # noqa: F401
from scripted import say


def newest(gateway, name="support"):
    return gateway.call("GET", f"/api/v1/prompts/{name}/versions/latest")


def text_of(page, number):
    return page.get_by_label(f"Text of message {number}")


def test_a_prompt_is_written_tried_and_saved(visit, gateway):
    gateway.models.model.script = say("At ", "<b>noon</b>.")
    page = visit("/prompts")
    page.get_by_role("button", name="New prompt").click()
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("support")
    text_of(page, 1).fill("You serve {{ town }}.")
    text_of(page, 2).fill("Question: {{ question }}")
    town = page.get_by_role("group", name="Variable town")
    town.get_by_label("Default").fill("Oslo")
    expect(page.get_by_role("group", name="Variable question")).to_be_visible()
    page.get_by_role("button", name="Message", exact=True).click()
    expect(text_of(page, 3)).to_be_focused()
    page.keyboard.type("Be brief, {{ x")
    page.get_by_role("button", name="Move message 3 up").click()
    page.get_by_role("button", name="Move message 2 up").click()
    expect(text_of(page, 1)).to_have_value("Be brief, {{ x")
    page.get_by_role("button", name="Remove message 1").click()
    page.get_by_role("button", name="Example", exact=True).click()
    page.get_by_label("What goes in").fill("Open on Sunday?")
    page.get_by_label("What comes out").fill("No.")
    page.get_by_text("Output schema, model and techniques").click()
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("What is new").fill("the first")
    trial = page.locator("guru-prompt-trial")
    trial.get_by_label("question").fill("When?")
    text_of(page, 1).focus()
    page.keyboard.press("Control+Enter")
    expect(trial.get_by_role("article", name="Answer")).to_contain_text("At <b>noon</b>.")
    expect(trial.get_by_role("article", name="Filled in: system")).to_contain_text("You serve Oslo.")
    (request,) = gateway.models.model.requests
    assert [message.text for message in request.messages] == [
        "You serve Oslo.", "Open on Sunday?", "No.", "Question: When?",
    ]  # fmt: skip
    assert request.temperature == 0.5
    page.keyboard.press("Control+s")
    page.wait_for_url("**/prompts/support")
    expect(page.get_by_role("article", name="Message of the user")).to_contain_text("Question: {{ question }}")
    found = newest(gateway)
    assert (found["version"], found["notes"]) == (1, "the first")
    assert found["definition"] == {
        "messages": [
            {"role": "system", "content": "You serve {{ town }}."},
            {"role": "user", "content": "Question: {{ question }}"},
        ],
        "variables": {"town": {"default": "Oslo"}, "question": {}},
        "examples": {"items": [{"input": "Open on Sunday?", "output": "No."}]},
        "sampling": {"temperature": 0.5},
    }


def test_a_new_version_is_saved_behind_the_one_it_began_with(visit, prompts):  # noqa: F811
    before = newest(prompts)["definition"]
    page = visit("/prompts/support")
    page.get_by_label("Version", exact=True).select_option("2")
    page.get_by_role("button", name="New version").click()
    expect(text_of(page, 1)).to_be_focused()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status")).to_have_text("Nothing is new: version 2 says the same already.")
    page.get_by_role("button", name="New version").click()
    text_of(page, 2).fill("Asked: {{ question }}")
    page.get_by_label("Move a label to it").fill("staging")
    page.get_by_role("button", name="Save version 3").click()
    expect(page.get_by_role("status")).to_have_text("Version 3 is saved.")
    expect(page.get_by_label("Version", exact=True)).to_have_value("3")
    found = newest(prompts)
    assert found["labels"] == ["staging"]
    user = {"role": "user", "content": "Asked: {{ question }}"}
    assert found["definition"] == before | {"messages": [before["messages"][0], user]}
    page.get_by_role("button", name="Copy").click()
    page.get_by_label("Name").fill("sales")
    page.get_by_role("button", name="Save the prompt").click()
    page.wait_for_url("**/prompts/sales")
    expect(page.get_by_role("heading", name="sales", level=1)).to_be_visible()
    assert newest(prompts, "sales")["definition"] == found["definition"]


def test_what_is_wrong_is_said_at_its_field(visit, prompts):  # noqa: F811
    page = visit("/prompts", expected=("status of 409", "status of 400"))
    page.get_by_role("button", name="New prompt").click()
    page.get_by_role("button", name="Save the prompt").click()
    name = page.get_by_label("Name")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("It needs a name. Such as support.")
    name.fill("support")
    text = text_of(page, 2)
    text.fill("{% set x = 1 %}{{ y }}")
    text_of(page, 1).focus()
    expect(text).to_have_accessible_description(re.compile("^Line 1: `set` cannot be in a prompt."))
    text.fill("{{ y }}")
    page.get_by_label("Type").select_option("integer")
    page.get_by_label("Default").fill("many")
    text.focus()
    expect(page.get_by_label("Default")).to_have_accessible_description("“many” is no JSON.")
    page.get_by_label("Default").fill("7")
    page.get_by_text("Output schema, model and techniques").click()
    page.get_by_label("Temperature").fill("9")
    page.get_by_text("Output schema, model and techniques").click()
    page.get_by_role("button", name="Save the prompt").click()
    temperature = page.get_by_label("Temperature")
    expect(temperature).to_be_focused()
    expect(temperature).to_have_attribute("aria-invalid", "true")
    temperature.fill("1")
    page.get_by_role("button", name="Save the prompt").click()
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("There is a prompt support already. Open it, and write a new version.")
    name.fill("other")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/other")
    assert newest(prompts, "other")["definition"]["variables"] == {"y": {"type": "integer", "default": 7}}


def test_what_somebody_else_saved_meanwhile_is_not_passed_over(visit, prompts):  # noqa: F811
    page = visit("/prompts/support", expected=("status of 409",))
    page.get_by_role("button", name="New version").click()
    text_of(page, 2).fill("Mine: {{ question }}")
    theirs = {"messages": [{"role": "user", "content": "Theirs"}]}
    prompts.call("POST", "/api/v1/prompts/support/versions", {"definition": theirs})
    page.get_by_role("button", name="Save version 3").click()
    expect(page.get_by_role("alert")).to_contain_text("The newest version of 'support' is 3, not 2.")
    expect(page.get_by_role("link", name="Look at version 3")).to_be_visible()
    page.get_by_role("button", name="Save mine behind it").click()
    expect(page.get_by_role("status")).to_have_text("Version 4 is saved.")
    assert newest(prompts)["definition"]["messages"][1]["content"] == "Mine: {{ question }}"


def test_a_label_that_may_not_be_moved_loses_no_version(visit, prompts):  # noqa: F811
    page = visit("/prompts/support", key=MEMBER, expected=("status of 403",))
    page.get_by_role("button", name="New version").click()
    text_of(page, 1).fill("Kindly.")
    page.get_by_label("Move a label to it").fill("prod")
    page.get_by_role("button", name="Save version 3").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "Version 3 is saved, but prod was not moved: Only an administrator"
    )
    page.get_by_label("Move a label to it").fill("")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Nothing is new: version 3 says the same already.")


def test_what_is_written_is_not_lost_without_asking(visit, prompts):  # noqa: F811
    page = visit("/prompts/support")
    page.get_by_role("button", name="New version").click()
    page.get_by_role("button", name="Cancel").click()  # nothing was written: nothing is asked
    expect(page.get_by_role("button", name="New version")).to_be_focused()
    page.keyboard.press("Enter")
    text_of(page, 2).click()
    page.keyboard.type("Much work. ")
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    dialog.get_by_role("button", name="Cancel").click()
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("navigation").get_by_role("link", name="Traces").click(no_wait_after=True)
    expect(text_of(page, 2)).to_have_value("Question: {{ question }}Much work. ")
    while not asked:
        page.wait_for_timeout(20)
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("article", name="Message of the user")).to_be_visible()
    assert newest(prompts)["version"] == 2


@pytest.mark.parametrize(("scheme", "width"), [("light", 1600), ("dark", 360)])
def test_the_editor_fits_every_window_in_light_and_dark(visit, prompts, scheme, width):  # noqa: F811
    page = visit("/prompts/support", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_role("button", name="New version").click()
    page.get_by_role("button", name="Example", exact=True).click()
    text_of(page, 1).fill("{{ " + "long_" * 12 + " }} {% set %}")
    page.get_by_label("What goes in").focus()
    expect(text_of(page, 1)).to_have_attribute("aria-invalid", "true")
    page.locator("details").evaluate("one => { one.open = true; }")
    assert violations(settled(page)) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
