"""Routes and releases: how they are, and what an administrator does about them."""

from playwright.sync_api import expect

from e2e.gateway import HOSTILE
from guru.errors import ModelUnavailable


def test_a_release_is_rolled_back_and_that_is_undone(visit, gateway):
    page = visit("/routes")
    release = page.get_by_role("article", name="Release of smart")
    expect(release).to_contain_text("running")
    expect(release.get_by_role("img")).to_have_count(4)
    release.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert gateway.call("GET", "/api/v1/releases/smart")["status"] == "running"
    release.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(release).to_contain_text("rolled-back")
    found = gateway.call("GET", "/api/v1/releases/smart")
    assert (found["status"], found["share"]) == ("rolled-back", 0.0)
    release.get_by_role("link", name="Who changed releases").click()
    entry = page.get_by_role("row").filter(has_text="releases.rollback")
    expect(entry).to_contain_text("key admin")
    expect(page.get_by_role("button", name="Undo")).to_have_count(1)  # the last change only
    entry.get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row").filter(has_text="releases.start")).to_have_count(2)
    found = gateway.call("GET", "/api/v1/releases/smart")
    assert (found["status"], found["share"]) == ("running", 0.5)


def test_another_share_is_undone(visit, gateway):
    gateway.call("POST", "/api/v1/releases/smart/share", {"share": 0.9})
    page = visit("/audit")
    page.get_by_role("row").filter(has_text="releases.share").get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row").filter(has_text="releases.share")).to_have_count(2)
    assert gateway.call("GET", "/api/v1/releases/smart")["share"] == 0.5


def test_a_deployment_that_fails_is_shown_without_a_reload(visit, gateway):
    page = visit("/routes", expected=("status of 5",))
    table = page.get_by_role("region", name="Deployments of all routes")
    route = table.locator("tbody").filter(has_text=HOSTILE)
    expect(route).to_contain_text("ready")
    expect(route).to_contain_text("closed")
    page.evaluate("window.stays = document.querySelector('table.routes')")
    page.get_by_role("region", name="Deployments of all routes").focus()
    gateway.models.model.script = [ModelUnavailable("500 from upstream.")]
    for _ in range(12):
        page.request.post(
            "/v1/chat/completions", data={"model": HOSTILE, "messages": [{"role": "user", "content": "Hi"}]}
        )
    expect(route).to_contain_text("open")
    expect(route).to_contain_text("500 from upstream.")
    expect(route).to_contain_text("unknown")
    assert page.evaluate("window.stays === document.querySelector('table.routes')")
    expect(page.get_by_role("region", name="Deployments of all routes")).to_be_focused()


def test_a_release_that_somebody_else_has_ended_says_so(visit, gateway):
    page = visit("/routes", expected=("status of 409",))
    release = page.get_by_role("article", name="Release of smart")
    release.get_by_role("button", name="Promote").click()
    gateway.call("POST", "/api/v1/releases/smart/stop")
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(release).to_have_count(0)
    assert gateway.call("GET", "/api/v1/releases/smart")["status"] == "stopped"
