"""Proxies, with a small one on the loopback interface."""

import asyncio
import contextlib
import ssl

import pytest
import trustme

from guru.errors import ConfigurationError, ModelUnavailable
from guru.models.http import tls
from guru.models.http.proxy import proxy_for
from guru.models.http.target import parse
from raw_http import repeating, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class TinyProxy:
    """Connects whatever name it is told to one port of this machine, if the password is right."""

    def __init__(self, port, refuse=b""):
        self.port = port
        self.refuse = refuse
        self.heads = []

    async def __call__(self, reader, writer):
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.refuse:
            writer.write(self.refuse)
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        if self.heads[-1].startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(self.heads[-1])
        await asyncio.gather(self.pump(reader, back), self.pump(there, writer))

    async def pump(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@contextlib.asynccontextmanager
async def proxied(monkeypatch, port, **options):
    proxy = TinyProxy(port, **options)
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://user:pass%20word@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("https_proxy", address)
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield proxy
    server.close()


@pytest.fixture
def certificate(monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    tls.make_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example.com").configure_cert(context)
    yield context
    tls.make_context.cache_clear()


def test_https_goes_through_a_tunnel(run, monkeypatch, certificate):
    async def main():
        async with (
            serving(repeating(OK), tls=certificate) as (client, upstream),
            proxied(monkeypatch, upstream.port) as proxy,
        ):
            headers = {"authorization": "Bearer secret"}
            for _ in range(2):
                response = await client.request("POST", "https://api.example.com/v1", headers=headers)
                assert await response.read() == b"hello"
            [head] = proxy.heads
            assert head.startswith(b"CONNECT api.example.com:443 HTTP/1.1\r\n")
            assert b"proxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n" in head
            assert b"secret" not in head
            assert b"proxy-authorization" not in upstream.requests[0][0]
            await client.aclose()

    run(main())


def test_http_is_asked_of_the_proxy(run, monkeypatch):
    async def main():
        async with serving(repeating(OK)) as (client, upstream), proxied(monkeypatch, upstream.port) as proxy:
            assert await (await client.request("POST", "http://api.example.com:8000/v1?a=b")).read() == b"hello"
            [head] = proxy.heads
            assert head.startswith(
                b"POST http://api.example.com:8000/v1?a=b HTTP/1.1\r\nhost: api.example.com:8000\r\n"
            )
            assert b"proxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n" in head
            assert await (await client.request("POST", upstream.url)).read() == b"hello"
            assert len(proxy.heads) == 1  # loopback is not asked of it
            await client.aclose()

    run(main())


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "answered 407"),
        (b"HTTP/1.1 502 No\r\ncontent-length: 2\r\n\r\n", "answered 502"),
        (b"gibberish\r\n\r\n", "answered"),
        (b"HTTP/1.1 200", "ended"),
        (b"x" * 20_000, "ended"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "more than"),
    ],
)
def test_a_proxy_that_refuses(run, monkeypatch, answer, shown):
    async def main():
        async with serving(repeating(OK)) as (client, upstream), proxied(monkeypatch, upstream.port, refuse=answer):
            with pytest.raises(ModelUnavailable, match=shown) as caught:
                await client.request("POST", "https://api.example.com/")
            assert "pass" not in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://a.com/", {"HTTPS_PROXY": "http://p:1"}, "p"),
        ("https://a.com/", {"https_proxy": "p:1"}, "p"),
        ("https://a.com/", {"ALL_PROXY": "http://p"}, "p"),
        ("https://a.com/", {"HTTP_PROXY": "http://p"}, None),
        ("http://a.com/", {"HTTP_PROXY": "http://p"}, "p"),
        ("https://a.com/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, None),
        ("https://a.com/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "b.com, A.com"}, None),
        ("https://x.a.com/", {"HTTPS_PROXY": "http://p", "NO_PROXY": ".a.com"}, None),
        ("https://x.a.com/", {"HTTPS_PROXY": "http://p", "no_proxy": "*.a.com"}, None),
        ("https://xa.com/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.com"}, "p"),
        ("https://a.com/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.com:443"}, None),
        ("https://a.com:8443/", {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.com:443"}, "p"),
        ("http://10.1.2.3/", {"HTTP_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"HTTP_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "p"),
        ("http://localhost:11434/", {"HTTP_PROXY": "http://p"}, None),
        ("http://127.0.0.2/", {"HTTP_PROXY": "http://p"}, None),
        ("http://[::1]/", {"HTTP_PROXY": "http://p"}, None),
    ],
)
def test_which_proxy(url, environment, expected):
    found = proxy_for(parse(url).origin, environment)
    assert (found and found.host) == expected


def test_proxies_that_cannot_be_used():
    origin = parse("https://a.com/").origin
    for url in ("socks5://p:1", "https://p:1", "http://"):
        with pytest.raises(ConfigurationError):
            proxy_for(origin, {"HTTPS_PROXY": url})
    assert "secret" not in repr(proxy_for(origin, {"HTTPS_PROXY": "http://u:secret@p"}))
