"""A server that says byte for byte what a test tells it to, before an `HttpClient`."""

import asyncio
import contextlib

from guru.models.http import HttpClient


class Upstream:
    """`requests` has (head, body) of each that came; `connections` counts them, `open` those that still are."""

    def __init__(self, handler):
        self.handler = handler
        self.requests = []
        self.connections = 0
        self.open = 0

    async def __call__(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            await self.handler(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def read_request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        body = await reader.readexactly(int(length.split(b":")[1]))
        self.requests.append((head, body))
        return head, body


@contextlib.asynccontextmanager
async def serving(handler, *, tls=None, **options):
    """A client and the upstream that `handler(upstream, reader, writer)` plays; `upstream.url` is its address.

    Afterwards no connection is checked out: whatever a test did, the client's books are in order.
    """
    upstream = Upstream(handler)
    server = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    upstream.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    upstream.port = port
    client = HttpClient(**options)
    try:
        yield client, upstream
        busy = {origin: size - idle for origin, (size, idle) in client.connections.items() if size != idle}
        assert not busy
    finally:
        await client.aclose()
        assert all(size == 0 for size, _ in client.connections.values())
        server.close()
        for _ in range(200):
            if not upstream.open:
                break
            await asyncio.sleep(0.005)
        assert not upstream.open


def answering(*answers, close=False):
    """A handler that answers each request of a connection with the next of `answers`, each one or several writes."""

    async def handler(upstream, reader, writer):
        for answer in answers:
            await upstream.read_request(reader)
            for part in [answer] if isinstance(answer, bytes) else answer:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    writer.write(part)
                    await writer.drain()
        if not close:
            await reader.read()

    return handler


def repeating(answer):
    """A handler that gives every request the same answer."""

    async def handler(upstream, reader, writer):
        while True:
            await upstream.read_request(reader)
            writer.write(answer)

    return handler
