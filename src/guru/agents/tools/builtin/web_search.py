"""Searches the web by one of three APIs.

Brave: https://api-dashboard.search.brave.com/app/documentation/web-search/get-started; Tavily:
https://docs.tavily.com/documentation/api-reference/endpoint/search; SearXNG:
https://docs.searxng.org/dev/search_api.html.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from guru.agents.tools.base import ToolResult
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.web import Web, ask_json, plain
from guru.config import WebSearchToolSettings
from guru.errors import ConfigurationError, DownloadError

BRAVE: Final = "https://api.search.brave.com"
TAVILY: Final = "https://api.tavily.com"


class Found(Struct):
    """A page that a search found."""

    title: str
    url: str
    text: str
    date: str | None = None


Search = Callable[[Web, WebSearchToolSettings, str, int], Awaitable[list[Found]]]


def web_search_tool(settings: WebSearchToolSettings, web: Web) -> FunctionTool:
    """The tool that searches. Raises `ConfigurationError` for a provider without its key or address."""
    search = PROVIDERS[settings.provider]
    if settings.provider == "searxng" and settings.url is None:
        raise ConfigurationError(
            "[tools.search] url is missing: where SearXNG is.", hint='Write url = "https://searx.example".'
        )
    if settings.provider != "searxng" and not settings.api_key:
        raise ConfigurationError("[tools.search] api_key is missing.", hint='Write api_key = "env:NAME".')

    async def search_web(
        query: Annotated[str, Meta(min_length=1, max_length=400, description="What to search for.")],
    ) -> ToolResult:
        """Search the web. It shows titles, addresses and short excerpts; fetch a page to read it."""
        try:
            found = (await search(web, settings, query, settings.results))[: settings.results]
        except (AttributeError, KeyError, TypeError) as error:  # an answer of another shape than the documented one
            raise DownloadError("The search answered in a form that is not known.", hint="Try later.") from error
        lines = [f"{number}. {shown(item)}" for number, item in enumerate(found, start=1)]
        return ToolResult(text="\n\n".join(lines) or "Nothing was found.", data=found_as_data(found))

    return FunctionTool(search_web, effect="read")


def shown(item: Found) -> str:
    date = f" ({item.date})" if item.date else ""
    return f"{item.title}{date}\n{item.url}\n{item.text}".rstrip()


def found_as_data(found: list[Found]) -> list[dict[str, Any]]:
    return [{"title": item.title, "url": item.url, "text": item.text, "date": item.date} for item in found]


async def brave(web: Web, settings: WebSearchToolSettings, query: str, count: int) -> list[Found]:
    answer = await ask_json(
        web, f"{base(settings, BRAVE)}/res/v1/web/search", params={"q": query, "count": count},
        headers={"x-subscription-token": settings.api_key or ""},
    )  # fmt: skip
    results = (answer.get("web") or {}).get("results") or []
    return [
        Found(plain(item.get("title")), item["url"], plain(item.get("description")), item.get("page_age"))
        for item in results
    ]


async def tavily(web: Web, settings: WebSearchToolSettings, query: str, count: int) -> list[Found]:
    answer = await ask_json(
        web, f"{base(settings, TAVILY)}/search", headers={"authorization": f"Bearer {settings.api_key}"},
        body={"query": query, "max_results": count},
    )  # fmt: skip
    return [
        Found(plain(item.get("title")), item["url"], plain(item.get("content"), 1000), item.get("published_date"))
        for item in answer["results"]
    ]


async def searxng(web: Web, settings: WebSearchToolSettings, query: str, count: int) -> list[Found]:
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    answer = await ask_json(web, f"{base(settings, '')}/search", params={"q": query, "format": "json"}, headers=headers)
    return [
        Found(plain(item.get("title")), item["url"], plain(item.get("content")), item.get("publishedDate"))
        for item in answer["results"][:count]
    ]


def base(settings: WebSearchToolSettings, usual: str) -> str:
    return (settings.url or usual).rstrip("/")


PROVIDERS: Final[dict[str, Search]] = {"brave": brave, "tavily": tavily, "searxng": searxng}
