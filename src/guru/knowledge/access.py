"""Who may see a document: access lists, and the one condition that every query for documents is put under.

A list names users (`user:anna`), teams (`team:legal`) and keys (`key:key_…`, by their ids). A document without a list
is everybody's of its tenant. Administrators of the tenant, whose `Scope` has no names, see all. What somebody may not
see does not exist for them: it is not found, not counted, and no statistic of a search is made with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, not_, or_, select

from guru.errors import InvalidParameter
from guru.store.scope import Scope
from guru.store.tables import document_access, documents

KEY: Final = "guru_access"
"""Of a document's front matter: the list that the document itself brings."""
MOST: Final = 200
"""Names on one list."""
_NAME: Final = re.compile(r"(?:user|team|key):\S(?:[^,\n]{0,126}\S)?")
_AT_ONCE: Final = 500


def check_access(names: Any) -> list[str]:
    """The names of a list, each once, sorted. Raises `InvalidParameter`."""
    if not isinstance(names, list | tuple):
        raise _wrong(f"{names!r} is no list of names.")
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _wrong(f"{name!r} cannot stand on an access list.")
    if len(names) > MOST:
        raise _wrong(f"An access list of {len(names)} names is too long: the limit is {MOST}.")
    return sorted(set(names))


def split_access(text: str) -> list[str]:
    """A list that is written in one line, with commas. Raises `InvalidParameter`."""
    return check_access([name.strip() for name in text.split(",") if name.strip()])


def own_access(metadata: Mapping[str, Any]) -> list[str] | None:
    """The list that a document brings in its front matter; None where it brings none. Raises `InvalidParameter`."""
    matter = metadata.get("front_matter")
    names = matter.get(KEY) if isinstance(matter, Mapping) else None
    if names is None:
        return None
    return split_access(names) if isinstance(names, str) else check_access(names)


def seen_by(scope: Scope) -> ColumnElement[bool]:
    """The condition on `documents` under which a row exists for somebody. Every query for documents has it."""
    mine: ColumnElement[bool] = documents.c.tenant == scope.tenant
    if scope.names is None:
        return mine
    listed = exists().where(document_access.c.document_id == documents.c.id).correlate(documents)
    return and_(mine, or_(not_(listed), listed.where(document_access.c.name.in_(scope.names))))


def hidden_documents(connection: Connection, scope: Scope, collection_id: str) -> frozenset[str]:
    """The ids of the documents of a collection that somebody may not see. No work where nothing is restricted."""
    if scope.names is None:
        return frozenset()
    inside = document_access.c.collection_id == collection_id
    named = select(document_access.c.document_id).where(inside, document_access.c.name.in_(scope.names))
    query = select(document_access.c.document_id).where(inside, document_access.c.document_id.not_in(named))
    return frozenset(connection.scalars(query.distinct()))


def may_see(scope: Scope, names: Iterable[str]) -> bool:
    """Whether a document with this list, which may be empty, exists for somebody of its tenant."""
    listed = set(names)
    return scope.names is None or not listed or not listed.isdisjoint(scope.names)


def read_lists(connection: Connection, *conditions: ColumnElement[bool]) -> dict[str, list[str]]:
    """The access lists by document; a document without one is missing."""
    found: dict[str, list[str]] = {}
    query = select(document_access.c.document_id, document_access.c.name).where(*conditions)
    for document, name in connection.execute(query.order_by(document_access.c.name)):
        found.setdefault(document, []).append(name)
    return found


def read_lists_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """The access lists of some documents."""
    found: dict[str, list[str]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        found |= read_lists(connection, document_access.c.document_id.in_(ids[start : start + _AT_ONCE]))
    return found


def write_list(connection: Connection, tenant: str, collection_id: str, document_id: str, names: Sequence[str]) -> None:
    """Put a list in place of the one before; an empty one makes the document everybody's."""
    connection.execute(delete(document_access).where(document_access.c.document_id == document_id))
    shared = {"document_id": document_id, "tenant": tenant, "collection_id": collection_id}
    if names:
        connection.execute(insert(document_access), [{**shared, "name": name} for name in names])


def _wrong(message: str) -> InvalidParameter:
    hint = "Write users, teams and keys as `user:NAME`, `team:NAME` and `key:ID`."
    return InvalidParameter(message, param="access", hint=hint)
