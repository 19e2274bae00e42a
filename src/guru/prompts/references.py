"""How a prompt is named: `name` is its newest version, `name@prod` what a label stands for, `name@3` a version."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from guru.errors import InvalidParameter

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LABEL: Final = re.compile(r"[a-z][a-z0-9._-]{0,31}")
NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
LATEST: Final = "latest"
"""Stands for the newest version, and so can be no label."""


class Reference(Struct, frozen=True):
    name: str
    version: int | None = None
    label: str | None = None
    """Neither of both: the newest version."""


def parse_reference(text: str) -> Reference:
    """Raises `InvalidParameter`."""
    name, at, which = text.partition("@")
    check_name(name, "prompt")
    return parse_version(name, which) if at else Reference(name)


def parse_version(name: str, which: str) -> Reference:
    """`3`, `prod` or `latest` of a prompt. Raises `InvalidParameter`."""
    if which == LATEST:
        return Reference(name)
    if NUMBER.fullmatch(which):
        return Reference(name, version=int(which))
    if LABEL.fullmatch(which):
        return Reference(name, label=which)
    raise InvalidParameter(
        f"{which!r} is neither a version nor a label of a prompt.",
        hint="Write NAME, NAME@LABEL or NAME@VERSION, such as greeting@prod or greeting@3.",
        param="prompt",
    )


def check_name(name: str, param: str = "name") -> None:
    """Raises `InvalidParameter`."""
    if not NAME.fullmatch(name):
        raise InvalidParameter(
            f"{name!r} cannot name a prompt.",
            hint="Use up to 64 of a-z, 0-9, dot, dash and underscore; begin with a letter or digit.",
            param=param,
        )


def check_label(label: str) -> None:
    """Raises `InvalidParameter`."""
    if not LABEL.fullmatch(label) or label == LATEST:
        raise InvalidParameter(
            f"{label!r} cannot be a label.",
            hint="Use up to 32 of a-z, 0-9, dot, dash and underscore, and begin with a letter; `latest` is taken.",
            param="label",
        )
