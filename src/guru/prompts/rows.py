"""Prompts, versions and labels as rows. Every function runs in its caller's transaction, for one organisation."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from guru.errors import NotFound
from guru.prompts.definition import PromptDefinition
from guru.prompts.references import LATEST, Reference
from guru.store.ids import new_id
from guru.store.tables import prompt_labels, prompt_moves, prompt_versions, prompts

Row = RowMapping
MOST_LISTED = 1_000
"""Versions, and moves of labels, that are listed: the newest."""


class PromptRow(Struct, kw_only=True):
    """A prompt. Times are seconds since 1970."""

    id: str
    tenant: str
    name: str
    latest: int
    file: str | None = None
    file_digest: str | None = None
    created_at: float
    updated_at: float
    labels: dict[str, int] = {}


class VersionRow(Struct, kw_only=True):
    """A version, without its content."""

    version: int
    author: str
    notes: str
    created_at: float


class Version(VersionRow, kw_only=True):
    definition: PromptDefinition


class Move(Struct, kw_only=True):
    """A label that was moved. None: it was not there before, or is not there any more."""

    label: str
    before: int | None
    after: int | None
    author: str
    at: float


def digest(definition: PromptDefinition) -> str:
    return hashlib.sha256(msgspec.json.encode(definition)).hexdigest()


def find(connection: Connection, tenant: str, name: str) -> PromptRow | None:
    table = prompts.c
    row = connection.execute(select(prompts).where(table.tenant == tenant, table.name == name)).mappings().first()
    if row is None:
        return None
    return PromptRow(**row, labels=labels_of(connection, row["id"]))


def get(connection: Connection, tenant: str, name: str) -> PromptRow:
    """Raises `NotFound`."""
    prompt = find(connection, tenant, name)
    if prompt is None:
        raise NotFound(f"There is no prompt {name!r}.", hint="See which there are: guru prompt list", param="prompt")
    return prompt


def list_prompts(connection: Connection, tenant: str) -> list[PromptRow]:
    table, label = prompts.c, prompt_labels.c
    labels: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(prompt_labels).where(label.tenant == tenant).order_by(label.label)):
        labels.setdefault(row.prompt_id, {})[row.label] = row.version
    rows = connection.execute(select(prompts).where(table.tenant == tenant).order_by(table.name)).mappings()
    return [PromptRow(**row, labels=labels.get(row["id"], {})) for row in rows]


def labels_of(connection: Connection, prompt_id: str) -> dict[str, int]:
    table = prompt_labels.c
    rows = connection.execute(select(prompt_labels).where(table.prompt_id == prompt_id).order_by(table.label))
    return {row.label: row.version for row in rows}


def versions_of(connection: Connection, prompt: PromptRow) -> list[VersionRow]:
    """The newest first."""
    table = prompt_versions.c
    rows = connection.execute(
        select(table.version, table.author, table.notes, table.created_at)
        .where(table.prompt_id == prompt.id)
        .order_by(table.version.desc())
        .limit(MOST_LISTED)
    )
    return [VersionRow(**row) for row in rows.mappings()]


def moves_of(connection: Connection, prompt: PromptRow) -> list[Move]:
    """The newest first."""
    table = prompt_moves.c
    rows = connection.execute(
        select(table.label, table.before, table.after, table.author, table.at)
        .where(table.prompt_id == prompt.id)
        .order_by(table.number.desc())
        .limit(MOST_LISTED)
    )
    return [Move(**row) for row in rows.mappings()]


def resolve(prompt: PromptRow, reference: Reference) -> int:
    """The number of the version that a reference means. Raises `NotFound` for a label that is not there."""
    if reference.version is not None:
        return reference.version
    if reference.label is None:
        return prompt.latest
    if reference.label not in prompt.labels:
        known = ", ".join([*prompt.labels, LATEST])
        raise NotFound(
            f"The prompt {prompt.name!r} has no label {reference.label!r}.", hint=f"It has {known}.", param="prompt"
        )
    return prompt.labels[reference.label]


def version_of(connection: Connection, prompt: PromptRow, number: int) -> Version:
    """Raises `NotFound`."""
    return to_version(version_row(connection, prompt, number))


def all_versions(connection: Connection, prompt: PromptRow) -> list[Version]:
    """The oldest first."""
    table = prompt_versions.c
    query = select(prompt_versions).where(table.prompt_id == prompt.id).order_by(table.version)
    return [to_version(row) for row in connection.execute(query).mappings()]


def to_version(row: Row) -> Version:
    return Version(
        version=row["version"], author=row["author"], notes=row["notes"], created_at=row["created_at"],
        definition=msgspec.convert(row["definition"], PromptDefinition),
    )  # fmt: skip


def version_row(connection: Connection, prompt: PromptRow, number: int) -> Row:
    table = prompt_versions.c
    query = select(prompt_versions).where(table.prompt_id == prompt.id, table.version == number)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(
            f"The prompt {prompt.name!r} has no version {number}.",
            hint=f"Its newest version is {prompt.latest}.",
            param="prompt",
        )
    return row


def add_prompt(connection: Connection, tenant: str, name: str) -> PromptRow:
    now = time.time()
    prompt = PromptRow(id=new_id("prompt"), tenant=tenant, name=name, latest=0, created_at=now, updated_at=now)
    values = {field: getattr(prompt, field) for field in PromptRow.__struct_fields__ if field != "labels"}
    connection.execute(insert(prompts).values(values))
    return prompt


def add_version(
    connection: Connection, prompt: PromptRow, definition: PromptDefinition, author: str, notes: str
) -> int:
    """The number that it got."""
    number, now = prompt.latest + 1, time.time()
    connection.execute(
        insert(prompt_versions).values(
            prompt_id=prompt.id, version=number, tenant=prompt.tenant, definition=msgspec.to_builtins(definition),
            digest=digest(definition), author=author, notes=notes, created_at=now,
        )
    )  # fmt: skip
    change(connection, prompt, latest=number, updated_at=now)
    return number


def change(connection: Connection, prompt: PromptRow, **values: Any) -> None:
    connection.execute(update(prompts).where(prompts.c.id == prompt.id).values(values))
    for name, value in values.items():
        setattr(prompt, name, value)


def put_label(connection: Connection, prompt: PromptRow, label: str, version: int | None, author: str) -> None:
    """Move a label to a version, or take it away, and write the move down."""
    table, before = prompt_labels.c, prompt.labels.get(label)
    mine = (table.prompt_id == prompt.id, table.label == label)
    if version is None:
        connection.execute(delete(prompt_labels).where(*mine))
        prompt.labels.pop(label, None)
    else:
        values = {"prompt_id": prompt.id, "label": label, "tenant": prompt.tenant, "version": version}
        change_label = insert(prompt_labels) if before is None else update(prompt_labels).where(*mine)
        connection.execute(change_label.values(values))
        prompt.labels[label] = version
    last = connection.scalar(select(func.max(prompt_moves.c.number)).where(prompt_moves.c.prompt_id == prompt.id))
    connection.execute(
        insert(prompt_moves).values(
            id=new_id("move"), prompt_id=prompt.id, number=(last or 0) + 1, tenant=prompt.tenant, label=label,
            before=before, after=version, author=author, at=time.time(),
        )
    )  # fmt: skip


def last_move(connection: Connection, prompt: PromptRow, label: str) -> Move | None:
    """How the label came to where it is."""
    table = prompt_moves.c
    row = connection.execute(
        select(table.label, table.before, table.after, table.author, table.at)
        .where(table.prompt_id == prompt.id, table.label == label)
        .order_by(table.number.desc())
        .limit(1)
    ).mappings().first()  # fmt: skip
    return None if row is None else Move(**row)


def remove(connection: Connection, prompt: PromptRow) -> None:
    """With all that belongs to it."""
    for table in (prompt_moves, prompt_labels, prompt_versions):
        connection.execute(delete(table).where(table.c.prompt_id == prompt.id))
    connection.execute(delete(prompts).where(prompts.c.id == prompt.id))
