"""Bytes come in any pieces, and may be anything."""

import asyncio
import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import GuruError, ModelError, StreamCut
from guru.models.http import Timeouts
from guru.models.http.connection import Connection

ANSWERS = [
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nsum: 1\r\n\r\n",
    b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 429 Slow\r\ncontent-length: 2\r\n\r\nno",
    b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"packed " * 20),
    b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello wo",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nxx",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nzz",
    b"no HTTP at all\r\n\r\n",
]


class Transport(asyncio.Transport):
    """The other end of a connection, without a socket."""

    def __init__(self):
        super().__init__()
        self.closing = self.aborted = False

    def write(self, data):
        pass

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = self.aborted = True

    def pause_reading(self):
        pass

    resume_reading = pause_reading


async def fed(pieces):
    """What comes out when `pieces` come in and the server ends the connection then."""
    idle, closed = [], []
    connection = Connection("test", idle.append, closed.append)
    transport = Transport()
    connection.connection_made(transport)
    asking = asyncio.create_task(connection.exchange(b"GET / HTTP/1.1\r\n", b"", Timeouts()))
    await asyncio.sleep(0)
    for piece in pieces:
        if not transport.aborted:
            connection.data_received(piece)
    kept = bool(idle)
    assert len(idle) <= 1
    connection.connection_lost(None)
    try:
        async with asyncio.timeout(5):  # never reached: a test that hangs must fail
            response = await asking
            result = response.status, await response.read(), tuple(response.headers.items())
    except GuruError as error:
        result = type(error)
    assert transport.aborted
    assert closed
    return result, kept


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ANSWERS), st.data())
def test_the_split_makes_no_difference(answer, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=12)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    assert asyncio.run(fed(pieces))[0] == asyncio.run(fed([answer]))[0]


def test_byte_by_byte():
    for answer in ANSWERS:
        pieces = [bytes([byte]) for byte in answer]
        assert asyncio.run(fed(pieces))[0] == asyncio.run(fed([answer]))[0]


def test_what_the_answers_are():
    results = [asyncio.run(fed([answer])) for answer in ANSWERS]
    assert [result if isinstance(result, type) else result[:2] for result, _ in results] == [
        (200, b"hello world"), (200, b"hello world"), (429, b"no"), (204, b""), (200, b"until the end"),
        (200, b"packed " * 20), StreamCut, StreamCut, (200, b"hi"), StreamCut, StreamCut,
    ]  # fmt: skip
    assert [kept for _, kept in results] == [True, True, True, True] + [False] * 7


lines = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"content-length: 3", b"transfer-encoding: chunked", b"", b"3", b"abc", b"0", b"x: y"]
)
likely = st.lists(st.one_of(lines, st.binary(max_size=20)), max_size=12).map(b"\r\n".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(likely, st.binary(max_size=200)), max_size=6))
def test_garbage_never_hangs_and_never_leaks(pieces):
    result, _ = asyncio.run(fed(pieces))
    assert isinstance(result, tuple) or issubclass(result, ModelError)
