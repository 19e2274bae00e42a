"""Teams, users, keys and the audit log, by those who manage them, and by those who may not."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from e2e.gateway import HOSTILE, MEMBER
from e2e.looking import settled, violations

REFUSED = "Only an administrator may do that."
PAGES = ["/keys", "/teams", "/users", "/audit", "/routes", "/usage", "/traces"]


def rows(page):
    return page.locator("tbody tr")


def sent(page, method, path):
    """A list that grows with every request of this kind."""
    found = []
    wanted = (method, path)
    page.on("request", lambda one: found.append(one) if (one.method, urlsplit(one.url).path) == wanted else None)
    return found


def test_a_team_a_user_and_a_key_in_it_are_made_and_the_log_shows_it(visit, gateway):
    page = visit("/teams", expected=("status of 409",))
    page.get_by_role("button", name="New team").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_label("Requests a minute").fill("1000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="web")).to_contain_text("1,000 requests/min")

    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_label("Role").select_option("viewer")
    page.get_by_label("Team", exact=True).fill("web")
    page.get_by_role("button", name="Make the user").click()
    expect(page.get_by_role("row", name="ada")).to_contain_text("viewer")

    page.get_by_role("link", name="Keys").last.click()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("laptop")
    page.get_by_label("User", exact=True).fill("ada")
    page.get_by_label("Requests a minute").fill("2")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_label("The new key")
    expect(secret).to_be_focused()
    key = secret.input_value()
    me = gateway.call("GET", "/api/v1/me", key=key)
    assert (me["user"], me["team"], me["role"]) == ("ada", "web", "viewer")
    page.get_by_role("button", name="Done").click()
    assert key not in page.content()
    assert page.evaluate("[...document.querySelectorAll('input')].map(input => input.value)").count(key) == 0

    page.get_by_role("link", name="Teams").click()
    page.get_by_role("button", name="Members of web").click()
    members = page.get_by_role("region", name="Members of web")
    expect(members).to_contain_text("ada")
    page.get_by_role("button", name="Delete web").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("in use by ada")

    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_text("chain verified")).to_be_visible()
    log = page.get_by_role("region", name="Audit log")
    for action, name in [("teams.create", "web"), ("users.create", "ada"), ("keys.create", "laptop")]:
        expect(log.get_by_role("row").filter(has_text=action)).to_contain_text(name)
    page.get_by_label("What", exact=True).fill("users")
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Who", exact=True).fill("nobody")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing like that was changed")).to_be_visible()
    assert key not in page.content()


def test_a_user_is_disabled_enabled_and_deleted(visit, gateway):
    gateway.call("POST", "/api/v1/users", {"name": "ada"})
    key = gateway.call("POST", "/api/v1/keys", {"name": "laptop", "user": "ada"})
    page = visit("/users", expected=("status of 409",))
    page.get_by_role("button", name="Disable ada").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("row", name="ada")).to_contain_text("disabled")
    assert page.request.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"}).status == 401
    page.get_by_role("button", name="Enable ada").click()
    expect(page.get_by_role("row", name="ada")).to_contain_text("active")
    page.get_by_role("button", name="Delete ada").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete ada").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("in use by laptop")
    gateway.call("DELETE", f"/api/v1/keys/{key['id']}")
    page.get_by_role("button", name="Delete ada").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no users yet")).to_be_visible()


def test_a_member_sees_what_it_may_and_is_told_what_it_may_not(visit, gateway):
    gateway.ask()
    gateway.ask(key=MEMBER)
    page = visit("/usage", MEMBER, expected=("status of 403",))
    expect(page.get_by_role("link", name="Traces")).to_be_visible()
    expect(page.get_by_role("link", name="Keys")).to_have_count(0)
    page.get_by_label("Group by").select_option("key")
    table = page.get_by_role("region", name="Usage by key")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table).to_contain_text("member")
    for path in ["/keys", "/teams", "/users", "/audit", "/routes"]:
        page.goto(path)
        expect(page.get_by_role("alert")).to_contain_text(REFUSED)
        expect(page.get_by_role("button", name=re.compile("^New|Try again"))).to_have_count(0)
        expect(page.get_by_role("table")).to_have_count(0)


def test_a_session_that_ends_says_so_and_leads_back(visit, gateway):
    key = gateway.call("POST", "/api/v1/keys", {"name": "passing", "role": "admin"})
    page = visit("/teams", key["key"], expected=("status of 401", "status of 403"))
    settled(page)
    gateway.call("DELETE", f"/api/v1/keys/{key['id']}")
    page.get_by_label("Find teams by name").fill("w")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("You are not logged in any more.")
    alert.get_by_role("link", name="Log in again").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_label("API key").fill(MEMBER)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{gateway.url}/teams")
    expect(page.get_by_role("alert")).to_contain_text(REFUSED)


def test_a_server_that_is_away_is_told_and_tried_again(visit):
    page = visit("/routes", expected=("ERR_FAILED",))
    settled(page)
    page.route("**/api/v1/**", lambda route: route.abort())
    expect(page.get_by_role("alert")).to_contain_text("Guru does not answer.")
    expect(page.get_by_role("region", name="Deployments of all routes")).to_be_visible()
    page.unroute("**/api/v1/**")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_names_that_are_markup_stay_text(visit, gateway):
    gateway.ask(HOSTILE)
    for path in ["/teams", "/routes", "/traces"]:
        page = settled(visit(path))
        if path != "/traces":
            expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert page.locator("main img").count() == 0
    page.goto("/usage")
    page.get_by_label("Group by").select_option("requested")
    expect(page.get_by_role("region", name="Usage by asked for").get_by_text(HOSTILE)).to_be_visible()
    page.goto(f"/login?next={HOSTILE}")
    assert page.locator("main img").count() == 0
    assert page.title() != "hacked"


def test_a_form_that_is_sent_twice_makes_one(visit, gateway):
    page = visit("/teams")
    posted = sent(page, "POST", "/api/v1/teams")
    waiting = []
    page.route(
        "**/api/v1/teams", lambda route: waiting.append(route) if route.request.method == "POST" else route.continue_()
    )
    page.get_by_role("button", name="New team").click()
    page.get_by_label("Name", exact=True).fill("web")
    make = page.get_by_role("button", name="Make the team")
    make.dblclick()
    page.get_by_label("Name", exact=True).press("Enter")
    expect(make).to_be_disabled()
    page.wait_for_function("document.querySelector('.holder-form')")
    for route in waiting:
        route.continue_()
    expect(page.get_by_role("row", name="web")).to_be_visible()
    assert len(posted) == 1


def test_two_administrators_do_not_undo_each_other(visit, gateway):
    gateway.call("POST", "/api/v1/teams", {"name": "web", "limits": {"rpm": 10}})
    page = visit("/teams")
    page.get_by_role("button", name="Change web").click()
    # Another one changes something else: both changes stay.
    gateway.call("PATCH", "/api/v1/teams/web", {"budget": {"usd": 7}})
    page.get_by_label("Requests a minute").fill("20")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="web")
    expect(row).to_contain_text("20 requests/min")
    expect(row).to_contain_text("$7 a month")
    # And then the same thing: the second is told, and sees it.
    page.get_by_role("button", name="Change web").click()
    gateway.call("PATCH", "/api/v1/teams/web", {"limits": {"rpm": 99}})
    page.get_by_label("Requests a minute").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("web was changed by somebody else meanwhile.")
    expect(page.get_by_label("Requests a minute")).to_have_value("99")
    page.get_by_label("Requests a minute").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("30 requests/min")


def test_many_keys_are_read_a_page_at_a_time(visit, gateway):
    for number in range(70):
        gateway.call("POST", "/api/v1/keys", {"name": f"service-{number}"})
    page = visit("/keys")
    expect(rows(page)).to_have_count(50)
    expect(page.get_by_text("72 keys, 50 shown")).to_be_visible()
    gateway.call("POST", "/api/v1/keys", {"name": "meanwhile"})
    page.get_by_role("button", name="More").click()
    expect(rows(page)).to_have_count(72)  # what was made meanwhile stands before them, and none is shown twice
    expect(page.get_by_role("button", name="More")).to_have_count(0)
    page.get_by_label("Find keys by name").fill("ICE-69")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Find keys by name").fill("no such")
    expect(page.get_by_text("No key has “no such” in its name.")).to_be_visible()


def test_an_answer_that_comes_late_stands_for_nothing(visit, gateway):
    gateway.call("POST", "/api/v1/teams", {"name": "web"})
    gateway.call("POST", "/api/v1/teams", {"name": "sales"})
    page = visit("/teams")
    held = []

    def hold(route):
        held.append(route)

    page.route(re.compile(r"search=w$"), hold)
    page.get_by_label("Find teams by name").fill("w")
    while not held:
        page.wait_for_timeout(10)
    with page.expect_response(re.compile(r"search=sales$")):
        page.get_by_label("Find teams by name").fill("sales")
    expect(rows(page)).to_have_count(1)
    with page.expect_response(re.compile(r"search=w$")):
        held[0].continue_()
    expect(page.get_by_role("row", name="sales")).to_be_visible()
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize(("path", "again"), [("traces", "All routes"), ("usage", "Last 30 days")])
def test_a_failure_that_comes_late_stands_for_nothing(visit, gateway, path, again):
    gateway.ask()
    page = visit(f"/{path}", expected=("status of 500",))
    expect(rows(page)).not_to_have_count(0)
    chosen, held = page.locator("select", has_text=again).first, []

    def hold(route):
        held.append(route)

    page.route(f"**/api/v1/{path}?*", hold, times=1)
    chosen.dispatch_event("change")
    while not held:
        page.wait_for_timeout(10)
    with page.expect_response(f"**/api/v1/{path}?*"):
        chosen.dispatch_event("change")
    with page.expect_request_finished(lambda request: request == held[0].request):
        held[0].fulfill(status=500, json={"error": {"message": "The disk is full.", "hint": ""}})
    page.evaluate("new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(rows(page)).not_to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_names_contrast_and_fit_every_window(visit, gateway, scheme):
    gateway.call("POST", "/api/v1/teams", {"name": "web", "limits": {"rpm": 10}})
    gateway.call("POST", "/api/v1/users", {"name": "ada", "team": "web"})
    gateway.call("POST", "/api/v1/keys", {"name": "laptop", "user": "ada", "expires_in_days": 3})
    gateway.ask(times=3)
    page = visit("/", color_scheme=scheme)
    for path in PAGES:
        settled(page).goto(path)
        settled(page)
        if path in ("/keys", "/teams", "/users"):
            page.get_by_role("button", name=re.compile("^Change ")).first.click()
        if path == "/teams":
            page.get_by_role("button", name="Members of web").click()
            expect(page.get_by_role("region", name="Members of web")).to_contain_text("ada")
        assert (path, violations(page)) == (path, [])
        for width in (360, 768, 1600):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_key_that_was_shown_is_forgotten_when_the_page_is_left(visit):
    page = visit("/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("laptop")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_label("The new key")).to_be_focused()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    expect(page.get_by_label("The new key")).to_have_count(0)


def test_a_chart_of_more_than_can_be_told_apart_shows_them_together(visit, gateway):
    gateway.ask(times=2)

    def cut_off(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"rows": [], "next": 1000})

    page = visit("/")
    page.route(re.compile(r"group_by=day%2Cmodel"), cut_off)
    page.goto("/usage")
    page.get_by_role("button", name="Requests").click()
    expect(page.get_by_role("img", name="requests per day")).to_be_visible()
    expect(page.locator("figcaption")).to_have_text("all together")


def test_a_trace_shows_what_is_not_known_and_what_is_free(visit, gateway):
    gateway.ask(HOSTILE)
    page = visit("/traces")
    expect(rows(page).first).to_contain_text("unknown")
    rows(page).first.get_by_role("link").click()
    expect(page.locator(".figures")).to_contain_text("unknown")
    page.get_by_role("button", name="Open or close all").click()
    expect(page.locator("main")).not_to_contain_text("null")
