"""The connections to one origin: how many there are, which of them are free, and who waits for one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque

from guru.errors import ModelUnavailable
from guru.models.http import tls
from guru.models.http.connection import Connection
from guru.models.http.dial import only_public, open_socket, resolve
from guru.models.http.proxy import Proxy, open_tunnel
from guru.models.http.target import Origin


class Pool:
    """At most `limit` connections. The one used last is used next, so that those not needed grow old and close."""

    def __init__(self, origin: Origin, proxy: Proxy | None, limit: int, *, public: bool = False) -> None:
        """`public`: addresses of this machine and of private networks are refused."""
        self.origin = origin
        self.proxy = proxy
        self._limit = limit
        self._public = public
        self._taken = 0
        """Connections that are open or being opened."""
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    @property
    def size(self) -> int:
        return self._taken

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self) -> Connection | None:
        """A free connection, at once."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
            connection.abort()
        return None

    async def acquire(self, seconds: float) -> Connection:
        """A free connection, or a new one. First come, first served. Raises `ModelUnavailable`."""
        self._refuse_when_closed()
        if (connection := self.take()) is not None:
            return connection
        if self._taken < self._limit:
            self._taken += 1
            return await self._open_one(seconds)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        given = await self._wait(seconds)
        if given is not None:
            return given
        return await self._open_one(max(seconds - (loop.time() - begun), 0.1))

    async def open(self, seconds: float) -> Connection:
        """A new connection instead of one that turned out to be closed. Raises `ModelUnavailable`."""
        self._refuse_when_closed()
        if self._taken >= self._limit and self._idle:
            self._idle.pop(0).abort()
        if self._taken < self._limit:
            self._taken += 1
            return await self._open_one(seconds)
        return await self.acquire(seconds)

    async def aclose(self) -> None:
        self._closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(stopped())
        for connection in list(self._open):
            connection.abort()
        for _ in range(100):  # transports tell in the next rounds of the loop that they are closed
            if not self._open:
                break
            await asyncio.sleep(0)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise stopped()

    async def _wait(self, seconds: float) -> Connection | None:
        """A connection that somebody gave back, or None: the right to open one."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)

        def too_late() -> None:
            if not waiter.done():
                waiter.set_exception(
                    ModelUnavailable(
                        f"All {self._limit} connections to {self.origin.host} were busy for {seconds:g} s.",
                        hint="Try again, or spread the load over more deployments.",
                    )
                )

        timer = loop.call_later(seconds, too_late)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())  # it came in the moment of giving up
            raise
        finally:
            timer.cancel()

    async def _open_one(self, seconds: float) -> Connection:
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connect()
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, OSError):  # also a timeout and an error of TLS
                raise self._explain(error, seconds) from error
            raise
        if self._closed:
            connection.abort()
            raise stopped()
        return connection

    async def _connect(self) -> Connection:
        origin, proxy = self.origin, self.proxy
        loop = asyncio.get_running_loop()
        if proxy is None:
            opened = await open_socket(origin.host, origin.port, public=self._public)
        else:
            if self._public:
                await self._refuse_private()
            opened = await open_socket(proxy.host, proxy.port)
        try:
            context = None
            if origin.scheme == "https":
                if proxy is not None:
                    await open_tunnel(opened, proxy, origin)
                context = await tls.context(origin.verify)
            _, connection = await loop.create_connection(
                self._make, sock=opened, ssl=context, server_hostname=origin.host if context else None
            )
        except BaseException:
            opened.close()
            raise
        self._open.add(connection)
        connection.counted = True
        return connection

    async def _refuse_private(self) -> None:
        """Behind a proxy it is the proxy that connects, by a look-up of its own: what is known here is refused here."""
        with contextlib.suppress(OSError):  # only the proxy may know the name
            only_public(self.origin.host, await resolve(self.origin.host, self.origin.port))

    def _make(self) -> Connection:
        return Connection(self.origin.host, self._give_back, self._gone)

    def _give_back(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
        elif not self._hand_over(connection):
            self._idle.append(connection)

    def _gone(self, connection: Connection) -> None:
        """Called when a connection is closed, and once more when its transport is."""
        if connection.counted:
            connection.counted = False
            if connection in self._idle:
                self._idle.remove(connection)
            self._pass_on(None)
        if connection.lost:
            self._open.discard(connection)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or the right to open one, to the next who waits."""
        if connection is not None:
            if connection.usable:
                self._give_back(connection)
            else:
                connection.abort()
        elif not self._hand_over(None):
            self._taken -= 1

    def _hand_over(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def _explain(self, error: OSError, seconds: float) -> ModelUnavailable:
        where = f"{self.origin.host}:{self.origin.port}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return ModelUnavailable(
                f"The certificate of {where} is not trusted: {error.verify_message}.",
                hint="Name the authority's file in SSL_CERT_FILE; for a test server only, verify = false.",
            )
        if isinstance(error, ssl.SSLError):
            what = f"TLS failed ({error.reason or 'unexpected end'})"
        elif isinstance(error, TimeoutError):
            what = f"no connection within {seconds:g} s"
        else:
            what = error.strerror or type(error).__name__
        behind = f" through the proxy {self.proxy.host}" if self.proxy else ""
        return ModelUnavailable(
            f"{where} cannot be reached{behind}: {what}.", hint="Check the address, the network and its proxy settings."
        )


def stopped() -> ModelUnavailable:
    return ModelUnavailable("The server is stopping.", hint="Send the request again when it is back.")
