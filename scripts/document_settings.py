"""Fill the tables of docs/configuration.md from the settings' own docstrings.

A table stands between `<!-- settings: CLASS -->` and `<!-- end -->`; what is around it is written by hand.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET

from guru.config import access, agent, knowledge, mcp, models, sections, tools

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "configuration.md"
MODULES = (sections, models, access, knowledge, tools, mcp, agent)
PLACE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generate() -> str:
    """The whole page."""
    text, documented = PAGE.read_text(encoding="utf-8"), dict(docstrings())
    missing = documented.keys() - {found[2] for found in PLACE.finditer(text)} - {"Section", "Settings"}
    if missing:
        raise SystemExit(f"{PAGE.name} has no table for {', '.join(sorted(missing))}: add <!-- settings: CLASS -->.")
    return PLACE.sub(lambda found: found[1] + table(found[2], documented[found[2]]) + found[3], text)


def docstrings() -> Iterator[tuple[str, dict[str, str]]]:
    """The text under every field of every class of settings."""
    for item in (item for module in MODULES for item in ast.parse(Path(module.__file__).read_text("utf-8")).body):
        if isinstance(item, ast.ClassDef):
            texts: dict[str, str] = {}
            for field, text in zip(item.body, item.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                    texts[field.target.id] = " ".join(str(text.value.value).split()) if is_text else ""  # type: ignore[attr-defined]
            yield item.name, texts


def table(name: str, texts: dict[str, str]) -> str:
    rows = ["| key | default | |", "|---|---|---|"]
    for field in msgspec.structs.fields(next(getattr(module, name) for module in MODULES if hasattr(module, name))):
        text = texts.get(field.name, "")
        if not text:
            raise SystemExit(f"{name}.{field.name} has no docstring.")
        rows.append(f"| `{field.name}` | {default(field)} | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def default(field: msgspec.structs.FieldInfo) -> str:
    value: Any = field.default
    if value is NODEFAULT and field.default_factory is not NODEFAULT:
        value = msgspec.to_builtins(field.default_factory())
    if value is NODEFAULT or value is UNSET:
        return "must be set"
    if value is None:
        return "none"
    return f"`{json.dumps(value)}`" if not isinstance(value, dict) or not value else "its own table"
