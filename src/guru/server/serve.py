"""Run the application: on a port for everybody on this machine, or on a private socket for one command."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from guru.config import Settings, Source, default_home, load_settings
from guru.errors import ConfigurationError, Conflict
from guru.gateway.identity import Directory, Sessions
from guru.gateway.identity.address import is_loopback, needs_key
from guru.server.app import create_app
from guru.server.protocol import Protocol
from guru.store.database import Database

GIVE_WAY = 0.001
"""Seconds after which a thread at work, such as the writer of rows, lets the event loop go on; Python says 5 ms."""
GRACE = 10
"""Seconds that answers under way may take when the server stops."""


def serve(
    home: Path,
    settings: Settings,
    *,
    source: Source | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until a signal comes. `on_ready` is told the address as soon as it answers.

    A change of `source`, where the settings came from, is taken over while the server runs.

    Raises `ConfigurationError` for an address that is not allowed or not free, `Conflict` when a server runs on `home`.
    """
    refuse_open_address(home, settings)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner_secret = secrets.token_urlsafe(32)
    with locked(home), contextlib.closing(listen(settings.server.host, settings.server.port)) as listener:
        url = address(listener)

        def started() -> None:
            calm_collector()
            spare_generators()
            sys.setswitchinterval(GIVE_WAY)
            write_atomically(home / "server.json", json.dumps({"pid": os.getpid(), "url": url, "secret": owner_secret}))
            if on_ready is not None:
                on_ready(url)

        def stopping() -> None:
            (home / "server.json").unlink(missing_ok=True)

        server = Server(create_app(home, settings, source=source, owner_secret=owner_secret), started, stopping)
        try:
            server.run([listener])
        except KeyboardInterrupt:
            pass  # uvicorn raises the signal again after it has stopped


@contextlib.asynccontextmanager
async def serve_unix(path: Path, *, home: Path, settings: Settings | None = None) -> AsyncIterator[None]:
    """The same application on the Unix socket `path`, for this process, while the context is open."""
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    server = Server(create_app(home, settings or load_settings(home=home)))
    task = asyncio.create_task(server.run_embedded(listener))
    try:
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            await task
        yield
    finally:
        server.should_exit = True
        await task
        await asyncio.to_thread(path.unlink, missing_ok=True)


class Server(uvicorn.Server):
    """Says when it is ready, and tells the application first when it begins to stop."""

    def __init__(
        self,
        app: Starlette,
        on_started: Callable[[], None] | None = None,
        on_stopping: Callable[[], None] | None = None,
    ) -> None:
        self._app = app
        self._on_started = on_started
        self._on_stopping = on_stopping
        self.ready = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app, http=Protocol, ws=socket_protocol,  # type: ignore[arg-type]
                lifespan="on", log_config=None, access_log=False,
                server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE,
            )
        )  # fmt: skip

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises that for which the application could not start."""
        try:
            await super().startup(sockets)
        except SystemExit:
            if (failure := getattr(self._app.state, "failure", None)) is not None:
                raise failure from None
            raise
        self.ready.set()
        if self.started and self._on_started is not None:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._on_stopping is not None:
            self._on_stopping()
        self._app.state.services.closing.set()
        await super().shutdown(sockets)

    async def run_embedded(self, listener: socket.socket) -> None:
        """Serve without touching the process's signals."""
        await self._serve([listener])


def socket_protocol(**options: Any) -> asyncio.Protocol:
    """uvicorn's WebSocket protocol, imported with the first socket that is opened."""
    from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

    return WSProtocol(**options)


def calm_collector() -> None:
    """Let the garbage collector look less often, and never again at what the start has made.

    Nearly everything on the road is freed by its reference count; by default the collector goes through all modules
    and tables again and again to find that out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def spare_generators() -> None:
    """Let asynchronous generators begin without a note in the loop's list of them, which costs a weak reference each.

    The list is there to close, at the very end, what was left half-way; requests are over by then, and a generator
    that nobody refers to any more is closed by the loop as before.
    """
    sys.set_asyncgen_hooks(firstiter=None)


def refuse_open_address(home: Path, settings: Settings) -> None:
    """Raises `ConfigurationError` for an address that others can reach, as long as there is no key to tell them by."""
    host = settings.server.host
    if needs_key(settings.server) and not is_loopback(host) and not asyncio.run(has_keys(home, settings)):
        where = "" if home == default_home() else f" --home {home}"
        raise ConfigurationError(
            f"Guru does not listen on {host}: there is no API key yet, so nobody could use it from there.",
            hint=f"Make one first: guru keys create NAME --role admin{where}. "
            "Or use --host 127.0.0.1, where requests need none.",
        )


async def has_keys(home: Path, settings: Settings) -> bool:
    """Whether the configuration or the database has a key that opens."""
    if settings.keys:
        return True
    if settings.store.url is None and not (home / "guru.db").exists():
        return False
    database = Database.configured(home, settings.store)
    try:
        await database.open()
        directory = Directory(database, settings, Sessions(b""))
        await directory.reload()
        return directory.has_keys()
    finally:
        await database.close()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises `ConfigurationError` when the port is taken, or the address is none of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as error:
        listener.close()
        hints = {
            errno.EADDRINUSE: "Choose another one with --port, or stop the program that uses it.",
            errno.EACCES: "Ports under 1024 are for root: choose another one with --port.",
        }
        hint = hints.get(error.errno or 0, "Choose an address of this machine with --host, such as 127.0.0.1.")
        message = f"Port {port} on {host} cannot be used: {error.strerror}."
        raise ConfigurationError(message, hint=hint) from error
    return listener


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home for one server. The kernel lets go when the process ends, however it ends. Raises `Conflict`."""
    with (home / "server.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"A Guru server runs on {home} already.", hint="Stop it first, or use another --home."
            ) from None
        yield


def write_atomically(path: Path, text: str) -> None:
    """Only the owner may read it: who knows the secret of `server.json` is the owner."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
