"""Reading the configuration: defaults, then `guru.toml`, then the environment (`GURU_*`), then flags.

An unknown key is an error that names the nearest known one. A variable is named after its place in the file:
`GURU_SERVER_PORT=9000` is `[server] port = 9000`. A value `"env:NAME"` is read from the variable NAME.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from guru.config.base import Section
from guru.config.sections import Settings
from guru.errors import ConfigurationError

LISTS = {"allowed_hosts", "cors_origins"}
"""Settings of fixed sections that a variable gives as `a,b,c`."""


def default_home() -> Path:
    """`GURU_HOME`, or `~/.guru`: database, models, blobs, keys, logs."""
    return Path(os.environ.get("GURU_HOME") or Path.home() / ".guru").expanduser().absolute()


def load_settings(
    file: Path | None = None,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Read and check the configuration.

    `file` must exist when it is given; else `guru.toml` in the working directory, then in `home`, is read if there.
    `flags` maps dotted names (`"server.port"`) to values; None values are skipped.
    Raises `ConfigurationError`, which names the place and the nearest known key.
    """
    settings, problems = read_settings(file, home=home, environ=environ, flags=flags)
    if settings is None:
        raise problems[0]
    return settings


def read_settings(
    file: Path | None = None,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> tuple[Settings | None, list[ConfigurationError]]:
    """The settings, or everything that keeps them from being read. Raises for a file that is not there, or no TOML."""
    environ = os.environ if environ is None else environ
    path = find_file(file, home)
    tree = read_toml(path) if path else {}
    for place, value in environment_values(environ):
        set_value(tree, place, value)
    for name, value in (flags or {}).items():
        if value is not None:
            set_value(tree, tuple(name.split(".")), value)
    problems: list[ConfigurationError] = []
    resolved = resolve_references(tree, environ, problems)
    problems += drop_unknown(resolved, Settings, str(path or "the configuration"))
    try:
        settings = msgspec.convert(resolved, Settings, strict=False)
    except msgspec.ValidationError as error:
        return None, [*problems, invalid(error, path)]
    return (None if problems else settings), problems


class Source:
    """Where a server's settings come from, so that they can be read again when the file changes."""

    def __init__(self, file: Path | None, home: Path, flags: Mapping[str, Any] | None = None) -> None:
        self._file = file
        self._home = home
        self._flags = dict(flags or {})

    def load(self) -> Settings:
        """Read everything anew. Raises `ConfigurationError`."""
        return load_settings(self._file, home=self._home, flags=self._flags)

    @property
    def path(self) -> Path | None:
        """The file that is read, if there is one."""
        try:
            return find_file(self._file, self._home)
        except ConfigurationError:
            return None

    def stamp(self) -> tuple[str, int, int] | None:
        """What changes when the file does: its path, time and size."""
        path = self.path
        try:
            found = path.stat() if path else None
        except OSError:
            found = None
        return (str(path), found.st_mtime_ns, found.st_size) if found else None


def find_file(file: Path | None, home: Path | None) -> Path | None:
    if file is not None:
        if not file.is_file():
            raise ConfigurationError(f"There is no configuration file {file}.", hint="Check --config.")
        return file
    candidates = [Path("guru.toml"), *([home / "guru.toml"] if home else [])]
    return next((path for path in candidates if path.is_file()), None)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.", hint="Correct the line it names.") from error


def environment_values(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """`GURU_SECTION_KEY` variables, as far as they name a setting of a fixed section."""
    for section in msgspec.structs.fields(Settings):
        if not (isinstance(section.type, type) and issubclass(section.type, Section)):
            continue
        for key in msgspec.structs.fields(section.type):
            value = environ.get(f"GURU_{section.name}_{key.name}".upper())
            if value is not None:
                yield (section.name, key.name), value


def set_value(tree: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        tree = tree.setdefault(name, {})
    is_list = isinstance(value, str) and place[-1] in LISTS
    tree[place[-1]] = [item.strip() for item in value.split(",") if item.strip()] if is_list else value


def misnamed_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """`GURU_SECTION_...` variables that name no setting, with the nearest that does."""
    for section in msgspec.structs.fields(Settings):
        if not (isinstance(section.type, type) and issubclass(section.type, Section)):
            continue
        prefix = f"GURU_{section.name}_".upper()
        known = [f"{prefix}{key.name.upper()}" for key in msgspec.structs.fields(section.type)]
        for name in environ:
            if name.startswith(prefix) and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                yield name, near[0] if near else None


def resolve_references(
    value: Any, environ: Mapping[str, str], problems: list[ConfigurationError], place: str = ""
) -> Any:
    """`value` with what its `env:NAME`s stand for; those that stand for nothing join `problems`."""
    if isinstance(value, dict):
        return {
            key: resolve_references(item, environ, problems, f"{place}.{key}" if place else key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [resolve_references(item, environ, problems, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in environ:
            message = f"{place} refers to the variable {name}, which is not set."
            hint = f"Set it first: export {name}=... Or take it out of the configuration."
            problems.append(ConfigurationError(message, hint=hint, param=place))
        return environ.get(name, value)
    return value


def drop_unknown(tree: Any, kind: Any, place: str) -> Iterator[ConfigurationError]:
    """Take every key out that no setting has; an error for each, with the nearest one that exists."""
    if isinstance(kind, UnionType):  # an optional table
        kind = next(option for option in get_args(kind) if option is not type(None))
    if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(tree, dict):
        known = {item.name: item.type for item in msgspec.structs.fields(kind)}
        for key, value in list(tree.items()):
            if key in known:
                yield from drop_unknown(value, known[key], f"{place}: [{key}]" if isinstance(value, dict) else place)
                continue
            del tree[key]
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
            yield ConfigurationError(f"{place} has an unknown key `{key}`.", hint=hint)
    elif isinstance(tree, dict) and get_args(kind):
        for key, value in tree.items():
            yield from drop_unknown(value, get_args(kind)[-1], f"{place}.{key}")
    elif isinstance(tree, list) and hasattr(kind, "__origin__"):
        inner = get_args(get_args(kind)[0]) or get_args(kind)
        for value in tree:
            yield from drop_unknown(value, inner[0], place)


def invalid(error: msgspec.ValidationError, path: Path | None) -> ConfigurationError:
    """A value of the wrong kind: where it stands, and what may stand there."""
    message, _, place = str(error).partition(" - at `$.")
    place = place.rstrip("`")
    hint = "Correct it; `guru config show` prints all."
    if words := choices(place):
        hint = f"Known here: {', '.join(words)}."
        if near := difflib.get_close_matches(message.partition("'")[2].rstrip("'"), words, n=1):
            hint = f"Did you mean {near[0]!r}? {hint}"
    where = f"{path or 'The configuration'} is not valid"
    return ConfigurationError(f"{where}: {f'{place}: ' if place else ''}{message}.", hint=hint, param=place or None)


def choices(place: str) -> list[str]:
    """The words that may stand at a place such as `models[...].strategy`; none where any value may."""
    kind: Any = Settings
    for name in re.sub(r"\[[^]]*\]", ".*", place).split("."):
        if isinstance(kind, UnionType):
            kind = next(option for option in get_args(kind) if option is not type(None))
        if isinstance(kind, type) and issubclass(kind, Struct):
            kind = {item.name: item.type for item in msgspec.structs.fields(kind)}.get(name)
        else:  # into a table of tables, or a list
            inner = get_args(kind)
            kind = inner[-1] if get_origin(kind) is dict else inner[0] if inner else None
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
    return [
        str(word) for option in (kind, *get_args(kind)) if get_origin(option) is Literal for word in get_args(option)
    ]
