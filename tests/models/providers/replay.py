"""A server on a loopback port that says what a test tells it to, byte for byte: splits, cuts, hangs and all."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass
class Reply:
    """One answer. `body` goes out in pieces of `split` bytes, or at once; then it ends, is cut off, or hangs."""

    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    split: int | None = None
    end: str = "whole"
    """`whole`; `cut`: the connection breaks; `hang`: nothing more comes; `silent`: not even the head comes."""


@dataclass
class Sent:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def answer(value, status=200, **headers):
    """A whole answer of JSON."""
    return Reply(json.dumps(value, ensure_ascii=False).encode(), status, headers=headers)


def event_stream(*chunks, done=True):
    """Server-sent events as OpenAI sends them."""
    body = "".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks)
    return Reply((body + ("data: [DONE]\n\n" if done else "")).encode(), media_type="text/event-stream")


def named_events(*events):
    """Server-sent events with names, as Anthropic and Cohere send them: pairs of name and object."""
    body = "".join(f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n" for name, data in events)
    return Reply(body.encode(), media_type="text/event-stream")


def lines(*objects):
    """One JSON object a line, as Ollama sends them."""
    body = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in objects)
    return Reply(body.encode(), media_type="application/x-ndjson")


class ReplayServer:
    """Gives out `replies` in order, the last one again and again; keeps what it was asked in `requests`."""

    def __init__(self):
        self.replies = []
        self.requests = []
        self.dropped = asyncio.Event()
        """Set when a client goes away before its answer has ended."""
        self.url = ""

    def say(self, *replies):
        self.replies = list(replies)

    @property
    def last(self):
        return self.requests[-1]

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if not await self._send(reply, reader, writer):
                    break
        writer.close()

    async def _send(self, reply, reader, writer):
        """Whether the connection may be used again."""
        if reply.end != "silent":
            headers = {"content-type": reply.media_type, "transfer-encoding": "chunked", **reply.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Other')}\r\n{head}\r\n".encode())
            size = reply.split or max(1, len(reply.body))
            for start in range(0, len(reply.body), size):
                piece = reply.body[start : start + size]
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                if reply.split:
                    await writer.drain()
                    await asyncio.sleep(0)
        if reply.end == "whole":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        await writer.drain()
        if reply.end == "cut":
            writer.transport.abort()
            return False
        await reader.read()  # until the client goes
        self.dropped.set()
        return False


async def read_request(reader):
    """The next request of a connection, or None when it ends."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Sent(method, path, headers, body)


@contextlib.asynccontextmanager
async def replaying():
    """A server that runs."""
    replay = ReplayServer()
    server = await asyncio.start_server(replay.serve, "127.0.0.1", 0, limit=1 << 20)
    replay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield replay
    finally:
        server.close()
