"""Releases in the database. Functions on a connection, for `Database.read` and `Database.write`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from guru.config import ReleaseSettings
from guru.gateway.identity import Caller
from guru.gateway.releases.counts import Arm, Counts
from guru.gateway.releases.release import Release
from guru.gateway.releases.tally import Place
from guru.store.ids import new_id
from guru.store.tables.releases import model_versions, release_changes, release_counts, releases, shadow_answers

MOST_SHADOWS = 1_000
"""Answers of a shadow that are kept, the latest."""


class Audit(Protocol):
    """Writes an entry of the audit log in the transaction of the change."""

    def __call__(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        subject: str,
        *,
        before: Any = None,
        after: Any = None,
    ) -> None: ...


class Change(Struct, kw_only=True):
    release_id: str
    at: float
    """Seconds since 1970."""
    actor: str
    action: str
    before: Any
    after: Any


class ShadowAnswer(Struct, kw_only=True):
    trace_id: str
    """Of the request that was mirrored."""
    shadow_trace_id: str
    at: float
    status: str
    error: str | None
    text: str
    duration: float
    cost: float


def plain(row: RowMapping) -> dict[str, Any]:
    """A row with names that are nothing but strings, as msgspec wants them."""
    return {str(name): value for name, value in row.items()}


def version_of(connection: Connection, tenant: str, alias: str, label: str, definition: dict[str, Any]) -> int:
    """The number of a definition under its label; a new definition gets the next number, an old one keeps its own."""
    table = model_versions.c
    mine = (table.tenant == tenant, table.alias == alias, table.label == label)
    last = 0
    for row in connection.execute(select(model_versions).where(*mine).order_by(table.version)).mappings():
        if row["definition"] == definition:
            return int(row["version"])
        last = row["version"]
    connection.execute(
        insert(model_versions).values(
            tenant=tenant, alias=alias, label=label, version=last + 1, definition=definition, created_at=time.time()
        )
    )
    return last + 1


def versions(connection: Connection, tenant: str, alias: str) -> list[dict[str, Any]]:
    """Every version that the labels of an alias have stood for, the oldest first."""
    table = model_versions.c
    query = select(table.label, table.version, table.definition, table.created_at)
    query = query.where(table.tenant == tenant, table.alias == alias).order_by(table.label, table.version)
    return [plain(row) for row in connection.execute(query).mappings()]


class Outdated(Exception):
    """A change rests on a release that is not as it was any more."""


def load_latest(connection: Connection, tenant: str, alias: str | None = None) -> dict[str, Release]:
    """The newest release of every alias, or of one."""
    table = releases.c
    mine = (table.tenant == tenant, *((table.alias == alias,) if alias is not None else ()))
    newest = select(table.alias, func.max(table.started_at).label("at")).where(*mine).group_by(table.alias).subquery()
    query = select(releases).join(newest, (table.alias == newest.c.alias) & (table.started_at == newest.c.at))
    rows = connection.execute(query.where(*mine).order_by(table.id)).mappings()
    return {row["alias"]: to_release(plain(row)) for row in rows}


def to_release(row: dict[str, Any]) -> Release:
    row["settings"] = msgspec.convert(row["settings"], ReleaseSettings)
    return msgspec.convert(row, Release)


def save(connection: Connection, tenant: str, release: Release, before: Release | None, *, new: bool) -> None:
    """Raises `Outdated` where the alias's newest release is not `before`, to the last detail."""
    if load_latest(connection, tenant, release.alias).get(release.alias) != before:
        raise Outdated(release.alias)
    values = msgspec.to_builtins(release)
    if new:
        connection.execute(insert(releases).values(tenant=tenant, **values))
    else:
        connection.execute(
            update(releases).where(releases.c.tenant == tenant, releases.c.id == release.id).values(values)
        )


def add_change(connection: Connection, tenant: str, change: Change) -> None:
    connection.execute(
        insert(release_changes).values(id=new_id("change"), tenant=tenant, **msgspec.to_builtins(change))
    )


def load_changes(connection: Connection, tenant: str, alias: str | None, limit: int) -> list[tuple[str, Change]]:
    """(alias, change), the newest first."""
    table = release_changes.c
    query = select(release_changes, releases.c.alias).join(releases, releases.c.id == table.release_id)
    query = query.where(table.tenant == tenant).order_by(table.at.desc()).limit(limit)
    if alias is not None:
        query = query.where(releases.c.alias == alias)
    rows = connection.execute(query).mappings()
    return [(row["alias"], msgspec.convert(plain(row), Change)) for row in rows]


def add_counts(connection: Connection, tenant: str, place: Place, counts: Counts) -> None:
    """Add what one server has counted to what all have."""
    key, (release_id, epoch, arm) = release_counts.c, place
    where = (key.release_id == release_id, key.epoch == epoch, key.arm == arm)
    there = connection.scalar(select(key.counts).where(*where).with_for_update())
    if there is None:
        row = {"release_id": release_id, "epoch": epoch, "arm": arm, "tenant": tenant}
        connection.execute(insert(release_counts).values(row | {"counts": msgspec.to_builtins(counts)}))
    else:
        total = msgspec.convert(there, Counts).plus(counts)
        connection.execute(update(release_counts).where(*where).values(counts=msgspec.to_builtins(total)))


def load_counts(connection: Connection, release: Release, epoch: int) -> dict[Arm, Counts]:
    key = release_counts.c
    rows = connection.execute(select(release_counts).where(key.release_id == release.id, key.epoch == epoch))
    found = {row["arm"]: msgspec.convert(row["counts"], Counts) for row in rows.mappings()}
    return {"candidate": found.get("candidate", Counts()), "baseline": found.get("baseline", Counts())}


def save_shadows(connection: Connection, tenant: str, answers: Sequence[tuple[str, ShadowAnswer]]) -> None:
    """Add (release id, answer), and forget the oldest beyond `MOST_SHADOWS`."""
    table = shadow_answers.c
    for release_id, answer in answers:
        values = msgspec.to_builtins(answer)
        connection.execute(
            insert(shadow_answers).values(id=new_id("shadow"), release_id=release_id, tenant=tenant, **values)
        )
    for release_id in {release_id for release_id, _ in answers}:
        kept = select(table.at).where(table.release_id == release_id).order_by(table.at.desc())
        border = connection.scalar(kept.offset(MOST_SHADOWS - 1).limit(1))
        if border is not None:
            connection.execute(delete(shadow_answers).where(table.release_id == release_id, table.at < border))


def load_shadows(connection: Connection, tenant: str, release_id: str, limit: int) -> list[ShadowAnswer]:
    table = shadow_answers.c
    query = select(shadow_answers).where(table.tenant == tenant, table.release_id == release_id)
    rows = connection.execute(query.order_by(table.at.desc()).limit(limit)).mappings()
    return [msgspec.convert(plain(row), ShadowAnswer) for row in rows]
