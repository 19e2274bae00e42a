"""What is wrong with a configuration that can be read: unknown models, missing keys, addresses that do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from guru.config import Settings, StoreSettings
from guru.errors import GuruError
from guru.gateway.check_agents import check_agents
from guru.gateway.check_names import Finding, check_alias, check_cycles, check_keys, check_patterns
from guru.gateway.check_stores import check_vectors, named_stores
from guru.gateway.check_tools import Offered, check_database, check_tools
from guru.gateway.cost import Prices
from guru.gateway.identity.address import cors_origins, needs_key
from guru.gateway.routing import Router
from guru.models.registry import ModelRegistry
from guru.store.database import Database

PATIENCE = 5.0
"""Seconds that an address has to answer; all are asked at once."""
PORTS = {"redis": 6379, "rediss": 6379, "https": 443, "http": 80}


async def check(
    settings: Settings, home: Path, *, connect: bool = True, doors: Collection[str] = ()
) -> AsyncIterator[Finding]:
    """Look at everything, problems and what is fine; without `connect`, at nothing outside this machine.

    `doors` are the names that a key's `routes` may have.
    """
    registry = ModelRegistry(home, settings)
    try:
        for finding in check_parts(settings, registry):
            yield finding
        for name, alias in settings.models.items():
            for finding in check_alias(name, alias, registry, settings):
                yield finding
        for finding in (*check_cycles(settings), *check_keys(settings, doors), *check_patterns(settings)):
            yield finding
        offered = Offered()
        async for finding in check_tools(settings, offered):
            yield finding
        for finding in check_agents(settings, registry, offered):
            yield finding
        checks = [
            check_vectors(kind, settings.knowledge, connect=connect, patience=PATIENCE)
            for kind in named_stores(settings.knowledge)
        ]
        patience = PATIENCE if connect else None
        checks += [check_database(fine, settings, patience=patience) for fine in offered.databases]
        checks += [check_provider(name, registry, connect=connect) for name in settings.providers]
        if connect:
            checks += [check_address(place, url) for place, url in addresses(settings) if url]
            checks += [check_store(settings.store)] if settings.store.url else []
        for done in asyncio.as_completed(checks):
            yield await done
    finally:
        await registry.aclose()


def check_parts(settings: Settings, registry: ModelRegistry) -> Iterator[Finding]:
    """What would keep the server from starting, said by the parts of it that refuse."""
    parts: dict[str, Callable[[], Any]] = {
        "server": lambda: needs_key(settings.server),
        "server.cors_origins": lambda: cors_origins(settings.server),
        "store.url": lambda: settings.store.url and Database(settings.store.url),  # connects with the first query
        "prices": lambda: Prices(settings),
        "models": lambda: Router(registry, settings),
        "models.embedding": lambda: registry.embedding_model("embedding"),
    }
    for place, make in parts.items():
        try:
            make()
        except GuruError as error:
            yield Finding(place=place, level="error", message=error.message, hint=error.hint)


async def check_provider(name: str, registry: ModelRegistry, *, connect: bool) -> Finding:
    """Whether a provider has what it needs, can be reached, and takes the key."""
    place = f"providers.{name}"
    try:
        provider = registry.remote.provider(name)
        if not connect:
            return Finding(place=place, level="ok", message="It has all that it needs.")
        async with asyncio.timeout(PATIENCE):
            await provider.check()
    except TimeoutError:
        message = f"It did not answer within {PATIENCE:.0f} s."
        return Finding(place=place, level="error", message=message, hint="Check its base_url and the network.")
    except GuruError as error:
        return Finding(place=place, level="error", message=error.message, hint=error.hint)
    return Finding(place=place, level="ok", message="It answers and takes the key.")


async def check_store(settings: StoreSettings) -> Finding:
    """Whether the database lets us in."""
    place = "store.url"
    try:
        database = Database(settings.url or "", connections=settings.connections)
        try:
            async with asyncio.timeout(PATIENCE):
                await database.ping()
        finally:
            await database.close()
    except TimeoutError:
        message = f"It did not answer within {PATIENCE:.0f} s."
        return Finding(place=place, level="error", message=message, hint="Check the address and the network.")
    except GuruError as error:
        return Finding(place=place, level="error", message=error.message, hint=error.hint)
    return Finding(place=place, level="ok", message=f"{database.place} answers and lets us in.")


def addresses(settings: Settings) -> Iterator[tuple[str, str | None]]:
    yield "redis.url", settings.redis.url
    yield "telemetry.otlp_endpoint", settings.telemetry.otlp_endpoint


async def check_address(place: str, url: str) -> Finding:
    """Whether somebody listens at an address."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        if not parts.hostname:
            raise ValueError
    except (ValueError, KeyError):
        kind = "redis://HOST:6379/0" if place.startswith("redis") else "http://HOST:4318"
        return Finding(place=place, level="error", message="That is not an address.", hint=f"Write {kind}.")
    where = f"{parts.hostname}:{port}"
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        message = f"{where} cannot be reached: {str(error) or 'no answer'}."
        return Finding(place=place, level="error", message=message, hint="Check the address and that it runs.")
    writer.close()
    return Finding(place=place, level="ok", message=f"{where} answers.")
