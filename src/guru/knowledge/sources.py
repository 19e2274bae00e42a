"""Where documents come from: paths of this machine, addresses of the web, buckets."""

from __future__ import annotations

import asyncio
from typing import Protocol

from guru.config import KnowledgeSettings
from guru.errors import GuruError, UnreadableDocument
from guru.knowledge import s3
from guru.knowledge.scan import LeftOut, Scan, check_paths, scan
from guru.knowledge.web.address import is_web_address, normalise
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.web.source import SitemapReader, WebSource
from guru.store.blobs import BlobStore


class Source(Protocol):
    async def find(self, address: str) -> Scan: ...


def is_address(location: str) -> bool:
    """Whether it is an address, and no path."""
    return is_web_address(location) or s3.is_s3_address(location)


def check_locations(locations: list[str]) -> list[str]:
    """Paths and addresses in the form in which they are looked for. Raises `InvalidParameter`."""
    paths = [location for location in locations if not is_address(location)]
    addresses = [
        s3.normalise(location) if s3.is_s3_address(location) else normalise(location)
        for location in locations
        if is_address(location)
    ]
    return (check_paths(paths) if paths or not addresses else []) + list(dict.fromkeys(addresses))


class Sources:
    """Finds the files of one job."""

    def __init__(
        self, settings: KnowledgeSettings, blobs: BlobStore, reader: SitemapReader, fetcher: Fetcher | None
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._reader = reader
        self._fetcher = fetcher
        self._web: WebSource | None = None
        self._s3: s3.S3Source | None = None

    async def find(self, locations: list[str]) -> Scan:
        """What is at all of them; what cannot be reached is in `failed`."""
        found = await asyncio.to_thread(scan, [location for location in locations if not is_address(location)])
        for address in filter(is_address, locations):
            try:
                found.add(await self._source(address).find(address))
            except GuruError as error:
                found.failed.append(LeftOut(address, str(error), address))
        # A page may be named by itself and by a sitemap too: it is one document.
        found.files = list({file.name: file for file in reversed(found.files)}.values())[::-1]
        return found

    def _source(self, address: str) -> Source:
        if s3.is_s3_address(address):
            self._s3 = self._s3 or s3.S3Source(self._settings, self._blobs)
            return self._s3
        if self._fetcher is None:
            raise UnreadableDocument(f"{address[:100]} cannot be fetched here.", hint="Ingest a file of it.")
        self._web = self._web or WebSource(self._fetcher, self._settings.web, self._blobs, self._reader)
        return self._web
