"""Looking at a page as axe does: what there is in it that some people could not read or reach."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

AT_REST = """async () => {
  const moving = () => document.getAnimations().filter((one) => one instanceof CSSTransition);
  while (moving().length) await Promise.allSettled(moving().map((one) => one.finished));
}"""
"""A colour that is half-way from light to dark has no contrast worth a measure."""


def settled(page):
    """Wait until no skeleton stands for content that is on its way."""
    expect(page.locator(".skeleton")).to_have_count(0)
    return page


def violations(page):
    """The rule, the element and the advice of each thing that axe finds once no transition runs."""
    page.evaluate(AT_REST)
    results = Axe().run(page).response["violations"]
    return [(item["id"], item["nodes"][0]["target"], item["help"]) for item in results]
