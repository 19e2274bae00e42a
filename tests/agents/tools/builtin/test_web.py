"""Pages, searches, weather and news, by servers that answer as the documented services do."""

import pytest

from agents.tools.boxes import CONTEXT
from agents.tools.builtin.web import PlainPages, network, serving
from guru.agents.tools.builtin.feeds import read_feed
from guru.agents.tools.builtin.news import news_tool
from guru.agents.tools.builtin.weather import weather_tool
from guru.agents.tools.builtin.web_fetch import web_fetch_tool
from guru.agents.tools.builtin.web_search import web_search_tool
from guru.agents.tools.toolbox import Toolbox
from guru.config import NewsToolSettings, WeatherToolSettings, WebSearchToolSettings, WebToolSettings
from guru.errors import ConfigurationError, UnreadableDocument
from guru.knowledge.parse.sandbox import ParsePool
from guru.server.tooling import ParsedPages


@pytest.fixture
async def site():
    async with serving() as answers:
        yield answers


@pytest.fixture
async def net():
    async with network() as made:
        yield made


async def fetch(net, url, private=("127.0.0.1",), pages=None, start=0, **settings):
    box = Toolbox([web_fetch_tool(WebToolSettings(**settings), net, pages or PlainPages(), list(private))])
    return await box.call("fetch_page", {"url": url, "start": start}, CONTEXT)


@pytest.mark.parametrize(("hosts", "anywhere"), [([], True), (["*.example.org"], False)])
def test_it_asks_any_address_unless_hosts_are_named(net, hosts, anywhere):
    spec = web_fetch_tool(WebToolSettings(hosts=hosts), net, PlainPages(), []).spec
    assert (spec.effect, spec.anywhere) == ("read", anywhere)


async def test_a_page_is_fetched_and_read_by_the_parser(site, net):
    html = "<html><head><title>Lunch</title></head><body><h1>Menu</h1><p>Soup &amp; bread.</p><script>x()</script>"
    site.say("/menu", html, content_type="text/html; charset=utf-8")
    pool = ParsePool()
    try:
        result = await fetch(net, f"{site.url}/menu", pages=ParsedPages(pool))
    finally:
        await pool.aclose()
    assert not result.failed, result.text
    assert "Soup & bread." in result.text and "x()" not in result.text
    assert result.data["title"] == "Lunch"
    assert site.asked[0][2]["user-agent"].startswith("Guru/")


async def test_a_text_is_shown_as_it_is_and_a_long_one_in_parts(site, net):
    site.say("/t", "0123456789" * 5, content_type="text/plain")
    result = await fetch(net, f"{site.url}/t", characters=20)
    assert "01234567890123456789\n\n[30 more characters: ask with start=20]" in result.text
    result = await fetch(net, f"{site.url}/t", characters=20, start=40)
    assert result.text.endswith("\n\n0123456789")
    assert (await fetch(net, f"{site.url}/t", start=99)).text.endswith("There is no text.")


PRIVATE = [
    "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://0.0.0.0:1/", "http://10.0.0.1/",
    "http://192.168.1.1/", "http://172.16.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fd00::1]/",
    "http://[::ffff:127.0.0.1]:1/", "http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://100.64.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
async def test_no_address_of_a_private_network_is_asked(net, url):
    result = await fetch(net, url, private=())
    assert result.failed


async def test_a_redirect_to_a_private_address_is_refused(site, net):
    """The site itself may be asked by its name and port; where it leads to may not."""
    site.say("/out", "", 302, location="http://127.0.0.1:1/secret")
    site.say("/there", "", 302, location=site.url.replace("127.0.0.1", "localhost") + "/secret")
    site.say("/secret", "secret", content_type="text/plain")
    host = site.url.removeprefix("http://")
    for path in ("/out", "/there"):
        result = await fetch(net, site.url + path, private=[host])
        assert result.failed
        assert "private" in result.text or "loopback" in result.text or "this machine" in result.text
    assert [path for _, path, _, _ in site.asked] == ["/out", "/there"]


async def test_redirects_are_followed_for_a_while(site, net):
    site.say("/a", "", 301, location="/b")
    site.say("/b", "", 307, location="c#part")
    site.say("/c", "here", content_type="text/plain")
    site.say("/ring", "", 302, location="/ring")
    result = await fetch(net, f"{site.url}/a")
    assert result.data["url"] == f"{site.url}/c" and "here" in result.text
    assert "redirects more than 5 times" in (await fetch(net, f"{site.url}/ring")).text
    site.say("/file", "", 302, location="file:///etc/passwd")
    assert "is not an address of the web" in (await fetch(net, f"{site.url}/file")).text


@pytest.mark.parametrize(
    "url", ["", "x", "file:///etc/passwd", "ftp://a.b/c", "http://", "http://a b/", "http://u:p@example.com/",
            "javascript:alert(1)", "http://example.com:99999/", "http://[::1", "https://" + "a" * 5000, "http://a\n.b"],
)  # fmt: skip
async def test_what_is_no_address_is_refused(net, url):
    assert (await fetch(net, url)).failed


async def test_what_is_too_large_or_not_there_is_told(site, net):
    site.say("/big", b"x" * (2 << 20), content_type="text/plain")
    assert "larger than 1 MB" in (await fetch(net, f"{site.url}/big", max_page_mb=1)).text
    assert "status 404" in (await fetch(net, f"{site.url}/none")).text
    assert (await fetch(net, "http://127.0.0.1:1/")).failed


async def test_only_the_hosts_of_the_configuration_are_asked_and_redirects_are_held_to_them(site, net):
    site.say("/a", "", 302, location="http://elsewhere.example/")
    site.say("/b", "here", content_type="text/plain")
    allowed = {"hosts": ["127.0.0.*"]}
    assert "elsewhere.example may not be asked" in (await fetch(net, f"{site.url}/a", **allowed)).text
    assert "here" in (await fetch(net, f"{site.url}/b", **allowed)).text
    assert "may not be asked" in (await fetch(net, f"{site.url}/b", hosts=["*.wikipedia.org"])).text


# ------------------------------------------------------------------------- search

BRAVE = {"type": "search", "web": {"results": [
    {"title": "The <strong>Moon</strong>", "url": "https://moon.example/", "description": "A &amp; <strong>B</strong>",
     "page_age": "2026-01-02T03:04:05"},
    {"title": "Other", "url": "https://other.example/"},
]}}  # fmt: skip
TAVILY = {"query": "moon", "results": [
    {"title": "The Moon", "url": "https://moon.example/", "content": "A & B", "score": 0.9},
]}  # fmt: skip
SEARXNG = {"query": "moon", "results": [
    {"title": "The Moon", "url": "https://moon.example/", "content": "A & B", "publishedDate": None, "engine": "x"},
    {"title": "Second", "url": "https://second.example/", "content": ""},
]}  # fmt: skip


async def search(net, query="moon", **settings):
    box = Toolbox([web_search_tool(WebSearchToolSettings(**settings), net)])
    return await box.call("search_web", {"query": query}, CONTEXT)


async def test_brave_is_asked_as_it_documents(site, net):
    site.say("/res/v1/web/search", BRAVE)
    result = await search(net, "moon & stars", provider="brave", api_key="k-1", url=site.url, results=2)
    assert result.text == (
        "1. The Moon (2026-01-02T03:04:05)\nhttps://moon.example/\nA & B\n\n2. Other\nhttps://other.example/"
    )
    method, path, headers, _ = site.asked[0]
    assert (method, path) == ("GET", "/res/v1/web/search?q=moon+%26+stars&count=2")
    assert headers["x-subscription-token"] == "k-1"


async def test_tavily_is_asked_as_it_documents(site, net):
    site.say("/search", TAVILY)
    result = await search(net, provider="tavily", api_key="k-1", url=site.url)
    assert result.data == [{"title": "The Moon", "url": "https://moon.example/", "text": "A & B", "date": None}]
    method, path, headers, body = site.asked[0]
    assert (method, path, headers["authorization"]) == ("POST", "/search", "Bearer k-1")
    assert body == b'{"query":"moon","max_results":5}'


async def test_searxng_is_asked_as_it_documents(site, net):
    site.say("/search", SEARXNG)
    result = await search(net, provider="searxng", url=f"{site.url}/", results=1)
    assert len(result.data) == 1
    assert site.asked[0][1] == "/search?q=moon&format=json"


async def test_a_search_that_fails_is_told_without_its_key(site, net):
    site.say("/search", {"detail": "k-1 is wrong"}, 401)
    result = await search(net, provider="tavily", api_key="k-1", url=site.url)
    assert result.text == "127.0.0.1 answered with status 401. Its key is not taken."
    for odd in ("not json", "[]", '{"results": [3]}', '{"results": null}', '{"web": 1}'):
        site.say("/search", odd, content_type="application/json")
        site.say("/res/v1/web/search", odd, content_type="application/json")
        for provider in ("tavily", "brave"):
            result = await search(net, provider=provider, api_key="k-1", url=site.url)
            assert result.failed or result.text == "Nothing was found."
            assert "Error" not in result.text and "k-1" not in result.text


def test_a_search_without_its_key_or_address_is_refused():
    with pytest.raises(ConfigurationError, match="api_key is missing"):
        web_search_tool(WebSearchToolSettings(provider="brave"), None)
    with pytest.raises(ConfigurationError, match="url is missing"):
        web_search_tool(WebSearchToolSettings(provider="searxng"), None)


# ------------------------------------------------------------------------- weather

PLACES = {"results": [
    {"id": 1, "name": "Bern", "latitude": 46.94809, "longitude": 7.44744, "country": "Switzerland",
     "country_code": "CH", "admin1": "Bern"},
    {"id": 2, "name": "Bern", "latitude": 40.2, "longitude": -95.4, "country": "United States", "country_code": "US"},
]}  # fmt: skip
FORECAST = {
    "latitude": 46.94, "longitude": 7.44, "timezone": "Europe/Zurich",
    "current_units": {"time": "iso8601", "temperature_2m": "°C", "apparent_temperature": "°C",
                      "relative_humidity_2m": "%", "wind_speed_10m": "km/h", "precipitation": "mm"},
    "current": {"time": "2026-02-03T14:15", "interval": 900, "temperature_2m": 4.2, "apparent_temperature": 1.0,
                "relative_humidity_2m": 81, "precipitation": 0.0, "weather_code": 3, "wind_speed_10m": 9.4,
                "wind_direction_10m": 240},
    "daily_units": {"temperature_2m_max": "°C", "temperature_2m_min": "°C", "precipitation_sum": "mm",
                    "precipitation_probability_max": "%", "wind_speed_10m_max": "km/h"},
    "daily": {"time": ["2026-02-03", "2026-02-04"], "weather_code": [61, 999], "temperature_2m_max": [5.0, 7.5],
              "temperature_2m_min": [-1.0, 0.0], "precipitation_sum": [3.1, 0.0],
              "precipitation_probability_max": [80, 10], "wind_speed_10m_max": [20.1, 12.0],
              "sunrise": ["2026-02-03T07:50", "2026-02-04T07:49"], "sunset": ["2026-02-03T17:35", "2026-02-04T17:37"]},
}  # fmt: skip


async def weather(net, site, **arguments):
    settings = WeatherToolSettings(url=site.url, geocoding_url=site.url, api_key=arguments.pop("key", None))
    return await Toolbox([weather_tool(settings, net)]).call("weather", arguments, CONTEXT)


async def test_the_weather_is_asked_as_open_meteo_documents(site, net):
    site.say("/v1/search", PLACES)
    site.say("/v1/forecast", FORECAST)
    result = await weather(net, site, place="Bern", days=2)
    assert result.text.splitlines() == [
        "Bern, Bern, Switzerland, 2026-02-03T14:15 (Europe/Zurich)",
        "Now: overcast, 4.2 °C, feels like 1.0 °C, humidity 81 %, wind 9.4 km/h, precipitation 0.0 mm",
        "2026-02-03: light rain, -1.0 °C to 5.0 °C, precipitation 3.1 mm (80 %), wind up to 20.1 km/h",
        "2026-02-04: weather code 999, 0.0 °C to 7.5 °C, precipitation 0.0 mm (10 %), wind up to 12.0 km/h",
    ]
    assert result.data["place"]["latitude"] == 46.94809
    assert "latitude=46.94809&longitude=7.44744&current=temperature_2m%2C" in site.asked[1][1]
    assert "forecast_days=2" in site.asked[1][1] and "apikey" not in site.asked[1][1]


async def test_a_country_chooses_among_places_of_one_name(site, net):
    site.say("/v1/search", PLACES)
    site.say("/v1/forecast", FORECAST)
    for country in ("us", "United States"):
        assert (await weather(net, site, place="Bern", country=country)).data["place"]["latitude"] == 40.2
    result = await weather(net, site, place="Bern", country="Peru")
    assert result.text == "There is no 'Bern' in 'Peru'. There is one in: Switzerland, United States."


async def test_a_place_that_is_not_there_and_an_answer_that_is_odd_are_told(site, net):
    site.say("/v1/search", {"generationtime_ms": 0.1})
    assert "no place called 'Xyzzy'" in (await weather(net, site, place="Xyzzy")).text
    site.say("/v1/search", PLACES)
    for odd in ({}, {"current": 1, "daily": 2}, FORECAST | {"daily": {"time": ["x"]}}):
        site.say("/v1/forecast", odd)
        assert "form that is not known" in (await weather(net, site, place="Bern")).text


async def test_a_key_is_sent(site, net):
    site.say("/v1/search", PLACES)
    site.say("/v1/forecast", FORECAST)
    await weather(net, site, place="Bern", key="k-1")
    assert "apikey=k-1" in site.asked[1][1]


# ------------------------------------------------------------------------- news

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>The Daily</title><link>https://daily.example</link>
<item><title>Moon found</title><link>https://daily.example/moon</link><description>&lt;p&gt;It was &lt;b&gt;there&lt;/b&gt;.&lt;/p&gt;</description>
<pubDate>Tue, 03 Feb 2026 10:00:00 +0100</pubDate></item>
<item><title>Sun lost</title><link>https://daily.example/sun</link><pubDate>Wed, 04 Feb 2026 10:00:00 GMT</pubDate></item>
</channel></rss>"""  # noqa: E501
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Atomic</title>
<entry><title>Moon lost again</title><link rel="self" href="https://no"/><link href="https://atom.example/1"/>
<updated>2026-02-05T00:00:00Z</updated><summary>Gone.</summary></entry></feed>"""
GDELT = {"articles": [{"url": "https://world.example/1", "title": "Mond gefunden", "seendate": "20260206T030405Z",
                       "domain": "world.example", "language": "German"}]}  # fmt: skip


async def news(net, query="", **settings):
    return await Toolbox([news_tool(NewsToolSettings(**settings), net)]).call("news", {"query": query}, CONTEXT)


async def test_feeds_are_read_the_latest_first(site, net):
    site.say("/rss", RSS, content_type="application/rss+xml")
    site.say("/atom", ATOM, content_type="application/atom+xml")
    result = await news(net, feeds=[f"{site.url}/rss", f"{site.url}/atom"])
    assert [item["title"] for item in result.data] == ["Moon lost again", "Sun lost", "Moon found"]
    assert "1. Moon lost again (Atomic, 2026-02-05 00:00 UTC)\nhttps://atom.example/1\nGone." in result.text
    assert "3. Moon found (The Daily, 2026-02-03 09:00 UTC)\nhttps://daily.example/moon\nIt was there." in result.text


async def test_words_choose_and_gdelt_is_asked_as_it_documents(site, net):
    site.say("/rss", RSS)
    site.say("/api/v2/doc/doc", GDELT)
    result = await news(net, "moon found", feeds=[f"{site.url}/rss"], gdelt=True, gdelt_url=site.url)
    assert [item["title"] for item in result.data] == ["Mond gefunden", "Moon found"]
    (asked,) = [path for _, path, _, _ in site.asked if "gdelt" in path or "doc" in path]
    assert asked == "/api/v2/doc/doc?query=moon+found&mode=artlist&format=json&maxrecords=10&sort=datedesc"


async def test_a_feed_that_cannot_be_read_is_told_beside_the_others(site, net):
    site.say("/rss", RSS)
    site.say("/bad", "<html>")
    feeds = [f"{site.url}/rss", f"{site.url}/none", f"{site.url}/bad"]
    result = await news(net, feeds=feeds)
    assert len(result.data) == 2 and not result.failed
    assert result.text.count("(Not read: ") == 2
    assert (await news(net, feeds=feeds[1:])).failed


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><item><title>&a;</title></item></rss>'


@pytest.mark.parametrize(
    "feed", [BOMB, OUTSIDE, BOMB.lower(), "", "<rss", "\0", "x", "<?xml version='1.0' encoding='x'?><a/>"]
)
def test_feeds_that_define_entities_or_are_none_are_refused(feed):
    for content in (feed.encode(), feed.encode("utf-16")):
        with pytest.raises(UnreadableDocument):
            read_feed(content, "x")
