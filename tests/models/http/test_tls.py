"""TLS, with an authority made for the test."""

import ssl

import pytest
import trustme

from guru.errors import ModelUnavailable
from guru.models.http import tls
from raw_http import repeating, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_context(authority, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def fresh_contexts():
    tls.make_context.cache_clear()
    yield
    tls.make_context.cache_clear()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


def test_a_trusted_certificate(run, authority, trusted):
    async def main():
        async with serving(repeating(OK), tls=server_context(authority, "127.0.0.1")) as (client, upstream):
            for _ in range(3):
                assert await (await client.request("POST", upstream.url, body=b"x" * 300_000)).read() == b"hello"
            assert upstream.connections == 1

    run(main())


def test_large_answers(run, authority, trusted):
    async def main():
        body = bytes(range(256)) * 20_000
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        async with serving(repeating(answer), tls=server_context(authority, "127.0.0.1")) as (client, upstream):
            for _ in range(2):
                assert await (await client.request("POST", upstream.url)).read() == body

    run(main())


@pytest.mark.parametrize("name", ["127.0.0.1", "wrong.example.com"])
def test_an_unknown_authority_and_a_wrong_name(run, authority, name, monkeypatch, tmp_path):
    if name != "127.0.0.1":
        file = tmp_path / "authority.pem"
        authority.cert_pem.write_to_path(file)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))

    async def main():
        async with serving(repeating(OK), tls=server_context(authority, name)) as (client, upstream):
            with pytest.raises(ModelUnavailable, match="not trusted"):
                await client.request("POST", upstream.url)
            assert upstream.requests == []
            response = await client.request("POST", upstream.url, verify=False)
            assert await response.read() == b"hello"
            with pytest.raises(ModelUnavailable, match="not trusted"):  # what was not checked is not shared
                await client.request("POST", upstream.url)

    run(main())


def test_a_server_that_does_not_speak_tls(run):
    async def plain(upstream, reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")

    async def main():
        async with serving(plain) as (client, upstream):
            with pytest.raises(ModelUnavailable, match="TLS failed"):
                await client.request("POST", upstream.url.replace("http:", "https:"), verify=False)

    run(main())
