"""Requests and answers: what goes over the wire, and how an answer ends."""

import asyncio
import gzip
import zlib

import pytest

from guru.errors import BadRequest, ConfigurationError, ModelError, ModelTimeout, ModelUnavailable, StreamCut
from guru.models.http import HttpClient, Timeouts
from raw_http import answering, repeating, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def test_sends_what_it_is_given_and_reads_what_comes(run):
    async def main():
        async with serving(
            answering(b"HTTP/1.1 201 Created\r\nX-Thing: a\r\nx-thing: b\r\ncontent-length: 2\r\n\r\nhi")
        ) as (
            client,
            upstream,
        ):
            headers = {"authorization": "Bearer secret", "x-title": "caf\xe9"}
            response = await client.request(
                "POST", upstream.url + "/v1/x?q=a b".replace(" ", "%20"), headers=headers, body=b"{}"
            )
            assert (response.status, await response.read()) == (201, b"hi")
            assert response.headers.get("X-THING") == "a, b"
            assert ("x-thing", "b") in response.headers.items()
            assert response.headers.get("nothing") is None
            [(head, body)] = upstream.requests
            lines = head.split(b"\r\n")
            assert lines[0] == b"POST /v1/x?q=a%20b HTTP/1.1"
            assert b"host: 127.0.0.1:%d" % upstream.port in lines
            assert b"authorization: Bearer secret" in lines
            assert b"x-title: caf\xe9" in lines
            assert b"accept-encoding: identity" in lines
            assert b"content-length: 2" in lines
            assert body == b"{}"
            assert "secret" not in repr(response) + repr(response.headers)

    run(main())


def test_a_get_has_no_length_and_an_empty_post_has(run):
    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            for method in ("GET", "POST"):
                await (await client.request(method, upstream.url)).read()
            get, post = (head for head, _ in upstream.requests)
            assert get.startswith(b"GET / HTTP/1.1\r\n")
            assert b"content-length" not in get
            assert b"content-length: 0\r\n" in post

    run(main())


def test_one_connection_serves_many_requests(run):
    async def main():
        async with serving(repeating(OK)) as (client, upstream):
            for _ in range(50):
                assert await (await client.request("POST", upstream.url, body=b"x")).read() == b"hello"
            assert upstream.connections == 1
            assert client.connections == {upstream.url: (1, 1)}

    run(main())


ANSWERS = {
    "length": (OK, b"hello"),
    "chunked": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
    "trailers": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", b"hello"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hello"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, b"hello"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_framings_leave_the_connection_for_the_next_request(run, name):
    answer, expected = ANSWERS[name]

    async def main():
        async with serving(answering(answer, OK)) as (client, upstream):
            response = await client.request("POST", upstream.url)
            assert await response.read() == expected
            assert response.headers.get("link") is None
            assert await (await client.request("POST", upstream.url)).read() == b"hello"
            assert upstream.connections == 1

    run(main())


CLOSING = {
    "connection: close": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "until the end, encoded": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
    "more than announced": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more",
    "an answer that nobody asked for": OK + OK,
}


@pytest.mark.parametrize("name", CLOSING)
def test_framings_that_end_the_connection(run, name):
    async def main():
        async with serving(answering(CLOSING[name], close=True)) as (client, upstream):
            for _ in range(2):
                response = await client.request("POST", upstream.url)
                assert await response.read() == b"hello"
            assert upstream.connections == 2
            assert client.connections == {upstream.url: (0, 0)}

    run(main())


def test_an_answer_to_head_has_no_body(run):
    async def main():
        async with serving(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as (client, upstream):
            response = await client.request("HEAD", upstream.url)
            assert (response.headers.get("content-length"), await response.read()) == ("5", b"")

    run(main())


CUT = {
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "within a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello",
    "close": b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "garbage": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzzzz",
}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_answer_gives_what_came_and_then_an_error(run, name):
    async def main():
        async with serving(answering([CUT[name][:-4], 0.01, CUT[name][-4:], 0.01], close=True)) as (client, upstream):
            response = await client.request("POST", upstream.url)
            parts = []
            with pytest.raises(StreamCut, match=r"in the middle|not HTTP"):
                async for part in response.iter():
                    parts += [part]
            assert b"".join(parts) == b"hello"
            with pytest.raises(StreamCut):
                await (await client.request("POST", upstream.url)).read()

    run(main())


GARBAGE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "huge header": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\ncontent-length: 5\r\n\r\nhello",
    "header without end": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000,
    "endless hints": b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n" * 5000,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_an_answer_is_an_error(run, name):
    async def main():
        async with serving(answering(GARBAGE[name], close=True)) as (client, upstream):
            with pytest.raises(StreamCut):
                await client.request("POST", upstream.url)

    run(main())


def test_framing_without_content_is_an_error(run):
    async def main():
        chunk = b"1;" + b"e" * 1000 + b"\r\nx\r\n"
        answer = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[chunk * 100] * 50]
        async with serving(answering(answer)) as (client, upstream):
            with pytest.raises(StreamCut, match="framing"):
                await (await client.request("POST", upstream.url)).read()

    run(main())


def test_no_connection_and_no_answer(run):
    async def silent(upstream, reader, writer):
        await upstream.read_request(reader)

    async def main():
        async with serving(silent) as (client, upstream):
            with pytest.raises(ModelUnavailable, match="without an answer"):
                await client.request("POST", upstream.url)
            assert len(upstream.requests) == 1  # a request on a new connection is never sent twice
        client = HttpClient()
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            await client.request("POST", upstream.url)
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            await client.request("POST", "http://no-such-host.invalid/")
        await client.aclose()
        with pytest.raises(ModelUnavailable, match="stopping"):
            await client.request("POST", upstream.url)

    run(main())


def test_timeouts(run):
    quick = Timeouts(connect=1, first_byte=0.05, idle=0.05)

    async def main():
        async with serving(answering([0.2])) as (client, upstream):
            with pytest.raises(ModelTimeout, match="did not begin"):
                await client.request("POST", upstream.url, timeouts=quick)
        async with serving(answering([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 0.2])) as (client, upstream):
            response = await client.request("POST", upstream.url, timeouts=quick)
            with pytest.raises(ModelTimeout, match="in the middle"):
                await response.read()

    run(main())


def test_a_slow_answer_is_no_timeout_as_long_as_it_goes_on(run):
    async def main():
        parts = [part for byte in b"hello" for part in (bytes([byte]), 0.03)]
        answer = [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 0.03, *parts]
        async with serving(answering(answer)) as (client, upstream):
            response = await client.request("POST", upstream.url, timeouts=Timeouts(first_byte=0.08, idle=0.08))
            assert [part async for part in response.iter()] == [b"h", b"e", b"l", b"l", b"o"]

    run(main())


def test_packed_bodies_are_unpacked(run):
    text = b"some text, again and again. " * 100_000
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": gzip.compress(text[:100]) + gzip.compress(text[100:]),
        "deflate": zlib.compress(text),
        "Deflate": raw.compress(text) + raw.flush(),
        "identity": text,
    }

    async def main():
        for encoding, body in bodies.items():
            head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (
                encoding.encode(),
                len(body),
            )
            async with serving(answering([head, body[:1], 0.01, body[1:]])) as (client, upstream):
                assert await (await client.request("POST", upstream.url)).read() == text
            async with serving(answering(head + body)) as (client, upstream):
                response = await client.request("POST", upstream.url)
                with pytest.raises(ModelError, match="larger than 1 MiB"):
                    await response.read(limit=1 << 20)

    run(main())


def test_packed_bodies_that_cannot_be_unpacked(run):
    async def main():
        packed = gzip.compress(b"x" * 1000)
        for encoding, body, kind in [
            (b"gzip", packed[:-4], StreamCut),
            (b"gzip", b"no gzip", StreamCut),
            (b"br", b"?", ModelError),
        ]:
            answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n%b" % (
                encoding,
                len(body),
                body,
            )
            async with serving(answering(answer)) as (client, upstream):
                with pytest.raises(kind):
                    await (await client.request("POST", upstream.url)).read()

    run(main())


def test_redirects_are_errors_that_say_where_to(run):
    async def main():
        for location, shown in [
            (b"https://api.example.com/v1?key=secret", "api.example.com"),
            (b"/v2", "same host"),
            (b"", "else"),
        ]:
            answer = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n" % location
            async with serving(answering(answer)) as (client, upstream):
                with pytest.raises(ModelError, match=shown) as caught:
                    await client.request("POST", upstream.url)
                assert "secret" not in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    "headers",
    [{"x": "a\r\nb: c"}, {"x": "a\0"}, {"x\r\ny": "a"}, {"x y": "a"}, {"": "a"}, {"x": "\u20ac"}, {"x": " a"},
     {"Transfer-Encoding": "chunked"}, {"connection": "upgrade"}],
)  # fmt: skip
async def test_headers_that_would_change_the_request_are_refused(headers):
    client = HttpClient()
    with pytest.raises(BadRequest) as caught:
        await client.request("POST", "http://127.0.0.1:1/", headers=headers)
    assert "b: c" not in str(caught.value)
    with pytest.raises(BadRequest):
        await client.request("GET / HTTP/1.1\r\nx: y\r\n", "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "url",
    ["http://user:secret@host/", "ftp://host/", "host/path", "http:///path", "http://host:99999/", "http://[::1/",
     "http://host/\r\nx: y", "http://host/a b", "http://" + "a" * 70 + ".com/"],
)  # fmt: skip
async def test_addresses_that_cannot_be_used(url):
    with pytest.raises(ConfigurationError) as caught:
        await HttpClient().request("POST", url)
    assert "secret" not in str(caught.value)


def test_a_large_request_waits_for_the_server(run):
    body = bytes(range(256)) * 40_000  # 10 MB

    async def slowly(upstream, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        size = 0
        while size < len(body):
            piece = await reader.read(1 << 20)
            assert piece == body[size : size + len(piece)]
            size += len(piece)
        writer.write(OK)
        await reader.read()

    async def main():
        async with serving(slowly) as (client, upstream):
            assert await (await client.request("POST", upstream.url, body=body)).read() == b"hello"
            assert client.connections == {upstream.url: (1, 1)}

    run(main())


def test_an_early_answer_ends_a_large_request(run):
    async def refusing(upstream, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await asyncio.sleep(0.05)

    async def main():
        async with serving(refusing) as (client, upstream):
            response = await client.request("POST", upstream.url, body=b"x" * 50_000_000)
            assert (response.status, await response.read()) == (413, b"no")
            assert client.connections == {upstream.url: (0, 0)}

    run(main())


def test_a_server_that_does_not_take_a_large_request(run):
    async def stuck(upstream, reader, writer):
        await asyncio.sleep(0.2)

    async def main():
        async with serving(stuck) as (client, upstream):
            with pytest.raises(ModelTimeout, match="did not take"):
                await client.request("POST", upstream.url, body=b"x" * 50_000_000, timeouts=Timeouts(idle=0.05))

    run(main())


def test_a_body_that_nobody_reads_is_not_taken_from_the_socket(run):
    sent = 0

    async def flooding(upstream, reader, writer):
        nonlocal sent
        await upstream.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 60000000\r\n\r\n")
        for _ in range(600):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000
        await reader.read()

    async def main():
        async with serving(flooding) as (client, upstream):
            response = await client.request("POST", upstream.url, timeouts=Timeouts(idle=0.1))
            await asyncio.sleep(0.3)  # longer than idle: but it is not the server that is slow
            assert response.size < 2_000_000
            assert sent < 30_000_000
            assert sum([len(part) async for part in response.iter()]) == 60_000_000
            assert client.connections == {upstream.url: (1, 1)}

    run(main())
