"""A file in a repository of a model hub that speaks the Hugging Face API.

The hub stores large files under the sha256 of their content (git LFS) and tells it in its tree API: that is what a
download is verified against when the catalogue has no checksum.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from guru.errors import DownloadError
from guru.models.sources.remote import Remote, refused

if TYPE_CHECKING:
    from aiohttp import ClientSession

DEFAULT_HUB = "https://huggingface.co"


class Hub:
    """Addresses and credentials of one hub."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        """None: from `GURU_HUB_URL` or `HF_ENDPOINT`, and from `HF_TOKEN`."""
        chosen = url or os.environ.get("GURU_HUB_URL") or os.environ.get("HF_ENDPOINT") or DEFAULT_HUB
        self.url = chosen.rstrip("/")
        token = token or os.environ.get("HF_TOKEN")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def resolve(self, session: ClientSession, repository: str, file: str, revision: str = "main") -> Remote:
        """Find `file`. Raises `DownloadError` when the repository or the file is not there, or is closed to us."""
        entry = await self._find(session, repository, file, revision)
        lfs = entry.get("lfs") or {}
        address = f"{self.url}/{quote(repository)}/resolve/{quote(revision, safe='')}/{quote(file)}"
        return Remote(
            url=address, sha256=lfs.get("oid"), size=lfs.get("size") or entry.get("size"), headers=self._headers
        )

    async def _find(self, session: ClientSession, repository: str, file: str, revision: str) -> dict[str, Any]:
        folder = quote(file.rpartition("/")[0])
        url: str | None = f"{self.url}/api/models/{quote(repository)}/tree/{quote(revision, safe='')}"
        url = f"{url}/{folder}" if folder else url
        while url is not None:
            entries, url = await self._page(session, url)
            for entry in entries:
                if entry.get("path") == file:
                    return entry
        raise DownloadError(f"{repository} has no file {file}.", hint=f"See {self.url}/{repository}/tree/{revision}.")

    async def _page(self, session: ClientSession, url: str) -> tuple[list[dict[str, Any]], str | None]:
        """One page of a folder's listing, and the address of the next."""
        import aiohttp

        try:
            async with session.get(url, headers=self._headers) as response:
                if response.status != 200:
                    raise refused(url, response.status)
                following = response.links.get("next")
                return await response.json(), str(following["url"]) if following else None
        except (aiohttp.ClientError, TimeoutError) as error:
            hint = "Check the network, or name a mirror with GURU_HUB_URL."
            raise DownloadError(f"{self.url} cannot be reached: {error}.", hint=hint) from None
