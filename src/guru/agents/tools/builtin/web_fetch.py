"""Fetches a page of the web and shows its text. Every redirect is checked as the first address was."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Final
from urllib.parse import urljoin, urlsplit

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.web import USER_AGENT, Page, Pages, Reply, Web, check_address
from guru.config import WebToolSettings
from guru.errors import DownloadError, Forbidden

MAX_REDIRECTS: Final = 5
REDIRECTS: Final = (301, 302, 303, 307, 308)
ACCEPT: Final = "text/html, application/pdf, text/*, */*;q=0.5"
TEXTS: Final = ("application/json", "application/ld+json", "application/javascript", "application/x-yaml")
"""What is shown as it is, beside `text/...`."""


def web_fetch_tool(settings: WebToolSettings, web: Web, pages: Pages, private_hosts: list[str]) -> FunctionTool:
    """The tool that fetches pages."""
    visitor = Visitor(settings, web, private_hosts)

    async def fetch_page(
        url: Annotated[str, Meta(description="The address, with https://.")],
        start: Annotated[int, Meta(ge=0, description="The character of the page's text to begin at.")] = 0,
    ) -> ToolResult:
        """Fetch a page of the web, or a PDF, and show its text."""
        where, reply = await visitor.get(url.strip())
        page = await read(pages, where, reply)
        shown = page.text[start : start + settings.characters]
        rest = len(page.text) - start - len(shown)
        head = f"{page.title or where}\n{where}\n\n"
        more = f"\n\n[{rest:,} more characters: ask with start={start + len(shown)}]" if rest > 0 else ""
        data = {"url": where, "title": page.title, "text": shown, "characters": len(page.text)}
        return ToolResult(text=f"{head}{shown or 'There is no text.'}{more}", data=data)

    return FunctionTool(fetch_page, effect="read", anywhere=not settings.hosts, timeout=settings.timeout_seconds)


class Visitor:
    """Gets pages, redirect by redirect."""

    def __init__(self, settings: WebToolSettings, web: Web, private_hosts: list[str]) -> None:
        self._settings = settings
        self._web = web
        self._private = {host.lower() for host in private_hosts}

    async def get(self, url: str) -> tuple[str, Reply]:
        """The page, and the address where it was found. Raises `DownloadError`, `Forbidden`, `InvalidParameter`."""
        limit = self._settings.max_page_mb << 20
        for _ in range(MAX_REDIRECTS + 1):
            host = check_address(url)
            self._check_host(host)
            private = bool({host, urlsplit(url).netloc.lower()} & self._private)
            headers = {"user-agent": USER_AGENT, "accept": ACCEPT}
            reply = await self._web.send("GET", url, headers=headers, limit=limit, private=private)
            if reply.status in REDIRECTS and "location" in reply.headers:
                url = urljoin(url, reply.headers["location"]).partition("#")[0]
                continue
            if not 200 <= reply.status < 300:
                raise DownloadError(f"{host} answered with status {reply.status}.", hint="Try another page.")
            if not reply.complete:
                raise DownloadError(
                    f"The page is larger than {self._settings.max_page_mb} MB.", hint="Try another page."
                )
            return url, reply
        raise DownloadError(f"It redirects more than {MAX_REDIRECTS} times.", hint="Try another page.")

    def _check_host(self, host: str) -> None:
        wanted = self._settings.hosts
        if wanted and not any(fnmatchcase(host, pattern.lower()) for pattern in wanted):
            raise Forbidden(f"{host} may not be asked.", hint=f"Only these may: {', '.join(wanted)}.")


async def read(pages: Pages, url: str, reply: Reply) -> Page:
    """The text of a page: as it is, where it is text, and else by the parser of its kind."""
    content_type = reply.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind in TEXTS or (kind.startswith("text/") and kind != "text/html"):
        return Page(None, reply.body.decode("utf-8", "replace"))
    return await pages.read(reply.body, url, content_type)
