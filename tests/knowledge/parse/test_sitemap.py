import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import UnreadableDocument
from guru.knowledge.parse import sitemap as module
from guru.knowledge.parse.sitemap import Sitemap, SitemapEntry, parse_sitemap

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
PLAIN = f"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="{NAMESPACE}" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <!-- a comment -->
  <url><image:image><image:loc>https://example.com/a.png</image:loc></image:image>
       <loc> https://example.com/a?b=1&amp;c=2 </loc><lastmod>2024-05-06</lastmod></url>
  <url><loc><![CDATA[https://example.com/b]]></loc></url>
  <url><lastmod>2024-05-06</lastmod></url>
</urlset>""".encode()


def test_pages_come_with_the_dates_of_their_last_change():
    entries = [SitemapEntry("https://example.com/a?b=1&c=2", "2024-05-06"), SitemapEntry("https://example.com/b", None)]
    assert parse_sitemap(PLAIN) == parse_sitemap(gzip.compress(PLAIN)) == Sitemap(False, entries)


@pytest.mark.parametrize("prefix", ["", "s:"])
def test_an_index_lists_sitemaps_with_or_without_a_prefix(prefix):
    declared = f'xmlns{":s" if prefix else ""}="{NAMESPACE}"'
    data = f"<{prefix}sitemapindex {declared}><{prefix}sitemap><{prefix}loc>x.xml</{prefix}loc></{prefix}sitemap></{prefix}sitemapindex>"  # noqa: E501
    assert parse_sitemap(data.encode()) == Sitemap(True, [SitemapEntry("x.xml", None)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<rss><url><loc>x</loc></url></rss>",
        b"<!DOCTYPE html><html></html>",
        b"<urlset><url><loc>x</loc></url>",
        b'<?xml version="1.0" encoding="no-such"?><urlset/>',
        b'<?xml version="1.0" encoding="shift_jis"?><urlset/>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset><url><loc>&a;</loc></url></urlset>',
        gzip.compress(PLAIN)[:-20],
        b"\x1f\x8bno gzip",
    ],
)
def test_what_is_no_sitemap_is_told(data):
    with pytest.raises(UnreadableDocument, match="not a sitemap"):
        parse_sitemap(data)


def test_limits_hold(monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    with pytest.raises(UnreadableDocument, match="more than 1 entries"):
        parse_sitemap(PLAIN)
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    with pytest.raises(UnreadableDocument, match="unpacks to more"):
        parse_sitemap(gzip.compress(bytes(100 << 20)))


@given(st.binary(max_size=60), st.integers(0, len(PLAIN)))
def test_damage_is_told_and_nothing_else_happens(junk, place):
    try:
        parse_sitemap(PLAIN[:place] + junk + PLAIN[place:])
    except UnreadableDocument as error:
        assert "not a sitemap" in error.message
