"""The MCP servers of tools ask the person on the page of a run: a form of their own making, and an address to open."""

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from agents.acting import Scripted
from e2e import gateway as plain
from e2e.looking import violations
from guru.config import McpServerSettings, McpSettings

PROGRAM = Path(__file__).parents[1] / "mcp_program.py"
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As it stands on your card", "minLength": 2},
        "mail": {"type": "string", "title": "Where to write", "format": "email"},
        "seats": {"type": "integer", "title": "Seats", "minimum": 1, "maximum": 9, "default": 2},
        "weight": {"type": "number", "title": "Luggage in kg"},
        "meal": {"type": "string", "title": "Meal", "enum": ["f", "r"], "enumNames": ["Fish", "Rice"]},
        "days": {
            "type": "array", "title": "Days", "minItems": 1,
            "items": {"anyOf": [{"const": "mon", "title": "Monday"}, {"const": "tue", "title": "Tuesday"}]},
        },
        "on": {"type": "string", "title": "First day", "format": "date"},
        "quiet": {"type": "boolean", "title": "A quiet place", "default": True},
        "password": {"type": "string", "title": "Your password"},
    },
    "required": ["name", "seats", "days"],
}  # fmt: skip
MESSAGE = "Who travels? <img src=x onerror=document.title=`hacked`>"
QUESTION = {"method": "elicitation/create", "params": {"message": MESSAGE, "requestedSchema": FORM}}
VISIT = {
    "method": "elicitation/create",
    "params": {"mode": "url", "message": "Log in to the tracker.", "url": "https://tracker.example/log/in?for=guru"},
}  # fmt: skip


@pytest.fixture
def gateway(tmp_path):
    """One server of each era, as programs."""
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"name": "ask", "description": "Asks.", "inputSchema": {"type": "object"}}]))
    command = [sys.executable, str(PROGRAM), str(tools)]
    servers = {
        "travel": McpServerSettings(command=[*command, "modern"], approval="never"),
        "tracker": McpServerSettings(command=command, approval="never"),
    }

    def settings():
        return msgspec.structs.replace(plain.settings(), mcp=McpSettings(allow_stdio=True, servers=servers))

    with plain.Gateway(tmp_path / "home", settings) as running:
        for name in servers:
            running.call("POST", "/api/v1/agents", {"name": name, "tools": [f"{name}__ask"]})
        yield running


def begin(gateway, agent, question):
    def script(request):
        results = [message.text for message in request.messages if message.role == "tool"]
        return f"It said: {results[0]}" if results else (f"{agent}__ask", question)

    gateway.models.model = Scripted(by=script)
    body = {"input": "Go.", "background": True}
    return gateway.call("POST", f"/api/v1/agents/{agent}/runs", body)["id"]


def both_ways(page):
    """No violations in light and dark, wide and narrow."""
    for scheme, width in (("light", 1280), ("dark", 420), ("light", 420), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        if folder := os.environ.get("GURU_LOOK"):
            page.screenshot(
                path=f"{folder}/{page.locator('form.elicitation').count()}-{scheme}-{width}.png", full_page=True
            )
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_form_of_a_server_is_filled_in(visit, gateway):
    run = begin(gateway, "travel", QUESTION)
    page = visit(f"/agents/runs/{run}", expected=("status of 400",))
    form = page.get_by_role("form", name="Answer travel, 2.1")
    expect(form).to_contain_text("The MCP server travel asks you:")
    expect(form).to_contain_text(MESSAGE)  # as text
    expect(form).to_contain_text("Look twice: it seems to ask for a secret")
    assert page.title() != "hacked"
    both_ways(page)
    send = form.get_by_role("button", name="Send to travel")
    send.click()
    assert form.get_by_label("Your name").evaluate("field => field.validity.valueMissing")
    form.get_by_label("Your name").fill("Ann")
    form.get_by_label("Where to write").fill("ann@travel.example")
    expect(form.get_by_label("Seats")).to_have_value("2")
    form.get_by_label("Luggage in kg").fill("12.5")
    form.get_by_label("Meal").select_option("Rice")
    form.get_by_label("First day").fill("2026-12-01")
    send.click()
    expect(form.get_by_role("alert")).to_contain_text("'days' has not between 1 and")
    form.get_by_label("Tuesday").check()
    form.get_by_label("A quiet place").uncheck()
    send.click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("It said")
    expect(page.get_by_text("answered", exact=True)).to_be_visible()
    result = json.loads(gateway.call("GET", f"/api/v1/runs/{run}")["log"][1]["result"]["text"])
    content = {
        "name": "Ann", "mail": "ann@travel.example", "seats": 2, "weight": 12.5, "meal": "r", "days": ["tue"],
        "on": "2026-12-01", "quiet": False,
    }  # fmt: skip
    assert result == {"action": "accept", "content": content}
    both_ways(page)


def test_an_address_is_opened_when_the_person_says_so(visit, gateway):
    run = begin(gateway, "tracker", VISIT)
    page = visit(f"/agents/runs/{run}")
    form = page.get_by_role("form", name="Answer tracker, 2.1")
    expect(form).to_contain_text("https://tracker.example/log/in?for=guru")
    expect(form).to_contain_text("which waits until")
    done = form.get_by_role("button", name="I am done there")
    expect(done).to_be_disabled()
    both_ways(page)
    page.context.route("https://tracker.example/**", lambda route: route.fulfill(body="Welcome"))
    with page.context.expect_page() as opened:
        form.get_by_role("link", name="Open tracker.example").click()
    assert opened.value.url.startswith("https://tracker.example/") and opened.value.evaluate("window.opener") is None
    opened.value.close()
    done.click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("accept")
    # Declined, the call goes on as well.
    run = begin(gateway, "tracker", VISIT)
    page.goto(f"/agents/runs/{run}")
    form.get_by_role("button", name="Decline").click()
    expect(answer).to_contain_text("decline")
    expect(page.get_by_text("declined", exact=True)).to_be_visible()
