import pytest

from guru.knowledge.web.address import charset_of, filename_of, normalise
from guru.knowledge.web.source import looks_like_sitemap


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:443/a#part", "https://example.com/a"),
        ("https://example.com:8443/a?b=c", "https://example.com:8443/a?b=c"),
        ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        ("https://example.com./a%20b", "https://example.com/a%20b"),
    ],
)
def test_one_page_has_one_name(url, name):
    assert normalise(url) == name == normalise(name)


@pytest.mark.parametrize(
    ("url", "media_type", "name"),
    [
        ("https://example.com/", "text/html; charset=utf-8", "example.com.html"),
        ("https://example.com/a/index.php", "text/html", "index.html"),
        ("https://example.com/report.pdf", "application/pdf", "report.pdf"),
        ("https://example.com/get?id=3", "application/pdf", "get.pdf"),
        ("https://example.com/notes.md", "text/markdown", "notes.md"),
        ("https://example.com/data.csv", "application/octet-stream", "data.csv"),
        ("https://example.com/%2e%2e%2fetc", "text/plain", "etc.txt"),
    ],
)
def test_a_file_is_called_by_what_it_is(url, media_type, name):
    assert filename_of(url, media_type) == name


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("text/html; charset=KOI8-R", "koi8-r"),
        ('text/plain; charset="utf-8"', "utf-8"),
        ("text/html", None),
        ("application/pdf; charset=utf-8", None),
        ("", None),
        ("text/html; charset=;;\x80", None),
    ],
)
def test_the_encoding_is_what_the_header_says_of_a_text(header, charset):
    assert charset_of(header) == charset


def test_sitemaps_are_told_by_their_names():
    assert looks_like_sitemap("https://example.com/sitemap.xml")
    assert looks_like_sitemap("https://example.com/wp/post-sitemap2.xml.gz")
    assert not looks_like_sitemap("https://example.com/sitemap")
    assert not looks_like_sitemap("https://example.com/feed.xml")
