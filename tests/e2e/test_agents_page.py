"""Agents on their pages: one is defined, asked, watched, and waits for a person."""

from playwright.sync_api import expect

from agents.acting import Scripted
from e2e.looking import violations


def reckon(request):
    """Two calls at the same time, and then what they gave back."""
    results = [message.text for message in request.messages if message.role == "tool"]
    if not results:
        return [("calculator", {"expression": "17 * 23"}), ("calculator", {"expression": "1 / 3"})]
    return f"So: {'; '.join(results)}."


def test_an_agent_is_defined_asked_and_waits_for_a_person(visit, gateway):
    gateway.models.model = Scripted(by=reckon)
    page = visit("/agents", expected=("status of 400",))
    expect(page.get_by_role("heading", name="There are no agents yet")).to_be_visible()

    page.get_by_role("button", name="New agent").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    name.fill("the clerk")
    define = page.get_by_role("button", name="Define the agent")
    define.click()
    expect(name).to_be_focused()
    expect(page.locator("#agent-name-error")).to_contain_text("is no name for an agent")
    name.fill("clerk")
    steps = page.get_by_label("Most steps")
    steps.fill("many")
    define.click()
    expect(page.locator("#agent-max_steps-error")).to_contain_text("expected")
    expect(page.locator("#agent-name-error")).to_have_count(0)
    steps.fill("9")
    page.get_by_role("checkbox", name="calculator", exact=True).check()
    page.get_by_label("calculator asks first").check()
    define.click()
    row = page.get_by_role("row").filter(has_text="calculator")
    expect(row).to_contain_text("clerk")
    defined = gateway.call("GET", "/api/v1/agents/clerk")["agent"]
    assert (defined["tools"], defined["approve"], defined["max_steps"]) == (["calculator"], ["calculator"], 9)

    row.get_by_role("button", name="Change clerk").click()
    page.get_by_label("Instructions").fill("Reckon.")
    page.get_by_role("button", name="Save").click()
    expect(row.get_by_role("button", name="Change clerk")).to_be_focused()
    assert gateway.call("GET", "/api/v1/agents/clerk")["agent"] == defined | {"instructions": "Reckon."}

    row.get_by_role("button", name="Ask clerk").click()
    page.keyboard.type("What is 17 times 23, and a third?")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/agents/runs/*")
    step = page.get_by_role("listitem", name="Step 2")
    calls = step.get_by_role("form", name="Decide about calculator")
    expect(calls).to_have_count(2)
    boxes = [calls.nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    page.reload()
    expect(calls).to_have_count(2)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 420, "height": 800})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 420

    arguments = calls.first.get_by_label("Arguments")
    arguments.fill("[2 * 3]")
    calls.first.get_by_role("button", name="Approve").click()
    expect(calls.first).to_contain_text("This is not a JSON object.")
    arguments.fill('{"expression": "17 * 24"}')
    calls.first.get_by_role("button", name="Approve").click()
    expect(calls).to_have_count(1)
    calls.get_by_label("Why not").fill("A third of what?")
    calls.get_by_role("button", name="Refuse").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("So: 408; A person did not allow this call: A third of what?.")
    expect(page.get_by_text("refused")).to_be_visible()
    figures = page.locator(".run-figures")
    expect(figures).to_contain_text("Tokens 30", use_inner_text=True)
    expect(figures).to_contain_text("Cost unknown", use_inner_text=True)  # a model without a price
    expect(page.get_by_role("link", name="trace", exact=True)).to_have_count(2)
    assert violations(page) == []

    step.get_by_role("button", name="Replay from step 2").click()
    page.get_by_role("form", name="Do it again").get_by_role("button", name="Replay").click()
    expect(calls).to_have_count(2)
    expect(page.get_by_role("link", name="another run")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.goto("/agents")
    expect(page.get_by_role("region", name="Runs of agents").get_by_role("row")).to_contain_text(
        ["Request", "cancelled", "done"]
    )
    assert violations(page) == []
