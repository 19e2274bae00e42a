"""Questions of MCP servers at the terminal: shown with who asks, filled in field by field or from the command line."""

from __future__ import annotations

import json
from typing import Any

import click

JSON = dict[str, Any]
CHOICES = ("yes", "no", "cancel")


def show_question(asked: JSON) -> None:
    """Who asks what, and what to look out for, on stderr."""
    from guru.cli.output import clean

    until = ""
    if asked["until"]:
        from datetime import datetime

        until = f" (until {datetime.fromisoformat(asked['until']).astimezone():%H:%M})"
    click.echo(clean(f"The MCP server {asked['server']} asks{until}: {asked['message']}"), err=True)
    for warning in asked["warnings"]:
        click.echo(clean(f"  Careful: {warning}."), err=True)
    if asked["url"]:
        click.echo(clean(f"  {asked['url']}"), err=True)


def fill_in(asked: JSON) -> JSON:
    """Ask whoever sits at the terminal: what they say, and the form if there is one."""
    show_question(asked)
    if asked["url"]:
        said = click.prompt("Open this address?", type=click.Choice(CHOICES), default="no", err=True)
        if said == "yes":
            click.launch(asked["url"])
            click.prompt("Press Enter when you are done there", default="", show_default=False, err=True)
        return {"say": said}
    said = click.prompt(f"Answer {asked['server']}?", type=click.Choice(CHOICES), default="no", err=True)
    if said != "yes":
        return {"say": said}
    required = asked["schema"]["required"]
    content = {}
    for name, field in asked["schema"]["properties"].items():
        value = ask_field(name, field, required=name in required)
        if value is not None:
            content[name] = value
    return {"say": "yes", "content": content}


def ask_field(name: str, field: JSON, *, required: bool) -> Any:
    """One field, until it is right; None where it is left out."""
    from guru.agents.mcp.forms import problems
    from guru.cli.output import clean

    if "description" in field:
        click.echo(clean(f"  {field['description']}"), err=True)
    for choice in options(field):
        click.echo(clean(f"    {choice['const']}: {choice['title']}"), err=True)
    label = clean(f"  {field.get('title', name)} ({kind_of(field)}{'' if required else ', optional'})")
    usual = field.get("default", "")
    shown = usual if isinstance(usual, str) else json.dumps(usual)
    while True:
        typed = click.prompt(label, default=shown, show_default=shown != "", err=True)
        if typed == "" and not required:
            return None
        try:
            value = read_value(field, typed)
        except ValueError:
            click.echo(f"  This is no {kind_of(field)}.", err=True)
            continue
        wrong = problems({"properties": {name: field}, "required": []}, {name: value})
        if not wrong:
            return value
        click.echo(clean("  " + " ".join(wrong)), err=True)


def options(field: JSON) -> list[JSON]:
    inside: JSON = field.get("items", field)
    found: list[JSON] = inside.get("oneOf") or inside.get("anyOf") or []
    return found


def kind_of(field: JSON) -> str:
    """What is to be typed, in words."""
    names = {"boolean": "yes or no", "integer": "whole number", "array": "several, with commas", "string": "text"}
    if "format" in field:
        return str(field["format"])
    if field["type"] == "string" and options(field):
        return "one of these"
    return names.get(field["type"], "number")


def read_value(field: JSON, typed: str) -> Any:
    """What was typed as the field has it. Raises `ValueError`."""
    if field["type"] == "boolean":
        if typed.lower() in ("yes", "y", "true"):
            return True
        if typed.lower() in ("no", "n", "false"):
            return False
        raise ValueError(typed)
    if field["type"] == "array":
        if typed.startswith("["):
            return json.loads(typed)
        return [item.strip() for item in typed.split(",") if item.strip()]
    if field["type"] == "string":
        return typed
    return int(typed) if field["type"] == "integer" else float(typed)


def read_pairs(asked: JSON, pairs: tuple[str, ...]) -> JSON:
    """`NAME=VALUE`s as the form has them. Raises `click.BadParameter`."""
    fields = (asked["schema"] or {}).get("properties", {})
    content = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in fields:
            known = ", ".join(fields) or "none, as it asks to open an address"
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE of a field. There are: {known}.")
        try:
            content[name] = read_value(fields[name], value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no {kind_of(fields[name])}, as {name} is.") from None
    return content
