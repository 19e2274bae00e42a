"""News: by the feeds of sites, and by GDELT's index (https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urljoin

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.builtin.feeds import NewsItem, read_feed
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.web import USER_AGENT, Web, ask_json, plain
from guru.config import NewsToolSettings
from guru.errors import DownloadError, GuruError

MAX_FEED: Final = 4 << 20
OLDEST: Final = datetime.min.replace(tzinfo=UTC)


def news_tool(settings: NewsToolSettings, web: Web) -> FunctionTool:
    """The tool that knows the news."""

    async def news(
        query: Annotated[str, Meta(max_length=200, description="Words that must be in it; none: all.")] = "",
    ) -> ToolResult:
        """The latest news, with their sources and dates."""
        words = query.lower().split()
        feeds = [read(web, address, words) for address in settings.feeds]
        index = [ask_gdelt(settings, web, query)] if settings.gdelt and query.strip() else []
        answers = await asyncio.gather(*feeds, *index, return_exceptions=True)
        items, problems = sorted_out(answers)
        if problems and not items and len(problems) == len(answers):
            raise DownloadError("No source of news can be read.", hint="; ".join(problems))
        items.sort(key=lambda item: item.date or OLDEST, reverse=True)
        shown = list({item.url or item.title: item for item in items}.values())[: settings.results]
        lines = [f"{number}. {told(item)}" for number, item in enumerate(shown, start=1)] or ["There is nothing."]
        return ToolResult(
            text="\n\n".join([*lines, *(f"(Not read: {problem})" for problem in problems)]),
            data=[as_data(item) for item in shown],
        )

    return FunctionTool(news, effect="read")


def sorted_out(answers: list[list[NewsItem] | BaseException]) -> tuple[list[NewsItem], list[str]]:
    """What came, and why the rest did not. Raises what is no `GuruError`."""
    items: list[NewsItem] = []
    problems: list[str] = []
    for answer in answers:
        if isinstance(answer, GuruError):
            problems.append(str(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            items += answer
    return items, problems


async def read(web: Web, address: str, words: list[str]) -> list[NewsItem]:
    """The items of one feed that have all the words. A redirect is followed, once."""
    headers = {"user-agent": USER_AGENT, "accept": "application/rss+xml, application/atom+xml, application/xml, */*"}
    reply = await web.send("GET", address, headers=headers, limit=MAX_FEED, private=True)
    if reply.status in (301, 302, 303, 307, 308):
        address = urljoin(address, reply.headers.get("location", ""))
        reply = await web.send("GET", address, headers=headers, limit=MAX_FEED, private=False)
    if reply.status != 200 or not reply.complete:
        raise DownloadError(f"The feed {address} cannot be read (status {reply.status}).", hint="Try again later.")
    items = await asyncio.to_thread(read_feed, reply.body, address)
    return [item for item in items if all(word in f"{item.title} {item.text}".lower() for word in words)]


async def ask_gdelt(settings: NewsToolSettings, web: Web, query: str) -> list[NewsItem]:
    answer = await ask_json(web, f"{settings.gdelt_url.rstrip('/')}/api/v2/doc/doc", params={
        "query": query, "mode": "artlist", "format": "json", "maxrecords": settings.results, "sort": "datedesc",
    })  # fmt: skip
    articles = answer.get("articles") if isinstance(answer, dict) else None
    return [
        NewsItem(
            title=plain(item.get("title"), 300), url=str(item.get("url", "")), source=str(item.get("domain", "")),
            date=seen(item.get("seendate")),
        )
        for item in articles or [] if isinstance(item, dict)
    ]  # fmt: skip


def seen(date: Any) -> datetime | None:
    """A date such as 20260102T030405Z."""
    try:
        return datetime.strptime(str(date), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def told(item: NewsItem) -> str:
    date = f", {item.date:%Y-%m-%d %H:%M} UTC" if item.date else ""
    return f"{item.title} ({item.source}{date})\n{item.url}\n{item.text}".rstrip()


def as_data(item: NewsItem) -> dict[str, Any]:
    date = item.date.isoformat() if item.date else None
    return {"title": item.title, "url": item.url, "source": item.source, "date": date, "text": item.text}
