"""The configuration of the running server."""

from __future__ import annotations

from msgspec import Struct

from guru.server.endpoint import Call, get, post
from guru.server.reload import Changes


class ConfigurationView(Struct, kw_only=True):
    file: str | None
    """The file that was read; null when there is none."""
    error: str | None
    """Why the file as it is now is not in force; null when it is."""
    restart: list[str]
    """Sections, and members of sections such as `mcp.conformance_fixtures`, that changed and need a restart."""


@get("/api/v1/config")
async def show_config(call: Call) -> ConfigurationView:
    """Whether the configuration file is in force."""
    call.require_operator()
    reloader = call.services.reloader
    return ConfigurationView(file=reloader.file, error=reloader.error, restart=reloader.restart)


@post("/api/v1/config/reload")
async def reload_config(call: Call) -> Changes:
    """Read the configuration file now; a change is noticed within a second anyway."""
    call.require_operator()
    return await call.services.reloader.reload()


DOORS = [show_config, reload_config]
