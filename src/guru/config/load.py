"""Reading the configuration: defaults, then `guru.toml`, then the environment (`GURU_*`), then flags.

An unknown key is an error that names the nearest known one. A variable is named after its place in the file:
`GURU_SERVER_PORT=9000` is `[server] port = 9000`. A value `"env:NAME"` is read from the variable NAME.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import msgspec
from msgspec import Struct

from guru.config.sections import Section, Settings
from guru.errors import ConfigurationError

LISTS = {"allowed_hosts"}
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
    environ = os.environ if environ is None else environ
    path = find_file(file, home)
    tree = read_toml(path) if path else {}
    for place, value in environment_values(environ):
        set_value(tree, place, value)
    for name, value in (flags or {}).items():
        if value is not None:
            set_value(tree, tuple(name.split(".")), value)
    resolved = resolve_references(tree, environ)
    check_keys(resolved, Settings, str(path or "the configuration"))
    try:
        return msgspec.convert(resolved, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{path or 'The configuration'} is not valid: {error}.", hint="Correct it; `guru config show` prints all."
        ) from error


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


def resolve_references(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: resolve_references(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_references(item, environ) for item in value]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in environ:
            raise ConfigurationError(f"The configuration refers to the variable {name}, which is not set.")
        return environ[name]
    return value


def check_keys(tree: Any, kind: Any, place: str) -> None:
    """Raise for the first key that no setting has, with the nearest one that exists."""
    if isinstance(kind, UnionType):  # an optional table
        kind = next(option for option in get_args(kind) if option is not type(None))
    if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(tree, dict):
        known = {item.name: item.type for item in msgspec.structs.fields(kind)}
        for key, value in tree.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
                raise ConfigurationError(f"{place} has an unknown key `{key}`.", hint=hint)
            check_keys(value, known[key], f"{place}: [{key}]" if isinstance(value, dict) else place)
    elif isinstance(tree, dict) and get_args(kind):
        for key, value in tree.items():
            check_keys(value, get_args(kind)[-1], f"{place}.{key}")
    elif isinstance(tree, list) and hasattr(kind, "__origin__"):
        inner = get_args(get_args(kind)[0]) or get_args(kind)
        for value in tree:
            check_keys(value, inner[0], place)
