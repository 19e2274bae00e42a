"""The client: from a URL to a connection of its pool, and the head of the request."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping, Sequence

from guru.errors import UNSENT, ModelError
from guru.models.http.connection import Connection, StaleConnection
from guru.models.http.headers import BODILESS, encode_head
from guru.models.http.pool import Pool
from guru.models.http.proxy import proxy_for
from guru.models.http.response import Response
from guru.models.http.target import ANYWHERE, Origin, Reach, Target, parse
from guru.models.http.timeouts import Timeouts

MAX_CONNECTIONS = 1000
"""To one origin."""
REMEMBERED = 512
DEFAULT = Timeouts()
Tuples = tuple[tuple[str, str], ...]
Pairs = Sequence[tuple[str, str]] | Mapping[str, str]


class HttpClient:
    """One per server and event loop. Close it when the server stops."""

    def __init__(self, *, max_connections: int = MAX_CONNECTIONS) -> None:
        self._max_connections = max_connections
        self._pools: dict[tuple[Origin, Reach], Pool] = {}
        self._targets: dict[tuple[str, bool, Reach], tuple[Target, Pool]] = {}
        self._heads: dict[tuple[str, str, Tuples], bytes] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Pairs = (),
        body: bytes = b"",
        timeouts: Timeouts = DEFAULT,
        verify: bool = True,
        reach: Reach = ANYWHERE,
        redirects: bool = False,
    ) -> Response:
        """Send a request; return as soon as the head of the answer is there, whatever its status.

        `redirects`: whether an answer of 3xx is handed over, unfollowed, and no error.

        Raises `ModelUnavailable` (no connection), `ModelTimeout`, `StreamCut` (an answer that is not HTTP),
        `ModelError` (a redirect), `BadRequest` (a header that cannot be sent) and `ConfigurationError` (not a URL, or
        an address that `reach` refuses).
        """
        target, pool = self._targets.get((url, verify, reach)) or self._resolve(url, verify, reach)
        pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
        # The same headers come again and again: all but the length is kept.
        head = self._heads.get((method, url, pairs)) or self._encode(method, url, pairs, target, pool)
        head += b"content-length: %d\r\n\r\n" % len(body) if body or method not in BODILESS else b"\r\n"
        try:
            connection = pool.take() or await pool.acquire(timeouts.connect)
        except CancelledError as cancelled:
            cancelled.add_note(UNSENT)
            raise
        bodiless = method == "HEAD"
        try:
            response = await connection.exchange(head, body, timeouts, bodiless=bodiless)
        except StaleConnection:
            fresh = await pool.open(timeouts.connect)
            response = await self._insist(fresh, head, body, timeouts, bodiless)
        if 300 <= response.status < 400 and not redirects:
            await response.aclose()
            raise redirected(target, response)
        return response

    async def aclose(self) -> None:
        """Drop every connection; requests under way fail."""
        for pool in self._pools.values():
            await pool.aclose()

    @property
    def connections(self) -> dict[str, tuple[int, int]]:
        """Per origin: how many connections there are, and how many of them are idle."""
        found: dict[str, tuple[int, int]] = {}
        for (origin, _), pool in self._pools.items():
            name = f"{origin.scheme}://{origin.authority}"
            size, idle = found.get(name, (0, 0))
            found[name] = (size + pool.size, idle + pool.idle)
        return found

    @staticmethod
    async def _insist(connection: Connection, head: bytes, body: bytes, timeouts: Timeouts, bodiless: bool) -> Response:
        try:
            return await connection.exchange(head, body, timeouts, bodiless=bodiless)
        except StaleConnection:
            raise connection.unanswered() from None

    def _resolve(self, url: str, verify: bool, reach: Reach) -> tuple[Target, Pool]:
        target = parse(url, verify)
        pool = self._pools.get((target.origin, reach))
        if pool is None:
            if len(self._pools) >= REMEMBERED:
                self._forget_unused()
            limit = self._max_connections if reach.most is None else reach.most
            pool = Pool(target.origin, proxy_for(target.origin), limit, public=reach.public)
            self._pools[target.origin, reach] = pool
        if len(self._targets) >= REMEMBERED:
            self._targets.clear()
        found = self._targets[url, verify, reach] = (target, pool)
        return found

    def _forget_unused(self) -> None:
        self._targets.clear()
        self._pools = {key: pool for key, pool in self._pools.items() if pool.size}

    def _encode(self, method: str, url: str, pairs: Tuples, target: Target, pool: Pool) -> bytes:
        path, more = target.path, pairs
        if pool.proxy is not None and target.origin.scheme == "http":
            path = f"http://{target.host}{path}"
            if pool.proxy.authorization:
                more = (*pairs, ("proxy-authorization", pool.proxy.authorization))
        if len(self._heads) >= REMEMBERED:
            self._heads.clear()
        head = self._heads[method, url, pairs] = encode_head(method, path, target.host, more)
        return head


def redirected(target: Target, response: Response) -> ModelError:
    location = response.headers.get("location") or ""
    try:
        where = parse(location).origin.host
    except Exception:
        where = "another path of the same host" if location.startswith("/") else "somewhere else"
    return ModelError(
        f"{target.origin.host} answered {response.status}: it redirects to {where}.",
        hint="Redirects are not followed, so that credentials go nowhere else: correct the base_url.",
    )
