"""Answers that several servers share, in Redis. A cache may be missing: whatever fails counts as "not there".

An entry carries a version and a checksum: what another version of Guru wrote, or what is damaged, is not there either.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from guru.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)
PREFIX: Final = b"guru:answer:"
VERSION: Final = b"\x01"
"""Of what an answer looks like inside (`stored.py`, `Embeddings`): a change of that is a new version."""
CHECK: Final = 8
"""Bytes of checksum."""
PATIENCE: Final = 0.25
"""Seconds for an answer; a model would not wait longer either."""
PAUSE: Final = 5.0
"""Seconds without a question after one that failed."""


class SharedStore:
    """The second place to look."""

    def __init__(self, url: str) -> None:
        """Raises `ConfigurationError` without the package redis, or for an address that is none."""
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigurationError(
                "[redis] url is set, but the package `redis` is not installed.", hint='Run: pip install "guru[redis]"'
            ) from None
        try:
            # Its own way to try again sleeps for seconds, in the middle of a request.
            self._redis: Redis = Redis.from_url(
                url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise ConfigurationError(f"[redis] url is not valid: {error}.", hint="Write redis://HOST:6379/0.") from None
        self._pause = 0.0

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        """An answer, and how many seconds it has left."""
        found = await self._try(lambda: self._both(PREFIX + key))
        if not isinstance(found, list) or not isinstance(found[0], bytes) or found[1] <= 0:
            return None
        answer = found[0][len(VERSION) + CHECK :]
        return (answer, found[1] / 1000) if sealed(answer) == found[0] else None

    async def put(self, key: bytes, answer: bytes, ttl: float) -> None:
        await self._try(lambda: self._redis.set(PREFIX + key, sealed(answer), px=max(1, round(ttl * 1000))))

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _both(self, name: bytes) -> Any:
        asked = self._redis.pipeline(transaction=False)
        asked.get(name)
        asked.pttl(name)
        return await asked.execute()

    async def _try(self, work: Callable[[], Awaitable[Any]]) -> Any:
        from redis.exceptions import RedisError, ResponseError

        if time.monotonic() < self._pause:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await work()
        except ResponseError as error:  # it answers, but keeps something else under this name, or has no room
            log.warning("Redis does not take or give an answer: %s", error)
            return None
        except (TimeoutError, RedisError, OSError) as error:
            self._pause = time.monotonic() + PAUSE
            log.warning("Redis does not answer, so cached answers are not shared: %s", error)
            return None


def sealed(answer: bytes) -> bytes:
    """An answer as it is kept in Redis."""
    return VERSION + blake2b(answer, digest_size=CHECK).digest() + answer
