"""Whether what a configuration says of something is said of something that is there: models, teams, doors, prices."""

from __future__ import annotations

import difflib
import fnmatch
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from msgspec import Struct

from guru.config import AliasSettings, Settings
from guru.errors import GuruError
from guru.models.registry import DEFAULT_ALIASES, LOCAL_MODERATION, ModelRegistry

Level = Literal["ok", "hint", "warning", "error"]
"""An `error` keeps the server, or a part of it, from working; a `hint` is for whoever wonders."""


class Finding(Struct, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    place: str
    """Where it stands in the configuration."""
    level: Level
    message: str
    hint: str | None = None


def check_alias(name: str, alias: AliasSettings, registry: ModelRegistry, settings: Settings) -> Iterator[Finding]:
    """Whether every model behind an alias can be asked, and what refers to it is clear."""
    place = f"models.{name}"
    for number, deployment in enumerate(alias.deployments):
        if deployment.model in settings.models:
            message = (
                f"{deployment.model} is an alias itself: only its first deployment is asked, without its settings."
            )
            yield Finding(
                place=f"{place}.deployments[{number}]", level="warning", message=message,
                hint="Name models here, or put the alias into `fallbacks`.",
            )  # fmt: skip
        yield check_model(f"{place}.deployments[{number}]", deployment.model, registry)
    again = [model for (model, _), count in Counter((d.model, d.label) for d in alias.deployments).items() if count > 1]
    if again:
        message = f"{again[0]} stands here more than once."
        yield Finding(place=f"{place}.deployments", level="warning", message=message, hint="Give it a larger weight.")
    if "/" in name and registry.remote.knows(name):
        message = f"The alias hides the model {name} of that provider."
        yield Finding(place=place, level="warning", message=message, hint="Call it something without a slash.")
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
    if model == LOCAL_MODERATION:
        return Finding(place=place, level="ok", message=f"{model} comes with Guru.")
    try:
        full = registry.resolve(model)
    except GuruError as error:
        return Finding(place=place, level="error", message=error.message, hint=error.hint)
    if not registry.remote.knows(full) and not registry.store.show(full).installed:
        hint = f"Fetch it: guru models pull {full}"
        return Finding(place=place, level="hint", message=f"{full} has not been fetched yet.", hint=hint)
    return Finding(place=place, level="ok", message=f"{full} is known.")


def check_cycles(settings: Settings) -> Iterator[Finding]:
    """Aliases that fall back to each other in a ring. Each is tried once, in an order that depends on who was asked."""
    reported: set[frozenset[str]] = set()
    for start in settings.models:
        todo: list[tuple[str, ...]] = [(start,)]
        seen = {start}
        while todo:
            path = todo.pop()
            for following in settings.models[path[-1]].fallbacks:
                if following == start and len(path) > 1 and frozenset(path) not in reported:
                    reported.add(frozenset(path))
                    message = f"These fall back to each other: {' → '.join((*path, start))}."
                    yield Finding(
                        place=f"models.{start}.fallbacks", level="warning", message=message,
                        hint="Each is tried once; take one step out if that is not what you mean.",
                    )  # fmt: skip
                elif following in settings.models and following not in seen:
                    seen.add(following)
                    todo.append((*path, following))


def check_keys(settings: Settings, doors: Collection[str]) -> Iterator[Finding]:
    """Keys, and the teams that they belong to. `doors` are the names that `routes` may have; empty: unknown."""
    first: dict[str, str] = {}
    for name, key in settings.keys.items():
        place = f"keys.{name}"
        if not key.key.strip():
            yield Finding(
                place=f"{place}.key", level="error", message="The key is empty.", hint="Give it a long random value."
            )
        elif len(key.key) < 16:
            hint = "Use a long random one, such as `guru keys create` makes."
            yield Finding(place=f"{place}.key", level="warning", message="The key is easy to guess.", hint=hint)
        if (other := first.setdefault(key.key, name)) != name:
            message = f"[keys.{other}] is the same key: only one of the two tables counts."
            yield Finding(place=f"{place}.key", level="error", message=message, hint="Give each its own key.")
        if key.team is not None and key.team not in settings.teams:
            message = f"The team {key.team!r} is not in the configuration."
            hint = f"Add [teams.{key.team}], or see that `guru teams list` has it."
            yield Finding(place=f"{place}.team", level="warning", message=message, hint=hint)
        yield from unmatched(f"{place}.routes", key.routes, doors)
    used = {key.team for key in settings.keys.values()}
    for name, team in settings.teams.items():
        if name not in used and (team.limits is not None or team.budget is not None):
            message = "No key of the configuration belongs to it."
            hint = f"Keys made with `guru keys create NAME --team {name}` do."
            yield Finding(place=f"teams.{name}", level="hint", message=message, hint=hint)


def check_patterns(settings: Settings) -> Iterator[Finding]:
    """Whether the models that keys and teams may ask, and those that have prices, are of providers that are there."""
    aliases = [*settings.models, *DEFAULT_ALIASES]
    providers = [*settings.providers, "local"]
    for place, patterns in [
        *((f"keys.{name}.models", key.models) for name, key in settings.keys.items()),
        *((f"teams.{name}.models", team.models) for name, team in settings.teams.items()),
    ]:
        plain = [pattern for pattern in patterns if "/" not in pattern]
        yield from unmatched(place, plain, aliases)
        yield from unmatched(place, [pattern.partition("/")[0] for pattern in patterns if "/" in pattern], providers)
    for model in settings.prices:
        place = f'prices."{model}"'
        if "/" not in model:
            message = f"{model!r} is not the name of a model: it costs what its deployments cost."
            yield Finding(place=place, level="warning", message=message, hint="Write provider/model.")
        else:
            yield from unmatched(place, [model.partition("/")[0]], providers)


def unmatched(place: str, patterns: Iterable[str], names: Collection[str]) -> Iterator[Finding]:
    """A warning for every pattern that fits none of the names, with the nearest of them."""
    for pattern in patterns:
        if names and not fnmatch.filter(names, pattern):
            near = difflib.get_close_matches(pattern, names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(names))}."
            yield Finding(place=place, level="warning", message=f"Nothing is called {pattern!r}.", hint=hint)
