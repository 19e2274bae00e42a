"""HTTP/1.1 on the wire: order, limits, timeouts, clients that go away."""

import asyncio
import contextlib
import json

import pytest

from guru.server import exchange as exchanges
from guru.server import protocol
from scripted import run_server, say

ASK = {"model": "test/scripted", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path) as running:
        yield running


def request(body=None, *, method="POST", path="/v1/chat/completions", host="127.0.0.1", more=""):
    data = json.dumps(body).encode() if body is not None else b""
    length = f"content-length: {len(data)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{length}{more}\r\n".encode() + data


@contextlib.asynccontextmanager
async def connected(server):
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_answer(reader):
    """Status, headers and body of one answer with a length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    if "content-length" in headers:
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return int(head[0].split()[1]), headers, body


async def test_pipelined_requests_are_answered_in_order(server):
    async with connected(server) as (reader, writer):
        slow = request(ASK)
        server.model.script = [0.05, *say("Slow.")]
        writer.write(slow + request(method="GET", path="/healthz") + request(method="GET", path="/nothing/here"))
        answers = [await read_answer(reader) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 404]
    assert b"Slow." in answers[0][2]
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 3


async def test_byte_by_byte(server):
    async with connected(server) as (reader, writer):
        for byte in request(ASK):
            writer.write(bytes([byte]))
            await writer.drain()
        status, _, body = await read_answer(reader)
    assert status == 200
    assert b"Hello there." in body


async def test_chunked_bodies_and_100_continue(server):
    async with connected(server) as (reader, writer):
        writer.write(request(more="transfer-encoding: chunked\r\nexpect: 100-continue\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for part in (json.dumps(ASK).encode()[:20], json.dumps(ASK).encode()[20:]):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        assert (await read_answer(reader))[0] == 200


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding : chunked\r\n",
        "x: a\rcontent-length: 5\r\n",
        " folded: x\r\n",
    ],
)
async def test_requests_whose_end_is_doubtful_are_refused(server, framing):
    async with connected(server) as (reader, writer):
        writer.write(request(more=framing) + b"0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in answers


async def test_the_fast_doors_check_what_the_others_check(server):
    async with connected(server) as (reader, writer):
        for more, host in [("origin: http://evil.example\r\n", "127.0.0.1"), ("", "evil.example")]:
            writer.write(request(ASK, host=host, more=more))
            status, headers, _ = await read_answer(reader)
            assert status == 403
            assert headers["x-content-type-options"] == "nosniff"
        writer.write(request(more=f"content-length: {1 << 40}\r\n"))
        assert (await read_answer(reader))[0] == 413
    assert server.model.requests == []


async def test_a_head_without_end_is_refused(server):
    async with connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 200_000)
        with contextlib.suppress(ConnectionError):
            assert b" 400 " in await reader.read()


async def test_connections_without_a_request_are_closed(server, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    async with connected(server) as (reader, writer):
        assert await reader.read() == b""
    async with connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: 127.0")
        assert await reader.read() == b""


async def test_a_slow_answer_outlives_the_timeouts(server, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    server.model.script = [0.3, *say("Patience.")]
    async with connected(server) as (reader, writer):
        writer.write(request(ASK))
        assert b"Patience." in (await read_answer(reader))[2]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_the_model(server, stream):
    server.model.script = [*say("One.")[:1], 30.0]
    async with connected(server) as (_, writer):
        writer.write(request(ASK | {"stream": stream}))
        while not server.model.requests:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        while not server.model.cancelled:
            await asyncio.sleep(0.01)


async def test_a_client_that_does_not_read_is_not_written_to_without_end(server):
    piece = "x" * 100_000
    server.model.script = say(*[piece] * 400)
    async with connected(server) as (reader, writer):
        writer.write(request(ASK | {"stream": True}))
        await asyncio.sleep(0.3)
        _, _, body = await read_answer(reader)
    assert body.count(piece.encode()) == 400
    assert body.endswith(b"data: [DONE]\n\n")


async def test_head_has_no_body_and_the_connection_goes_on(server):
    async with connected(server) as (reader, writer):
        writer.write(request(method="HEAD", path="/healthz") + request(method="GET", path="/healthz"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert (await read_answer(reader))[0] == 200


async def test_http_1_0_and_connection_close_end_the_connection(server):
    for head in (
        b"GET /healthz HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n",
        request(method="GET", path="/healthz", more="connection: close\r\n"),
    ):
        async with connected(server) as (reader, writer):
            writer.write(head)
            assert b"connection: close" in await reader.read()


async def test_a_stream_to_http_1_0_is_not_chunked_and_ends_with_the_connection(server):
    server.model.script = say("One ", "two.")
    async with connected(server) as (reader, writer):
        writer.write(request(ASK | {"stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_http_1_0_knows_no_100_continue(server):
    ask = request(ASK, more="expect: 100-continue\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(server) as (reader, writer):
        writer.write(ask[:-10])
        assert (await server.get("/healthz"))[0] == 200  # by now the head has been read, and the body is waited for
        writer.write(ask[-10:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")


async def test_a_refused_body_is_not_waited_for(server):
    """Whoever asks first gets the refusal alone, and may send the body all the same: the connection goes on."""
    async with connected(server) as (reader, writer):
        refused = request(ASK, host="evil.example", more="expect: 100-continue\r\n")
        head, _, body = refused.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await read_answer(reader))[0] == 403
        writer.write(body + request(ASK))
        assert (await read_answer(reader))[0] == 200


async def test_a_whole_answer_is_one_of_a_pipeline(server):
    async with connected(server) as (reader, writer):
        writer.write(
            request(ASK) + request(ASK | {"messages": 1}) + request(method="HEAD", path="/healthz") + request(ASK)
        )
        answers = [await read_answer(reader) for _ in range(2)]
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        answers.append(await read_answer(reader))
    assert [status for status, _, _ in answers] == [200, 400, 200]


async def test_a_client_that_left_after_the_head_is_not_written_to(server):
    """The body of an answer may come when nobody is there any more: nothing is raised, nothing is logged."""
    sent = []

    class Wire:
        def write(self, data):
            sent.append(data)

        def is_closing(self):
            return False

    scope = {"method": "GET", "path": "/", "http_version": "1.1"}
    finished = []
    flow = exchanges.FlowControl(Wire())
    exchange = exchanges.Exchange(
        scope, Wire(), flow, lambda: finished.append(1), keep_alive=True, expect_continue=False
    )
    exchange.start(200, [(b"content-length", b"2")])
    exchange.lost()
    exchange.write(b"ab", more=False)
    await exchange.respond(b"", b"")
    assert (sent, finished, exchange.disconnected) == ([], [], True)


def test_headers_cannot_carry_line_breaks():
    for name, value in [(b"x", b"a\r\nb: c"), (b"x\r\ny", b"a"), (b"x y", b"a"), (b"", b"a"), (b"x", b"\0")]:
        with pytest.raises(RuntimeError):
            exchanges.line(name, value)
