"""A prompt as a file: TOML to read and to keep in version control, JSON to send."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from msgspec import field

from guru.errors import InvalidParameter
from guru.prompts.definition import Notes, PromptDefinition

BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
ESCAPED: Final = re.compile('[\\x00-\\x08\\x0b-\\x1f\\x7f\\\\]|"(?="")|"$')
"""What cannot stand in a text of several lines as it is; line ends and tabs can."""


class PromptFile(PromptDefinition, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What `NAME.toml` holds: the definition, and what goes with it."""

    notes: Notes = ""
    """What is new in it."""
    labels: list[str] = field(default_factory=list)
    """Labels that are moved to the file's version whenever the file changes."""

    def definition(self) -> PromptDefinition:
        return PromptDefinition(**{name: getattr(self, name) for name in PromptDefinition.__struct_fields__})


def read_toml(data: bytes) -> PromptFile:
    """Raises `InvalidParameter`."""
    import tomllib

    try:
        plain = tomllib.loads(data.decode("utf-8"))
        return to_file(msgspec.json.decode(msgspec.json.encode(plain)))  # dates as texts, as JSON has no others
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidParameter(f"It is not TOML: {error}.", hint="See the page on prompts for an example.") from None


def read_json(data: bytes) -> PromptFile:
    """Raises `InvalidParameter`."""
    try:
        return to_file(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameter(f"It is not JSON: {error}.", hint="See the page on prompts for an example.") from None


def to_file(plain: Any) -> PromptFile:
    try:
        return msgspec.convert(plain, PromptFile)
    except msgspec.ValidationError as error:
        message = str(error).replace(" - at `$", ": `").replace("`.", "`").rstrip(".")
        raise InvalidParameter(f"{message}.", hint="See the page on prompts for what a prompt may have.") from None


def write_toml(definition: PromptDefinition, notes: str = "") -> str:
    """The file that `read_toml` makes the same definition of. Raises `InvalidParameter` for what TOML cannot say."""
    plain = msgspec.to_builtins(definition) | ({"notes": notes} if notes else {})
    tables = {name: plain.pop(name) for name in ("messages", "variables") if name in plain}
    lines = [f"{name} = {written(value)}" for name, value in plain.items()]
    for message in tables["messages"]:
        lines += ["", "[[messages]]", *(f"{name} = {written(value)}" for name, value in message.items())]
    for name, variable in tables.get("variables", {}).items():
        lines += [
            "",
            f"[variables.{key(name)}]",
            *(f"{member} = {written(value)}" for member, value in variable.items()),
        ]
    return "\n".join(lines).lstrip("\n") + "\n"


def written(value: Any) -> str:
    """A value in TOML."""
    if value is None:
        raise InvalidParameter("TOML has no null, and this prompt has one.", hint="Export it as JSON.")
    if isinstance(value, str):
        return long_text(value) if "\n" in value else quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        members = [f"{key(name)} = {written(member)}" for name, member in value.items()]
        return f"{{ {', '.join(members)} }}" if members else "{}"
    return json.dumps(value)


def long_text(text: str) -> str:
    """Over several lines; the line end after the opening quotes does not count."""
    return '"""\n' + ESCAPED.sub(lambda found: escape(found[0]), text) + '"""'


def escape(character: str) -> str:
    return f"\\{character}" if character in '\\"' else f"\\u{ord(character):04x}"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    return name if BARE.fullmatch(name) else quoted(name)
