import pytest

from guru.knowledge.web.robots import MAX_DELAY, Robots

URL = "https://example.com/private/a"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("User-agent: *\nDisallow: /private\n", False),
        ("User-agent: *\nDisallow: /private\n\nUser-agent: Guru\nDisallow:\n", True),
        ("User-agent: guru\nDisallow: /\n\nUser-agent: *\nAllow: /\n", False),
        ("User-agent: other\nDisallow: /\n", True),
        ("User-agent: *\nAllow: /private/a\nDisallow: /private\n", True),
        ("<html>No robots here</html>", True),
    ],
)
def test_the_rules_for_guru_or_else_for_everybody_hold(text, allowed):
    assert Robots(200, text).allows(URL) is allowed


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (410, True), (401, False), (403, False)])
def test_a_site_without_rules_has_no_objections_and_one_that_hides_them_has(status, allowed):
    assert Robots(status, "User-agent: *\nDisallow: /\n").allows(URL) is allowed


@pytest.mark.parametrize(
    ("delay", "seconds"), [("3", 3), ("0", 0), ("1000000", MAX_DELAY), ("9" * 5000, 0), ("\u00b2", 0), ("soon", 0)]
)
def test_a_delay_is_kept_as_far_as_it_can_be(delay, seconds):
    robots = Robots(200, f"User-agent: *\nCrawl-delay: {delay}\nDisallow: /private\n")
    assert robots.delay == seconds
    assert not robots.allows(URL)
