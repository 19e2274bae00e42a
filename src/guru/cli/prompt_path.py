"""The addresses of prompts."""

from __future__ import annotations

from urllib.parse import quote


def path(name: str, rest: str = "") -> str:
    return f"/api/v1/prompts/{quote(name, safe='')}{rest}"


def split(reference: str) -> tuple[str, str]:
    name, _, which = reference.partition("@")
    return name, which or "latest"
