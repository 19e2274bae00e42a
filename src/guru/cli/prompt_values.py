"""What `guru prompt` reads: files of prompts, and the values of variables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from guru.cli.prompt_path import path, split
from guru.prompts.files import PromptFile, read_json, read_toml

JSON = dict[str, Any]
STDIN = "-"


def read_prompt(file: Path) -> PromptFile:
    """TOML, or JSON, which `-` is too. Raises `InvalidParameter`."""
    data = sys.stdin.buffer.read() if str(file) == STDIN else file.read_bytes()
    return read_toml(data) if file.suffix == ".toml" else read_json(data)


def read_object(file: Path) -> JSON:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{file} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise click.UsageError(f"{file} is no JSON object.")
    return values


def drafted(reference: str) -> JSON | None:
    """The definition of a prompt that is a file: a reference with a slash, which no name has."""
    if "/" not in reference:
        return None
    file = Path(reference)
    if not file.is_file():
        raise click.UsageError(f"There is no file {reference}.")
    return {"definition": msgspec.to_builtins(read_prompt(file).definition())}


async def variables(
    client: Any, reference: str, pairs: tuple[str, ...], file: Path | None, draft: JSON | None = None
) -> JSON:
    """The values, each as its variable's type: a text as it is, all else as JSON."""
    values: JSON = {}
    if file is not None:
        values = read_object(file)
    if not pairs:
        return values
    name, which = split(reference)
    found = draft or await client.get(path(name, f"/versions/{quote(which, safe='')}"))
    types = {key: item.get("type", "string") for key, item in found["definition"].get("variables", {}).items()}
    for pair in pairs:
        key, given, text = pair.partition("=")
        if not given:
            raise click.UsageError(f"--var {pair}: write NAME=VALUE.")
        if types.get(key, "string") == "string":
            values[key] = text
            continue
        try:
            values[key] = json.loads(text)
        except ValueError:
            raise click.UsageError(f"--var {key}: {types[key]} is expected, as JSON.") from None
    return values
