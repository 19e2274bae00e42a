"""Keys: made, seen once, revoked."""

from playwright.sync_api import expect


def test_a_key_is_made_shown_once_and_revoked(open_page):
    page = open_page("/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("shop window")
    page.get_by_label("Requests a minute").fill("600")
    page.get_by_label("Budget, US dollars").fill("50")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_label("The new key")
    expect(secret).to_be_focused()
    key = secret.input_value()
    assert key.startswith("sk-guru-")
    row = page.get_by_role("row", name="shop window")
    expect(row).to_contain_text("600 requests/min")
    expect(row).to_contain_text("$50 a month")
    answer = page.request.get("/api/v1/me", headers={"authorization": f"Bearer {key}"})
    assert answer.json()["role"] == "member"
    page.reload()
    expect(row).to_contain_text("active")
    assert key not in page.content()
    page.get_by_role("button", name="Revoke shop window").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    assert page.request.get("/api/v1/me", headers={"authorization": f"Bearer {key}"}).status == 401
