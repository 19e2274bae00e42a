"""What is wrong with a configuration that can be read: unknown models, missing keys, addresses that do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from guru.config import AliasSettings, Settings
from guru.errors import GuruError
from guru.models.registry import ModelRegistry

PATIENCE = 10.0
"""Seconds that an address has to answer."""


class Finding(Struct, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    place: str
    """Where it stands in the configuration."""
    level: Literal["ok", "warning", "error"]
    message: str
    hint: str | None = None


async def check(settings: Settings, home: Path, *, connect: bool = True) -> AsyncIterator[Finding]:
    """Look at everything, problems and what is fine; without `connect`, at nothing outside this machine."""
    registry = ModelRegistry(home, settings)
    try:
        for name, alias in settings.models.items():
            for finding in check_alias(name, alias, registry, settings):
                yield finding
        for finding in check_names(settings):
            yield finding
        checks = [check_provider(name, registry, connect=connect) for name in settings.providers]
        if connect:
            checks += [check_address(place, url) for place, url in addresses(settings) if url]
        for done in asyncio.as_completed(checks):
            yield await done
    finally:
        await registry.aclose()


def check_alias(name: str, alias: AliasSettings, registry: ModelRegistry, settings: Settings) -> Iterator[Finding]:
    """Whether every model behind an alias can be asked."""
    place = f"models.{name}"
    for number, deployment in enumerate(alias.deployments):
        yield check_model(f"{place}.deployments[{number}]", deployment.model, registry)
    for fallback in alias.fallbacks:
        if fallback == name:
            message = f"{name} falls back to itself."
            yield Finding(place=f"{place}.fallbacks", level="warning", message=message, hint="Remove it.")
        elif fallback not in settings.models:
            yield check_model(f"{place}.fallbacks", fallback, registry)
    if (larger := alias.context.larger) and larger not in settings.models:
        yield check_model(f"{place}.context.larger", larger, registry)
    labels = [deployment.label for deployment in alias.deployments if deployment.label]
    release = alias.release
    for label in (release.candidate, release.baseline) if release else ():
        if label is not None and label not in labels:
            known = ", ".join(labels) or "none"
            message = f"No deployment has the label {label!r}."
            yield Finding(place=f"{place}.release", level="error", message=message, hint=f"Labels here: {known}.")


def check_model(place: str, model: str, registry: ModelRegistry) -> Finding:
    """Whether a model is known, and on this disk if it belongs there."""
    try:
        full = registry.resolve(model)
    except GuruError as error:
        return Finding(place=place, level="error", message=error.message, hint=error.hint)
    if not registry.remote.knows(full) and not registry.store.show(full).installed:
        hint = f"Fetch it: guru models pull {full}"
        return Finding(place=place, level="error", message=f"{full} is not installed.", hint=hint)
    return Finding(place=place, level="ok", message=f"{full} is known.")


def check_names(settings: Settings) -> Iterator[Finding]:
    """Whether what refers to something else refers to something."""
    for name, key in settings.keys.items():
        if key.team is not None and key.team not in settings.teams:
            message = f"The team {key.team!r} is not in the configuration."
            hint = f"Add [teams.{key.team}], or see that `guru teams list` has it."
            yield Finding(place=f"keys.{name}.team", level="warning", message=message, hint=hint)
        if len(key.key) < 16:
            hint = "Use a long random one, such as `guru keys create` makes."
            yield Finding(place=f"keys.{name}.key", level="warning", message="The key is easy to guess.", hint=hint)


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


def addresses(settings: Settings) -> Iterator[tuple[str, str | None]]:
    yield "redis.url", settings.redis.url
    yield "telemetry.otlp_endpoint", settings.telemetry.otlp_endpoint


async def check_address(place: str, url: str) -> Finding:
    """Whether somebody listens at an address."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "redis": 6379, "rediss": 6379}.get(parts.scheme, 80)
    where = f"{parts.hostname}:{port}"
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        message = f"{where} cannot be reached: {str(error) or 'no answer'}."
        return Finding(place=place, level="error", message=message, hint="Check the address and that it runs.")
    writer.close()
    return Finding(place=place, level="ok", message=f"{where} answers.")
