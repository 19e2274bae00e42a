"""What the server sends for a page: headers that keep it safe, and files that a browser keeps."""

import re
import urllib.error
import urllib.request

import pytest

PAGES = ["/", "/chat/any", "/collections", "/collections/handbook", "/documents/any", "/traces", "/agents/runs/any"]


def fetch(server, path, **headers):
    """The answer to a GET, with its body."""
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_inline_and_allows_nothing_foreign(sample_server, path):
    status, headers, body = fetch(sample_server, path)
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", body)
    assert not re.search(r"(src|href)=\"(https?:)?//", body)


def test_static_files_are_kept_for_ever_under_their_digest(sample_server):
    _, _, body = fetch(sample_server, "/")
    paths = re.findall(r'(?:src|href)="(/static/[^"]+)"', body)
    assert len(paths) > 8
    for path in set(paths):
        status, headers, _ = fetch(sample_server, path)
        assert status == 200
        assert "immutable" in headers["cache-control"]


def test_a_file_under_an_old_digest_is_served_but_asked_for_again(sample_server):
    status, headers, _ = fetch(sample_server, "/static/0000000000000000/element.js")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    tagged = {"if-none-match": headers["etag"]}
    assert fetch(sample_server, "/static/0000000000000000/element.js", **tagged)[0] == 304


@pytest.mark.parametrize("path", ["types.d.ts", "../pages.py", "%2e%2e/__init__.py", "none.js"])
def test_nothing_else_is_served(sample_server, path):
    assert fetch(sample_server, f"/static/x/{path}")[0] == 404


def test_a_hostile_name_in_an_address_is_only_text(sample_server):
    _, _, body = fetch(sample_server, "/collections/%22%3E%3Cscript%3Ealert(1)")
    assert "<script>alert" not in body
