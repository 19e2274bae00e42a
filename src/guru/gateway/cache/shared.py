"""Answers that several servers share, in Redis. A cache may be missing: whatever fails counts as "not there"."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from guru.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)
PREFIX: Final = b"guru:answer:"
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
        except ImportError:
            raise ConfigurationError(
                "[redis] url is set, but the package `redis` is not installed.", hint='Run: pip install "guru[redis]"'
            ) from None
        try:
            self._redis: Redis = Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        except ValueError as error:
            raise ConfigurationError(f"[redis] url is not valid: {error}.", hint="Write redis://HOST:6379/0.") from None
        self._pause = 0.0

    async def get(self, key: bytes) -> bytes | None:
        found = await self._try(lambda: self._redis.get(PREFIX + key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: bytes, answer: bytes, ttl: float) -> None:
        await self._try(lambda: self._redis.set(PREFIX + key, answer, px=max(1, round(ttl * 1000))))

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _try(self, work: Callable[[], Awaitable[Any]]) -> Any:
        from redis.exceptions import RedisError

        if time.monotonic() < self._pause:
            return None
        try:
            return await work()
        except (TimeoutError, RedisError, OSError) as error:
            self._pause = time.monotonic() + PAUSE
            log.warning("Redis does not answer, so cached answers are not shared: %s", error)
            return None
