"""Visits the pages of one job: as robots.txt allows, at the pace of each site, within limits, redirect by redirect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin

from msgspec import Struct

from guru.config import WebSettings
from guru.errors import DownloadError, InvalidParameter
from guru.knowledge.web.address import host_of, normalise, origin_of
from guru.knowledge.web.fetcher import Answer, Fetcher
from guru.knowledge.web.robots import MAX_BYTES, USER_AGENT, Robots

MAX_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BUSY: Final = frozenset({429, 503})
ATTEMPTS: Final = 3
MAX_WAIT: Final = 30.0
"""Seconds that a busy site is waited for before the next attempt."""


class Visit(Struct):
    """A page that answered, at `url`, after redirects."""

    url: str
    answer: Answer


class _Site:
    """What is known of one origin, and when it may be asked next."""

    def __init__(self, delay: float) -> None:
        self.robots: Robots | None = None
        self.trouble: DownloadError | None = None
        """Why its robots.txt cannot be read: asked once, not for every page."""
        self.lock = asyncio.Lock()
        self.delay = delay
        self.next_at = 0.0


class Visitor:
    """One per job. What it was asked for before, such as robots.txt, it remembers."""

    def __init__(self, fetcher: Fetcher, settings: WebSettings) -> None:
        self._fetcher = fetcher
        self._settings = settings
        self._sites: dict[str, _Site] = {}
        self._turns = asyncio.Semaphore(settings.concurrency)
        self._end = time.monotonic() + settings.max_seconds
        self._left = settings.max_total_mb << 20
        self._private = {host.lower() for host in settings.private_hosts}

    @asynccontextmanager
    async def visit(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Visit]:
        """GET a page. Raises `DownloadError`, also for what robots.txt forbids and beyond the limits of the job."""
        async with self._turns:
            for _ in range(MAX_REDIRECTS + 1):
                site = await self._site(url)
                if site.robots is not None and not site.robots.allows(url):
                    raise DownloadError(
                        f"The robots.txt of {host_of(url)} does not allow it.", hint="Ask the site's owner for a copy."
                    )
                async with self._ask(site, url, headers or {}) as answer:
                    if answer.status not in REDIRECTS:
                        yield Visit(url, Answer(answer.status, answer.headers, self._counted(answer.body)))
                        return
                    url = redirect_target(url, answer)
            raise DownloadError(f"It redirects more than {MAX_REDIRECTS} times.", hint="Name the page's own address.")

    def _remaining(self) -> float:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise DownloadError(
                f"Fetching took longer than {self._settings.max_seconds:g} seconds in all.",
                hint="Ingest again to go on, or raise [knowledge.web] max_seconds.",
            )
        return min(remaining, self._settings.timeout_seconds)

    async def _site(self, url: str) -> _Site:
        origin = origin_of(url)
        site = self._sites.setdefault(origin, _Site(self._settings.delay_seconds))
        async with site.lock:
            if site.robots is None and site.trouble is None:
                try:
                    site.robots = await self._read_robots(site, f"{origin}/robots.txt")
                    site.delay = max(site.delay, site.robots.delay)
                except DownloadError as error:
                    site.trouble = error
        if site.trouble is not None:
            raise DownloadError(site.trouble.message, hint=site.trouble.hint)
        return site

    async def _read_robots(self, site: _Site, url: str) -> Robots:
        origin = origin_of(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._get(url, {}) as answer:
                site.next_at = time.monotonic() + site.delay
                if answer.status in REDIRECTS:
                    url = redirect_target(url, answer)
                    continue
                if answer.status >= 500:
                    raise DownloadError(
                        f"The robots.txt of {host_of(url)} cannot be read (status {answer.status}).",
                        hint="The site has trouble, and until it says what may be read nothing is. Try again later.",
                    )
                text = bytearray()
                async for piece in self._counted(answer.body):
                    text += piece
                    if len(text) > MAX_BYTES:
                        break
                return Robots(answer.status, text[:MAX_BYTES].decode("utf-8-sig", "replace"))
        raise DownloadError(f"{origin}/robots.txt redirects in a ring.", hint="Ask the site's owner to mend it.")

    @asynccontextmanager
    async def _ask(self, site: _Site, url: str, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """The answer; that of a busy site, when it stays so after some attempts."""
        for attempt in range(1, ATTEMPTS + 1):
            async with site.lock:
                await asyncio.sleep(max(site.next_at - time.monotonic(), 0.0))
                site.next_at = time.monotonic() + site.delay
            async with self._get(url, headers) as answer:
                if answer.status not in BUSY or attempt == ATTEMPTS:
                    yield answer
                    return
                wait = retry_after(answer, attempt)
            site.next_at = max(site.next_at, time.monotonic() + wait)

    @asynccontextmanager
    async def _get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        sent = {"user-agent": USER_AGENT, "accept": "text/html, application/pdf, text/*, */*;q=0.5", **headers}
        private = bool({host_of(url), origin_of(url).partition("://")[2]} & self._private)
        seconds = self._remaining()
        try:
            async with (
                asyncio.timeout(seconds),
                self._fetcher.get(url, sent, private=private, seconds=seconds) as answer,
            ):
                yield answer
        except TimeoutError as error:
            raise DownloadError(
                f"{host_of(url)} took longer than {seconds:g} seconds.",
                hint="Try again later, or raise [knowledge.web] timeout_seconds.",
            ) from error

    async def _counted(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in body:
            self._left -= len(piece)
            if self._left < 0:
                raise DownloadError(
                    f"More than {self._settings.max_total_mb:,} MB were fetched in all.",
                    hint="Ingest again to go on, or raise [knowledge.web] max_total_mb.",
                )
            yield piece


def redirect_target(url: str, answer: Answer) -> str:
    """Where a redirect leads. Raises `DownloadError` for what is no address of the web."""
    location = answer.headers.get("location", "")
    try:
        return normalise(urljoin(url, location))
    except (InvalidParameter, ValueError):
        raise DownloadError(
            f"It redirects to {location[:100]!r}, which is no address of the web.", hint="Name another page."
        ) from None


def retry_after(answer: Answer, attempt: int) -> float:
    """Seconds that a busy site asks to wait, as far as one waits for it; without its word, longer every time."""
    said = answer.headers.get("retry-after", "").strip()
    return min(float(said) if said.isdecimal() else 2.0**attempt, MAX_WAIT)
