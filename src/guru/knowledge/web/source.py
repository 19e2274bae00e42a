"""A page, or the pages of a sitemap, as files to ingest: fetched when they have changed."""

from __future__ import annotations

from collections import deque
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

from guru.config import WebSettings
from guru.errors import DownloadError, GuruError, InvalidParameter
from guru.knowledge.parse.sitemap import MAX_BYTES as MAX_SITEMAP_BYTES
from guru.knowledge.parse.sitemap import Sitemap
from guru.knowledge.remote import JSON, Fetched, Gone, RemoteFile, keep_stream
from guru.knowledge.scan import LeftOut, Scan
from guru.knowledge.web.address import charset_of, filename_of, host_of, normalise
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.web.visitor import Visitor
from guru.store.blobs import BlobStore

MAX_SITEMAPS: Final = 200
"""Read for one address: an index and what it lists."""
NOT_MODIFIED: Final = 304
GONE: Final = (404, 410)


class SitemapReader(Protocol):
    """What this needs of `ParsePool`."""

    async def sitemap(self, path: Path) -> Sitemap: ...


class WebSource:
    """Finds pages. One per job, so that its limits are those of the job."""

    def __init__(self, fetcher: Fetcher, settings: WebSettings, blobs: BlobStore, reader: SitemapReader) -> None:
        self._visitor = Visitor(fetcher, settings)
        self._settings = settings
        self._blobs = blobs
        self._reader = reader

    async def find(self, address: str) -> Scan:
        """The page at `address`, or those that the sitemap there lists. Errors are told in `failed`."""
        url = normalise(address)
        if not looks_like_sitemap(url) and not await self._turns_out_to_be_sitemap(url):
            return Scan(files=[self._page(url, url, None)], sources=[url])
        found = Scan()
        whole = await self._read_sitemaps(url, found)
        if whole and not found.failed:
            found.sources.append(url)
        return found

    async def _turns_out_to_be_sitemap(self, url: str) -> bool:
        """By its content, where its name leaves that open."""
        if not may_be_sitemap(url):
            return False
        try:
            await self._sitemap(url)
        except GuruError:
            return False  # what is wrong with it will be told of the page
        return True

    async def _read_sitemaps(self, first: str, found: Scan) -> bool:
        """Whether every page was taken."""
        pages: dict[str, RemoteFile] = {}
        waiting, seen = deque([first]), {first}
        while waiting:
            url = waiting.popleft()
            try:
                sitemap = await self._sitemap(url)
            except GuruError as error:
                found.failed.append(LeftOut(url, str(error), url))
                continue
            for entry in sitemap.entries:
                try:
                    target = normalise(urljoin(url, entry.url))
                except (InvalidParameter, ValueError) as error:
                    found.failed.append(LeftOut(entry.url[:200], str(error)))
                    continue
                if host_of(target) != host_of(first):
                    reason = f"It is not on {host_of(first)}, whose sitemap lists it; name it by itself."
                    found.ignored.append(LeftOut(target, reason))
                elif sitemap.is_index and target not in seen:
                    seen.add(target)
                    waiting.append(target)
                elif not sitemap.is_index:
                    pages.setdefault(target, self._page(target, first, entry.modified))
            if len(seen) > MAX_SITEMAPS or len(pages) > self._settings.max_pages:
                found.files.extend(list(pages.values())[: self._settings.max_pages])
                found.failed.append(LeftOut(first, self._too_many(len(seen))))
                return False
        found.files.extend(pages.values())
        return True

    def _too_many(self, sitemaps: int) -> str:
        if sitemaps > MAX_SITEMAPS:
            return f"It lists more than {MAX_SITEMAPS} sitemaps; the others were left out. Name some of them instead."
        most = self._settings.max_pages
        return f"It lists more than {most:,} pages; the others were left out. Raise [knowledge.web] max_pages for all."

    async def _sitemap(self, url: str) -> Sitemap:
        async with self._visitor.visit(url) as visit:
            check_status(visit.answer.status)
            digest, _ = await keep_stream(self._blobs, visit.answer.body, MAX_SITEMAP_BYTES, "nothing")
        return await self._reader.sitemap(self._blobs.path(digest))  # what nothing needs is swept away later

    def _page(self, url: str, source: str, modified: str | None) -> RemoteFile:
        return RemoteFile(url, source, partial(self._fetch, url, modified))

    async def _fetch(self, url: str, modified: str | None, known: JSON) -> Fetched | None:
        conditions = {"etag": "if-none-match", "last_modified": "if-modified-since"}
        headers = {header: str(known[field]) for field, header in conditions.items() if known.get(field)}
        async with self._visitor.visit(url, headers) as visit:
            answer = visit.answer
            if answer.status == NOT_MODIFIED and headers:
                return None
            check_status(answer.status)
            limit = self._settings.max_page_mb << 20
            digest, size = await keep_stream(self._blobs, answer.body, limit, "[knowledge.web] max_page_mb")
            got = answer.headers
            metadata = {"url": visit.url, "etag": got.get("etag"), "last_modified": got.get("last-modified")}
            return Fetched(
                digest=digest,
                size=size,
                filename=filename_of(visit.url, got.get("content-type", "")),
                metadata={key: value for key, value in metadata.items() if value},
                charset=charset_of(got.get("content-type", "")),
                modified=to_iso(got.get("last-modified")) or modified,
            )


def looks_like_sitemap(url: str) -> bool:
    """By its name: `sitemap.xml`, `sitemap_index.xml.gz`, `post-sitemap1.xml` ..."""
    last = PurePosixPath(urlsplit(url).path).name.lower()
    return last.endswith((".xml", ".xml.gz")) and ("sitemap" in last or last == "index.xml")


def may_be_sitemap(url: str) -> bool:
    """By its name: `pages.xml`, `sitemap`, `sitemap.php` ..."""
    last = PurePosixPath(urlsplit(url).path).name.lower()
    return last.endswith((".xml", ".xml.gz")) or "sitemap" in last


def check_status(status: int) -> None:
    """Raises `Gone` and `DownloadError` for what is no page."""
    if status in GONE:
        raise Gone(f"There is no such page (status {status}).", hint="With --prune its document is dropped.")
    if not 200 <= status < 300:
        hint = "It may want a login; Guru has none." if status in (401, 403) else "Try again later."
        raise DownloadError(f"The site answered with status {status}.", hint=hint)


def to_iso(date: str | None) -> str | None:
    """A date of HTTP in ISO 8601."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC).isoformat() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
