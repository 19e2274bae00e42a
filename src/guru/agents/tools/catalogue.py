"""Which tools there are, and who may use which: those of the configuration, and those that other sources bring."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, Protocol

from msgspec import Struct, structs

from guru.agents.tools.base import Tool, ToolContext, ToolResult, ToolSpec
from guru.agents.tools.builtin.calculator import calculator
from guru.agents.tools.builtin.files import file_tools
from guru.agents.tools.builtin.knowledge import Documents, knowledge_tools
from guru.agents.tools.builtin.news import news_tool
from guru.agents.tools.builtin.openapi.tool import openapi_tools
from guru.agents.tools.builtin.python import python_tool
from guru.agents.tools.builtin.sql.tool import sql_tools
from guru.agents.tools.builtin.weather import weather_tool
from guru.agents.tools.builtin.web_fetch import web_fetch_tool
from guru.agents.tools.builtin.web_search import web_search_tool
from guru.agents.tools.toolbox import Toolbox
from guru.agents.tools.web import Pages, Web
from guru.config import Settings, ToolsSettings
from guru.errors import GuruError
from guru.store.scope import Scope

AGAIN_SECONDS: Final = 30.0
"""After which tools that could not be made are tried again: a service may have come back."""
log = logging.getLogger(__name__)
Maker = Callable[[], "Sequence[Tool] | Awaitable[Sequence[Tool]]"]


class ToolSource(Protocol):
    """Brings tools that the configuration of tools does not name, such as those of MCP servers."""

    async def tools(self, scope: Scope) -> Iterable[Tool]:
        """Those that may be used within the scope."""
        ...


class Group:
    """Tools that are made together, once, and shown to the same people."""

    def __init__(self, place: str, make: Maker, *, of: object = None, allow: Sequence[str] | None = None) -> None:
        """`place` is where they are configured, `of` what is said there; `allow` who may use them, besides
        administrators: empty is everybody of the organisation whose server it is, None everybody."""
        self.place = place
        self.of = of
        self.problem: str | None = None
        """Why they cannot be made."""
        self._make = make
        self._allow = allow
        self._made: Sequence[Tool] | None = None
        self._next = 0.0
        self._lock = asyncio.Lock()

    def is_for(self, scope: Scope, own_tenant: str) -> bool:
        if self._allow is None:
            return True
        if scope.tenant != own_tenant:
            return False
        return scope.names is None or not self._allow or any(name in self._allow for name in scope.names)

    async def make(self) -> Sequence[Tool]:
        """The tools, made anew. Raises `GuruError`."""
        made = self._make()
        return await made if isinstance(made, Awaitable) else made

    async def tools(self) -> Sequence[Tool]:
        """The tools; none where they cannot be made."""
        async with self._lock:
            if self._made is None and time.monotonic() >= self._next:
                try:
                    self._made = await self.make()
                    self.problem = None
                except GuruError as error:
                    self.problem, self._next = str(error), time.monotonic() + AGAIN_SECONDS
                    log.warning("[%s] Its tools are not offered. %s", self.place, error)
            return self._made or ()


class Problem(Struct):
    """Tools of the configuration that cannot be offered, and why."""

    place: str
    message: str


class Catalogue:
    """One per server."""

    def __init__(
        self, settings: ToolsSettings, *, web: Web, pages: Pages, documents: Documents, own_tenant: str
    ) -> None:
        self.sources: list[ToolSource] = []
        """Others that bring tools. Whoever adds one says with it who may use them."""
        self.on_change: list[Callable[[], None]] = []
        """Called when others are offered than before."""
        self._web, self._pages, self._documents = web, pages, documents
        self._own_tenant = own_tenant
        self._groups: list[Group] = []
        self.configure(settings)

    def configure(self, settings: ToolsSettings) -> None:
        """Offer what the settings say, from now on. Whoever has a toolbox keeps its tools; a group that is as it was
        keeps what it has made: the document of a service is not fetched again."""
        self._settings = settings
        before = {group.place: group for group in self._groups}
        self._groups = [
            old if (old := before.get(group.place)) is not None and old.of == group.of else group
            for group in groups(settings, self._web, self._pages, self._documents)
        ]

    def reload(self, settings: Settings) -> None:
        if settings.tools != self._settings:
            self.configure(settings.tools)
            for tell in self.on_change:
                tell()

    async def toolbox(self, scope: Scope, *, sources: Sequence[ToolSource] | None = None) -> Toolbox:
        """The tools that may be used within a scope. Of two that have one name the first is taken.

        `sources` are the others that bring some; None: those of the catalogue.
        """
        found: dict[str, Tool] = {}
        for group in self._groups:
            if group.is_for(scope, self._own_tenant):
                for tool in await group.tools():
                    self._add(tool, found)
        for source in self.sources if sources is None else sources:
            for tool in await source.tools(scope):
                self._add(tool, found)
        return Toolbox(found.values(), shown=self._settings.result_characters)

    async def problems(self, scope: Scope) -> list[Problem]:
        """What cannot be offered of that which may be used within a scope."""
        await self.toolbox(scope)
        mine = [group for group in self._groups if group.is_for(scope, self._own_tenant)]
        return [Problem(group.place, group.problem) for group in mine if group.problem is not None]

    def _add(self, tool: Tool, found: dict[str, Tool]) -> None:
        spec = tool.spec
        if spec.name in found:
            log.warning("There are several tools called %s; the first is offered.", spec.name)
        elif not spec.approval and any(fnmatchcase(spec.name, pattern) for pattern in self._settings.confirm):
            found[spec.name] = Confirmed(tool)
        else:
            found[spec.name] = tool


class Confirmed:
    """A tool that a person says yes to each call of, because the configuration wants it."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self.spec: ToolSpec = structs.replace(tool.spec, approval=True)

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        return await self._tool.call(arguments, context)


def groups(settings: ToolsSettings, web: Web, pages: Pages, documents: Documents) -> list[Group]:
    """The tools of the configuration. What is not configured is not there."""
    found = [
        Group("tools", lambda: [calculator()]),
        Group("knowledge", lambda: knowledge_tools(documents)),
    ]
    if (python := settings.python) is not None:
        found.append(Group("tools.python", lambda: [python_tool(python)], of=python))
    if (fetch := settings.web) is not None:
        private = settings.private_hosts
        found.append(Group("tools.web", lambda: [web_fetch_tool(fetch, web, pages, private)], of=(fetch, private)))
    if (search := settings.search) is not None:
        found.append(Group("tools.search", lambda: [web_search_tool(search, web)], of=search))
    if (weather := settings.weather) is not None:
        found.append(Group("tools.weather", lambda: [weather_tool(weather, web)], of=weather))
    if (news := settings.news) is not None:
        found.append(Group("tools.news", lambda: [news_tool(news, web)], of=news))
    for name, database in settings.sql.items():
        make: Maker = partial(sql_tools, name, database)
        found.append(Group(f"tools.sql.{name}", make, of=database, allow=database.allow))
    for name, folder in settings.files.items():
        make = partial(file_tools, name, folder)
        found.append(Group(f"tools.files.{name}", make, of=folder, allow=folder.allow))
    for name, service in settings.openapi.items():
        make = partial(openapi_tools, name, service, web)
        found.append(Group(f"tools.openapi.{name}", make, of=service, allow=service.allow))
    return found
