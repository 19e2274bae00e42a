"""How every verb reaches Guru: its HTTP API, through the server that runs on the home or through one of its own.

A live server leaves `server.json` in its home. Without one, the same application serves this process alone on a
private Unix socket, so that there is one path for everything.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from guru import errors
from guru.errors import GuruError, NotFound
from guru.types import JSON

if TYPE_CHECKING:
    import aiohttp

DEFAULT_COLLECTION = "default"


class Client:
    """Requests to one server. Every failure is a `GuruError` with the server's message and hint."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, **params: Any) -> Any:
        return await self.request("GET", path, params=params)

    async def text(self, path: str, **params: Any) -> str:
        """The answer as it is, for what is no JSON."""
        async with self._send("GET", path, None, params) as response:
            return await response.text()

    async def post(self, path: str, body: JSON | None = None) -> Any:
        return await self.request("POST", path, body=body)

    async def request(self, method: str, path: str, *, body: JSON | None = None, params: JSON | None = None) -> Any:
        """The decoded answer; None when it has no body."""
        async with self._send(method, path, body, params) as response:
            return await response.json() if response.status != 204 else None

    async def upload(self, path: str, file: Path, **fields: str) -> Any:
        """Send a file with other fields as a form; the decoded answer."""
        import aiohttp

        with file.open("rb") as content:
            form = aiohttp.FormData(fields)
            form.add_field("file", content, filename=file.name, content_type="application/octet-stream")
            async with self._send("POST", path, form, None) as response:
                return await response.json()

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The answer, piece by piece."""
        async with self._send("GET", path, None, None) as response:
            async for piece in response.content.iter_any():
                yield piece

    async def stream(self, method: str, path: str, body: JSON | None = None) -> AsyncIterator[tuple[str, Any]]:
        """The server-sent events as `(event, data)`; an `error` event is raised."""
        async with self._send(method, path, body, None) as response:
            async for event, data in read_events(response.content):
                if event == "error":
                    raise to_error(response.status, data)
                yield event, data

    @asynccontextmanager
    async def _send(
        self, method: str, path: str, body: JSON | aiohttp.FormData | None, params: JSON | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp

        query = {name: str(value) for name, value in (params or {}).items() if value is not None}
        sent: JSON = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        try:
            async with self.session.request(method, self.url + path, params=query, **sent) as response:
                if response.status >= 400:
                    raise to_error(response.status, await read_json(response))
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise GuruError(
                f"The connection to {self.url} broke: {error}.",
                hint="Look at the server's log; `guru doctor` may help.",
            ) from error


def collection_path(name: str, rest: str = "") -> str:
    """The address of a collection, or of something of it."""
    return f"/api/v1/collections/{quote(name, safe='')}{rest}"


@asynccontextmanager
async def connect(home: Path) -> AsyncIterator[Client]:
    """A client for `home`: through its live server, else through one in this process."""
    if url := await live_server(home):
        async with connect_live(home, url) as client:
            yield client
        return
    from guru.cli.log import write_log
    from guru.server.serve import serve_unix

    write_log(home)
    # Not in the home: a path of a Unix socket holds some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="guru-"))
    try:
        async with (
            serve_unix(folder / "socket", home=home),
            connect_url("http://localhost", folder / "socket") as client,
        ):
            yield client
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def connect_url(url: str, socket: Path | None = None, secret: str | None = None) -> AsyncIterator[Client]:
    """A client for the server at `url`, by way of a Unix socket when one is given.

    `secret` is the one that the server wrote into its home: it says that the owner asks, where requests need a key.
    """
    import aiohttp

    connector = aiohttp.UnixConnector(str(socket)) if socket else aiohttp.TCPConnector()
    # A job or a slow model may be silent for long; a server that cannot be reached says so at once.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    headers = {"x-guru-owner": secret} if secret else {}
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, read_bufsize=1 << 20, headers=headers
    ) as session:
        yield Client(session, url)


def connect_live(home: Path, url: str) -> AbstractAsyncContextManager[Client]:
    """A client for the server that runs on `home` at `url`, as its owner."""
    record = read_server_file(home) or {}
    return connect_url(url, secret=record.get("secret") if record.get("url") == url else None)


async def live_server(home: Path) -> str | None:
    """The address of the server that runs on `home`, when it answers."""
    record = read_server_file(home)
    if record is None:
        return None
    import psutil

    if not psutil.pid_exists(int(record["pid"])):
        return None
    async with connect_url(record["url"]) as client:
        with suppress(GuruError):
            await client.get("/healthz")
            return client.url
    return None


def read_server_file(home: Path) -> JSON | None:
    """What the last server on `home` said about itself: `pid`, `url` and `secret`."""
    try:
        record = json.loads((home / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"pid", "url"} <= record.keys() else None


async def choose_collection(client: Client, name: str | None) -> str:
    """`name`, or else `default` if it exists, or else the only collection there is. Raises `NotFound`."""
    if name is not None:
        return name
    names = [item["name"] for item in (await client.get("/api/v1/collections"))["collections"]]
    if DEFAULT_COLLECTION in names:
        return DEFAULT_COLLECTION
    if len(names) == 1:
        return str(names[0])
    if names:
        raise NotFound("There are several collections.", hint=f"Name one with --collection: {', '.join(names)}.")
    raise NotFound("There are no documents yet.", hint="Bring some: guru ingest PATH")


async def read_events(stream: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Any]]:
    """Parse server-sent events (WHATWG HTML, section 9.2) whose data is JSON, until `event: done` without a job."""
    event, data = "message", list[str]()
    while line := await stream.readline():
        text = line.decode("utf-8").rstrip("\r\n")
        if text.startswith("event:"):
            event = text[6:].strip()
        elif text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))
        elif not text:
            if data or event != "message":
                yield event, parse_data("\n".join(data))
            event, data = "message", []


def parse_data(text: str) -> Any:
    """JSON where it is JSON; the text itself where it is not (`[DONE]`)."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def read_json(response: aiohttp.ClientResponse) -> Any:
    try:
        return json.loads(await response.read())
    except ValueError:
        return None


def to_error(status: int, body: Any) -> GuruError:
    """The error that the server raised, as far as its answer tells."""
    details = body.get("error", body) if isinstance(body, dict) else {}
    if not isinstance(details, dict) or "message" not in details:
        return GuruError(f"The server answered with status {status}.", hint="Look at its log.")
    kind = next((kind for kind in error_classes() if kind.code and kind.code == details.get("code")), GuruError)
    return kind(details["message"], hint=details.get("hint"))


def error_classes() -> list[type[GuruError]]:
    return [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, GuruError)]
