"""Whether what the configuration says of tools can be offered. No tool is called, and nothing of the web is asked."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from guru.agents.mcp.client.remote import begin
from guru.agents.tools.builtin.sql.tool import open_source
from guru.agents.tools.catalogue import Group, groups
from guru.agents.tools.web import Reply
from guru.config import Settings
from guru.errors import ConfigurationError, DownloadError, GuruError
from guru.gateway.check_names import Finding, unmatched


class NotAsked(DownloadError):
    """For whom something of the web would have to be asked."""


BEGIN: Final = {"openapi": ("{}_",), "files": ("{}_",), "sql": ("tables_{}", "query_{}"), "search": ("search_web",)}
"""What the tools of a table begin with: who names one of a table that something is missing of is not wrong."""


class Unasked:
    """Implements `guru.agents.tools.web.Web`: nothing is sent."""

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", limit: int, private: bool
    ) -> Reply:
        raise NotAsked(f"{url} was not asked.", hint="The server asks it when it starts.")


class Offered(Struct, kw_only=True):
    """The names of the tools that would be offered."""

    names: list[str] = []
    databases: list[Finding] = []
    """What is fine, as long as the database is."""
    unknown: list[str] = []
    """What the names of others begin with, which nobody knows before the server has asked for them."""

    def may_have(self, name: str) -> bool:
        """Whether a tool of that name, or one that fits the pattern, may be among those that are not known."""
        return any(name.startswith(start) or fnmatch.fnmatchcase(start, name) for start in self.unknown)


async def check_tools(settings: Settings, offered: Offered) -> AsyncIterator[Finding]:
    """Every table of `[tools]`; what it would offer is added to `offered`. Databases are still to be looked into."""
    for group in groups(settings.tools, Unasked(), cast("Any", None), cast("Any", None)):
        finding = await check_group(group, settings, offered)
        if group.place.startswith("tools.sql.") and finding.level == "ok":
            offered.databases.append(finding)
        elif group.place not in ("tools", "knowledge"):  # those are always there
            yield finding
    offered.unknown += [begin(name) for name in settings.mcp.servers]
    for finding in unmatched_tools("tools.confirm", settings.tools.confirm, offered):
        yield finding


async def check_group(group: Group, settings: Settings, offered: Offered) -> Finding:
    """Whether the tools of a table can be made."""
    kind, _, name = group.place.removeprefix("tools.").partition(".")
    service = settings.tools.openapi.get(name) if kind == "openapi" else None
    try:
        names = [tool.spec.name for tool in await group.make()]
    except GuruError as error:
        offered.unknown += [start.format(name) for start in BEGIN.get(kind, ())]
        if service is not None and isinstance(error, NotAsked):
            message = "Its document is read when the server starts."
            return Finding(place=group.place, level="ok", message=message)
        return Finding(place=group.place, level="error", message=error.message, hint=error.hint)
    offered.names += names
    return Finding(place=group.place, level="ok", message=f"It offers {', '.join(names)}.")


async def check_database(fine: Finding, settings: Settings, *, patience: float | None) -> Finding:
    """Whether a database has the tables that may be read: `fine`, or what is wrong. One on this machine is always
    asked; one on a server has `patience` seconds to answer, and is not asked where that is None."""
    place = fine.place
    name = place.removeprefix("tools.sql.")
    allowed = settings.tools.sql[name].tables
    source = open_source(name, settings.tools.sql[name])
    if patience is None and source.dialect != "sqlite":
        return fine
    try:
        async with asyncio.timeout(patience):
            found = {column.table.lower() for column in await source.columns()}
    except TimeoutError:
        message = f"It did not answer within {patience:.0f} s."
        return Finding(place=place, level="error", message=message, hint="Check its url and the network.")
    except GuruError as error:
        message = error.message if isinstance(error, ConfigurationError) else "The database cannot be read."
        return Finding(place=place, level="error", message=message, hint="Check its url, and that it is there.")
    if missing := [table for table in allowed if table.lower() not in found]:
        message = f"The database has no table {', '.join(missing)}."
        return Finding(place=f"{place}.tables", level="error", message=message, hint="Correct tables.")
    return fine


def unmatched_tools(place: str, patterns: Iterable[str], offered: Offered) -> Iterator[Finding]:
    """A warning for every pattern that fits no tool; nothing of one that may fit those that are not known."""
    return unmatched(place, [pattern for pattern in patterns if not offered.may_have(pattern)], offered.names)
