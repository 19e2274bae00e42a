"""Prompts on the screen."""

from __future__ import annotations

from typing import Any

import click

from guru.cli.output import clean, console, one_line, print_table
from guru.cli.tables import make_table

JSON = dict[str, Any]


def moment(text: str) -> str:
    return text[:19].replace("T", " ")


def labels_line(labels: dict[str, int]) -> str:
    return ", ".join(f"{label}: {version}" for label, version in labels.items())


def print_version(found: JSON) -> None:
    """A version, to be read."""
    definition = found["definition"]
    labels = f" ({', '.join(found['labels'])})" if found["labels"] else ""
    click.secho(f"{found['name']}@{found['version']}{labels}", bold=True)
    click.echo(clean(f"by {found['author']}, {moment(found['created_at'])} {found['notes']}".rstrip()))
    for name, variable in definition.get("variables", {}).items():
        optional = "" if variable.get("required", True) and "default" not in variable else ", optional"
        click.echo(
            clean(f"  {{{{ {name} }}}} {variable.get('type', 'string')}{optional} {variable.get('description', '')}")
        )
    for message in definition["messages"]:
        click.secho(f"\n{message['role']}", bold=True)
        click.echo(clean(message["content"]))


def print_versions(found: JSON) -> None:
    """Every version, and how labels moved."""
    table = make_table("version", labels="<", author="<", saved="<", notes="<")
    for version in found["versions"]:
        number = version["version"]
        labels = ", ".join(label for label, at in found["labels"].items() if at == number)
        table.add_row(
            str(number), labels, version["author"], moment(version["created_at"]), one_line(version["notes"], 80)
        )
    print_table(console(), table)
    for move in found["moves"]:
        change = f"{move['before'] or '–'} → {move['after'] or '–'}"
        click.echo(clean(f"{moment(move['at'])} {move['label']}: {change} by {move['author']}"))
