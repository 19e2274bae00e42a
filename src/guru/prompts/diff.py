"""What differs between two versions: message by message, member by member, as unified diffs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from guru.prompts.definition import PromptDefinition
from guru.types import JSON

Kind = Literal["added", "removed", "changed"]


class Difference(Struct, kw_only=True):
    """One place that is not the same. Texts are None where the place is not there."""

    place: str
    """`messages[0]` (with its role), `variables.name`, `examples`, `output_schema` ..."""
    kind: Kind
    before: str | None
    after: str | None
    unified: str
    """The unified diff of both, without the lines that name files."""


def compare(before: PromptDefinition, after: PromptDefinition) -> list[Difference]:
    """Every place that differs, in the order of a definition."""
    old, new = parts(before), parts(after)
    places = [*new, *(place for place in old if place not in new)]
    order = {place: number for number, place in enumerate([*old, *(place for place in new if place not in old)])}
    return [
        Difference(
            place=place, kind="added" if place not in old else "removed" if place not in new else "changed",
            before=old.get(place), after=new.get(place), unified=unified(old.get(place), new.get(place)),
        )
        for place in sorted(places, key=order.__getitem__)
        if old.get(place) != new.get(place)
    ]  # fmt: skip


def parts(definition: PromptDefinition) -> dict[str, str]:
    """A definition as the texts that people compare, by their places."""
    plain: JSON = msgspec.to_builtins(definition)
    messages = plain.pop("messages")
    found = {f"messages[{place}]": f"{item['role']}:\n{item['content']}" for place, item in enumerate(messages)}
    found |= {f"variables.{name}": text(value) for name, value in plain.pop("variables", {}).items()}
    return found | {name: text(value) for name, value in plain.items()}


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def unified(before: str | None, after: str | None) -> str:
    """The changed lines with three around them, as `diff -u` writes them."""
    lines = difflib.unified_diff((before or "").split("\n"), (after or "").split("\n"), lineterm="", n=3)
    return "\n".join(list(lines)[2:] if before is not None and after is not None else whole(before, after))


def whole(before: str | None, after: str | None) -> Iterator[str]:
    """A text that came or went as a whole."""
    sign, said = ("+", after) if before is None else ("-", before)
    return (sign + line for line in (said or "").split("\n"))


def as_text(differences: list[Difference], before: str, after: str) -> str:
    """All of it, to be read: `before` and `after` name the versions."""
    if not differences:
        return f"{before} and {after} are the same.\n"
    lines = [f"--- {before}", f"+++ {after}"]
    for difference in differences:
        lines += [f"### {difference.place} {difference.kind}", difference.unified]
    return "\n".join(lines) + "\n"
