"""A store as the event loop sees it: opened when it is first asked, asked in threads, its errors told in one way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Final, ParamSpec, TypeVar, cast

from guru.errors import ConfigurationError, GuruError
from guru.knowledge.index.external.base import StoreAway, VectorStore

log = logging.getLogger(__name__)
Given = ParamSpec("Given")
Result = TypeVar("Result")
THREADS: Final = 8
REST: Final = 10.0
"""Seconds for which a store that was away is not asked by searches: they would all wait for it."""
SPARE: Final = 5.0
"""Seconds beside the time-out of the client, which ends a call better."""


class StoreClient:
    """One store, for all collections."""

    def __init__(self, title: str, make: Callable[[], VectorStore], *, seconds: float, secret: str | None) -> None:
        """`make` opens it. No call takes longer than `seconds`; `secret` is left out of messages."""
        self.title = title
        self._make = make
        self._seconds = seconds
        self._secret = secret
        self._store: VectorStore | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"store-{title.lower()}")
        self._away_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether it was away just now."""
        return time.monotonic() < self._away_until

    async def ask(
        self,
        call: Callable[Concatenate[VectorStore, Given], Result],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        """What a call of the store returns: `ask(VectorStore.count, name)`.

        Raises `StoreAway` for whatever goes wrong, and `ConfigurationError`.
        """

        def work() -> Result:
            own = getattr(self._opened(), call.__name__)  # `call` is the protocol's, and has no body
            return cast(Result, own(*args, **kwargs))

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds + SPARE):
                result = await loop.run_in_executor(self._threads, work)
        except ConfigurationError:
            self._away_until = time.monotonic() + REST
            raise
        except Exception as error:  # clients raise what they and their libraries like
            self._away_until = time.monotonic() + REST
            raise StoreAway(f"{self.title} {self._said(error)}", hint="`guru doctor` asks it.") from error
        self._away_until = 0.0
        return result

    def _opened(self) -> VectorStore:
        with self._lock:
            if self._store is None:
                self._store = self._make()
            return self._store

    def _said(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"did not answer within {self._seconds:g} s."
        said = error.message if isinstance(error, GuruError) else " ".join(str(error).split())
        if self._secret:
            said = said.replace(self._secret, "...")
        return f"cannot be used: {type(error).__name__}: {said[:300].rstrip('.')}."

    async def aclose(self) -> None:
        """Wait for the calls that are under way."""

        def close() -> None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            if self._store is not None:
                self._store.close()

        try:
            await asyncio.to_thread(close)
        except Exception as error:
            log.warning("%s: %s", self.title, self._said(error))
