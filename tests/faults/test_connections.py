"""Providers whose HTTP is odd, old or hostile, behind the whole gateway."""

import asyncio
import socket

import pytest

from faults.rig import Provider, answer, configuration, fail, gateway, providers, said

WORDS = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
LAST = (
    b'data: {"choices":[{"index":0,"delta":{"content":" there"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)
STREAM = b"content-type: text/event-stream\r\n"


def raw(*parts, close=True):
    """Bytes as they are; then the connection ends."""

    async def act(call):
        for part in parts:
            await call.send(part)
            await asyncio.sleep(0)
        if close:
            call.cut()

    return act


CHUNKED = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in (WORDS, LAST))
WELL = {
    "HTTP/1.0": raw(b"HTTP/1.0 200 OK\r\n" + STREAM + b"\r\n", WORDS, LAST),
    "until the end": raw(b"HTTP/1.1 200 OK\r\n" + STREAM + b"connection: close\r\n\r\n", WORDS, LAST),
    "trailers": raw(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n" + STREAM + b"\r\n" + CHUNKED,
        b"0\r\nx-end: 1\r\nserver-timing: a;dur=5\r\n\r\n", close=False,
    ),
    "100 and 103": raw(
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\ncontent-length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + STREAM + b"content-length: %d\r\n\r\n" % len(WORDS + LAST) + WORDS + LAST, close=False,
    ),
}  # fmt: skip
WRONG = {
    "nothing": raw(),
    "half a head": raw(b"HTTP/1.1 200 O"),
    "head without end": raw(b"HTTP/1.1 200 OK\r\n" + b"x-more: 0123456789abcdef\r\n" * 4_000, close=False),
    "one huge header": raw(b"HTTP/1.1 200 OK\r\nx-huge: " + b"a" * 200_000 + b"\r\n\r\n"),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "101": raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", b"x" * 99),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nhello"),
    "bad chunk": raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + STREAM + b"\r\nzz\r\n"),
    "short body": raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{}"),
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n", close=False),
    "304": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n", close=False),
    "empty 200": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", close=False),
}  # fmt: skip


async def test_what_is_http_is_read_and_what_is_not_goes_elsewhere(tmp_path):
    async with providers(2) as (a, b):
        alias = 'retries = 0\nfallbacks = ["b/gpt-4o"]'
        text = configuration(a, b, alias=alias, deployments='{ model = "a/gpt-4o" }')
        async with gateway(tmp_path / "home", text) as guru:
            for name, act in WELL.items():
                a.usual = act
                _, headers, got = await guru.chat(stream=True)
                assert (headers["x-guru-model"], said(got)) == ("a/gpt-4o", "Hello there"), name
                a.usual = answer("again")
                assert (await guru.chat())[2]["choices"][0]["message"]["content"] == "again", name
            assert not b.calls
            for name, act in WRONG.items():
                for stream in (False, True):
                    guru.health("a/gpt-4o").breaker.close()
                    a.usual, asked = act, len(a.calls)
                    status, headers, got = await guru.chat(stream=stream)
                    assert (status, headers["x-guru-model"]) == (200, "b/gpt-4o"), (name, got)
                    # A connection that was used before may have died while it was idle: it is asked once more.
                    assert len(a.calls) <= asked + 1 + (name == "nothing"), name
            await guru.at_rest()
            (held,) = [one for origin, one in http_of(guru).connections.items() if str(a.port) in origin]
            assert held[0] == held[1]


def http_of(guru):
    return guru.services.models.remote._http


async def test_no_redirect_takes_the_key_elsewhere(tmp_path):
    async with providers(2) as (a, b), gateway(tmp_path / "home", configuration(a, alias="retries = 0")) as guru:
        for number, status in enumerate((301, 302, 303, 307, 308), start=1):
            a.usual = fail(status, location=f"{b.url}/v1/chat/completions")
            got, _, body = await guru.chat()
            assert got == 502
            assert "redirects" in body["error"]["message"]
            assert "key-of-a" not in str(body)
            assert (b.connections, len(a.calls)) == (0, number)


async def test_an_answer_that_has_begun_is_never_asked_for_again_on_another_connection(tmp_path):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a, alias="retries = 0")) as guru:
        assert (await guru.chat())[0] == 200
        a.usual = raw(b"H")
        assert (await guru.chat())[0] == 502
        assert len(a.calls) == 2


async def test_a_provider_on_ipv6(tmp_path):
    one = Provider()
    try:
        await one.start("::1", family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        async with gateway(tmp_path / "home", configuration(one)) as guru:
            assert (await guru.chat())[0] == 200
            assert one.calls[0].headers["host"] == f"[::1]:{one.port}"
    finally:
        await one.stop()
