"""A gateway in the test's process, and providers that do what a test tells them to, in the format they are asked in.

Everything between is real: sockets, HTTP, providers, the road, the journal. So a test sees both what a client is told
and what the gateway holds: tasks, connections, requests in flight.
"""

import asyncio
import contextlib
import json
import socket
import sqlite3
import struct
from pathlib import Path

import aiohttp

from guru.config import Source
from guru.server.app import create_app
from guru.server.serve import Server, address


class Call:
    """One request that came to a provider, and what it can answer with."""

    def __init__(self, head, body, writer):
        request, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = request.split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.body = body
        self.gone = asyncio.Event()
        """Set when the caller has closed the connection while it was being answered."""
        self.close = False
        self.resets = False
        self.billed = None
        self._writer = writer

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def format(self):
        return "anthropic" if self.path.endswith("/messages") else "ollama" if "/api/" in self.path else "openai"

    @property
    def streams(self):
        return bool(self.json.get("stream"))

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def whole(self, value, status=200, headers=()):
        """A whole answer of JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}"]
        lines += [f"{name}: {text}" for name, text in headers]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def begin(self, kind="text/event-stream"):
        await self.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())

    async def chunk(self, data):
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self):
        await self.send(b"0\r\n\r\n")

    async def event(self, value, name=None):
        await self.chunk(
            (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"
        )

    async def piece(self, text):
        """A token of OpenAI's stream."""
        await self.event(chunk_of(choices=[{"index": 0, "delta": {"content": text}}]))

    async def finish(self, usage):
        """The end of OpenAI's stream."""
        await self.event(chunk_of(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        await self.event(chunk_of(choices=[], usage=usage))
        await self.chunk(b"data: [DONE]\n\n")
        await self.end()
        self.billed = usage

    def reset(self):
        """End the connection at once, with RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.close = self.resets = True

    def cut(self):
        """End the connection where it is."""
        self._writer.close()
        self.close = True


def chunk_of(**members):
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"} | members


def tokens(prompt, completion, **details):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion} | details


# ------------------------------------------------------------------- what a provider may do


def answer(*texts, usage=None, gap=0.0):
    """Say `texts`, one token each, streamed or whole, as the request wants it, in its own format."""
    usage = usage or tokens(9, len(texts))

    async def act(call):
        if call.format == "anthropic":
            await anthropic_answer(call, texts, usage)
        elif call.streams:
            await call.begin()
            for text in texts:
                await call.piece(text)
                await asyncio.sleep(gap)
            await call.finish(usage)
        else:
            message = {"role": "assistant", "content": "".join(texts)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            call.billed = usage
            await call.whole(chunk_of(choices=[choice], usage=usage) | {"object": "chat.completion"})

    return act


async def anthropic_answer(call, texts, usage):
    used = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": None}
    call.billed = usage
    if not call.streams:
        content = [{"type": "text", "text": "".join(texts)}]
        await call.whole(message | {"content": content, "stop_reason": "end_turn", "usage": used})
        return
    await call.begin()
    started = message | {"content": [], "usage": used | {"output_tokens": 1}}
    await call.event({"type": "message_start", "message": started}, "message_start")
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    await call.event(block, "content_block_start")
    for text in texts:
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        await call.event(delta, "content_block_delta")
    await call.event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": used}
    await call.event(ending, "message_delta")
    await call.event({"type": "message_stop"}, "message_stop")
    await call.end()


def fail(status, message="it broke", **headers):
    """An error, with `headers` such as `retry_after`."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]

    async def act(call):
        await call.whole({"error": {"message": message, "type": "t"}}, status, pairs)

    return act


async def silence(call):
    """Nothing, until the caller goes."""
    await call.gone.wait()


async def reset(call):
    call.reset()


def begin_then(*texts, then=silence):
    """Some tokens, and then something else: silence, or the end of the connection."""

    async def act(call):
        await call.begin()
        for text in texts:
            await call.piece(text)
        await then(call)

    return act


async def cut(call):
    call.cut()


# ----------------------------------------------------------------------------- the provider


class Provider:
    """A model server. `script` is what it does for the next requests, `usual` for all others."""

    def __init__(self):
        self.calls = []
        self.script = []
        self.usual = answer("Hello", " there")
        self.open = 0
        """Requests that are being answered."""
        self.most_open = 0
        self.connections = 0
        self.url = ""
        self._server = None
        self._tasks = set()

    async def start(self, host="127.0.0.1", port=0, **options):
        self._server = await asyncio.start_server(self._serve, host, port, **options)
        self.port = self._server.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"

    async def stop(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        pushed = b""
        try:
            while True:
                head = pushed + await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b":0"
                )
                body = await reader.readexactly(int(length.split(b":")[1]))
                call = Call(head[:-4], body, writer)
                pushed = await self._answer(call, reader)
                if call.close or pushed is None:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, call, reader):
        """Answer one request; the byte of the next one that has come meanwhile, or None when the caller is gone."""
        act = self.script.pop(0) if self.script else self.usual
        self.calls.append(call)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        watching = asyncio.ensure_future(reader.read(1))

        def told(done):
            if not done.cancelled() and (done.exception() is not None or not done.result()):
                call.gone.set()

        watching.add_done_callback(told)
        try:
            with contextlib.suppress(ConnectionError):
                await act(call)
        finally:
            self.open -= 1
            if call.close:
                watching.cancel()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            return await watching or None
        return None


# ------------------------------------------------------------------------------ the gateway


class Gateway:
    """A server that runs, with everything that it holds."""

    def __init__(self, home, file, url, app, session):
        self.home = home
        self.file = file
        self.url = url
        self.services = app.state.services
        self.session = session

    @property
    def router(self):
        return self.services.router

    def health(self, model):
        return self.router.health(model)

    async def chat(self, text="Hi", model="robust", stream=False, **more):
        """Status, headers, and JSON or the text of the stream."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]} | more
        return await self.post("/v1/chat/completions", body)

    async def post(self, path, body=None, **options):
        async with self.session.post(self.url + path, json=body, **options) as response:
            text = await response.text()
            kind = response.content_type
            return response.status, response.headers, json.loads(text) if kind == "application/json" else text

    async def get(self, path):
        async with self.session.get(self.url + path) as response:
            return await response.json()

    async def reload(self, text):
        """Change the file, and see that it is in force."""
        self.file.write_text(text)
        return await self.post("/api/v1/config/reload")

    async def books(self):
        """Every call of a model that the store knows, and the sums of the ledger."""
        await self.services.tracer.flush()
        with contextlib.closing(sqlite3.connect(self.home / "guru.db")) as connection:
            rows = connection.execute("SELECT calls FROM traces ORDER BY id").fetchall()
        (totals,) = await self.services.ledger.totals("local")
        return [call for (calls,) in rows for call in json.loads(calls)], totals

    async def at_rest(self):
        """Wait until nothing is under way; fails where something stays."""
        await until(lambda: self.services.tracer.running == 0, "requests are on the road")
        deployments = self.router.deployments
        await until(lambda: all(one.in_flight == 0 for one in deployments()), "deployments have requests in flight")


@contextlib.asynccontextmanager
async def gateway(home, text):
    """A server with the configuration `text`, read from a file as `guru up` reads it."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = home / "guru.toml"
    file.write_text(text)
    source = Source(file, home)
    app = create_app(home, source.load(), source=source)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = Server(app)
    task = asyncio.create_task(server.run_embedded(listener))
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        url = address(listener)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
            yield Gateway(home, file, url, app, session)
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def providers(count):
    """Providers that run."""
    made = [Provider() for _ in range(count)]
    try:
        for one in made:
            await one.start()
        yield made
    finally:
        for one in made:
            await one.stop()


FIRST_A = "FIRST A"
"""For `alias`: the provider `a` is asked first."""


def configuration(*providers, alias="", deployments=None, kinds=None, options="", more=""):
    """A file with `providers` (named a, b, c ...) and the alias `robust` over all of them."""
    names = "abcdefghij"[: len(providers)]
    text = ""
    for name, provider, kind in zip(names, providers, kinds or ["openai-compatible"] * len(providers), strict=True):
        base = provider.url if kind == "anthropic" else f"{provider.url}/v1"
        text += f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{base}"\napi_key = "key-of-{name}"\n{options}\n'
    if deployments is None:
        level = "priority = {}".format if FIRST_A in alias else "priority = 0".format
        deployments = ", ".join(f'{{ model = "{name}/gpt-4o", {level(place)} }}' for place, name in enumerate(names))
    alias = alias.replace(FIRST_A, "")
    return f"{text}\n[models.robust]\ndeployments = [{deployments}]\n{alias}\n{more}\n"


async def until(condition, what="it did not come to be", seconds=60.0):
    """Wait for a condition, not for a time."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(what) from None


def sockets():
    """The sockets that this process has open."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(file.readlink()).startswith("socket:")
    return found


def parse(text):
    """The data of server-sent events."""
    found = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [event if event == "[DONE]" else json.loads(event) for event in found]


def said(text):
    return "".join(
        choice["delta"].get("content") or ""
        for event in parse(text)
        if event != "[DONE]"
        for choice in event.get("choices", ())
    )
