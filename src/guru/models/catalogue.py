"""The models that are known by name: data in `catalogue.toml`."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

PREFIX: Final = "local/"
FILE: Final = Path(__file__).with_name("catalogue.toml")


class Entry(Struct, kw_only=True, forbid_unknown_fields=True):
    """One model of the catalogue."""

    name: str = ""
    """Without `local/`."""
    kind: Literal["chat", "embedding", "rerank"]
    source: str
    """`builtin`, `wheel:PACKAGE==VERSION` or `hub:OWNER/REPOSITORY`."""
    file: str
    """The path inside the source."""
    sha256: str | None = None
    """Of the file as published."""
    size: int
    """Bytes of the file as published."""
    requantise: bool = False
    """Whether Q4_1 matrices become Q8_0 when the model is pulled."""
    licence: str
    context_length: int
    template: str
    """The family of the chat template, which itself is in the file."""
    memory: int
    """Bytes that it needs when it runs."""
    description: str


@functools.cache
def load_catalogue() -> dict[str, Entry]:
    """All entries by name."""
    raw = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: msgspec.convert(fields | {"name": name}, Entry) for name, fields in raw.items()}
