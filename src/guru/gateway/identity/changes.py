"""Changes to keys, teams and users: each one transaction with its entry in the audit log.

What a change rests on is read in its own transaction, and only the columns that it names are written: of two changes
at once, in one process or in two, neither undoes the other. A key that is revoked stays revoked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, Table, delete, insert, update

from guru.errors import Conflict, Forbidden, InvalidParameter
from guru.gateway.identity.audit import record
from guru.gateway.identity.caller import Caller
from guru.gateway.identity.directory import Directory
from guru.gateway.identity.records import Key, Team, User
from guru.gateway.identity.registry import Registry
from guru.gateway.identity.secrets import hash_key, new_key, shown
from guru.gateway.identity.store import load, raise_generation, to_row
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import api_keys, teams, users

Record = TypeVar("Record", Team, User)
Changed = TypeVar("Changed", bound=Struct)
NAME = re.compile(r"[\w][\w .@+-]{0,62}[\w]|[\w]")
SECRET = ("hash", "previous_hash", "last_used_at", "configured")


class Change(NamedTuple, Generic[Changed]):
    """What is to be written, and what the log says about it."""

    subject: str
    before: Struct | None
    after: Changed
    statement: Any


class Changes:
    """What an administrator may do. The tenant is the caller's: nobody reaches into another organisation."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    # ------------------------------------------------------------------ keys

    async def create_key(self, caller: Caller, key: Key) -> tuple[Key, str]:
        """A new key, and the secret that is never shown again. `key` brings everything but id, hash and times."""
        check_name(key.name)
        secret = new_key()
        made = structs.replace(
            key, id=new_id("key"), tenant=caller.tenant, hash=hash_key(secret), prefix=shown(secret),
            created_at=time.time(),
        )  # fmt: skip

        def create(there: Registry) -> Change[Key]:
            check_references(there, caller.tenant, key.team, key.user)
            check_scope(there, caller, made)
            if any(other.name == key.name and other.revoked_at is None for other in there.keys(caller.tenant)):
                raise Conflict(f"There is a key {key.name!r} already.", hint="Choose another name, or rotate that one.")
            return Change(made.id, None, made, insert(api_keys).values(to_row(api_keys, made)))

        return await self._write(caller, "keys.create", create), secret

    async def change_key(self, caller: Caller, name: str, **values: Any) -> Key:
        """Give a key other limits, scopes, or a date on which it expires."""
        return await self._change_key(caller, "keys.change", name, lambda key: values)

    async def revoke_key(self, caller: Caller, name: str) -> Key:
        """Let a key open nothing any more. It stays in the list, because usage is booked on it."""
        end = {"revoked_at": time.time(), "previous_hash": None}
        return await self._change_key(caller, "keys.revoke", name, lambda key: end)

    async def rotate_key(self, caller: Caller, name: str, grace: float) -> tuple[Key, str]:
        """A new secret for the same key; the old one opens for `grace` more seconds. Sessions end."""
        secret = new_key()

        def rotated(key: Key) -> dict[str, Any]:
            return {
                "hash": hash_key(secret), "prefix": shown(secret), "previous_hash": key.hash,
                "previous_expires_at": time.time() + grace,
            }  # fmt: skip

        return await self._change_key(caller, "keys.rotate", name, rotated), secret

    def find_key(self, tenant: str, name: str) -> Key:
        """By id, or by name: the one that opens, where several had the name. Raises `NotFound`."""
        return self._directory.there.key(tenant, name)

    async def _change_key(self, caller: Caller, action: str, name: str, wanted: Callable[[Key], dict[str, Any]]) -> Key:
        def change(there: Registry) -> Change[Key]:
            key = there.key(caller.tenant, name)
            if key.configured:
                raise Conflict(
                    f"The key {key.name!r} comes from the configuration.",
                    hint=f"Change [keys.{key.name}] in guru.toml.",
                )
            if key.revoked_at is not None:
                raise Conflict(f"The key {key.name!r} is revoked.", hint="Make a new one.")
            values = wanted(key)
            check_references(there, caller.tenant, values.get("team"), values.get("user"))
            changed = structs.replace(key, **values)
            if action != "keys.revoke":  # whoever sees a key leak may end it
                check_scope(there, caller, key, changed)
            where = (api_keys.c.tenant == caller.tenant, api_keys.c.id == key.id)
            return Change(key.id, key, changed, update_of(api_keys, changed, values).where(*where))

        return await self._write(caller, action, change)

    # ------------------------------------------------------------------ teams and users

    async def create_team(self, caller: Caller, team: Team) -> Team:
        return await self._create(caller, "teams", teams, Registry.teams, team)

    async def change_team(self, caller: Caller, name: str, **values: Any) -> Team:
        return await self._change(caller, "teams", teams, name, find=Registry.team, values=values)

    async def delete_team(self, caller: Caller, name: str) -> None:
        """Raises `Conflict` while keys or users belong to it."""

        def owned(there: Registry) -> list[str]:
            owners = [key.name for key in there.keys(caller.tenant) if key.team == name and not key.revoked_at]
            return owners + [user.name for user in there.users(caller.tenant) if user.team == name]

        await self._delete(caller, "teams", teams, name, find=Registry.team, owned=owned)

    async def create_user(self, caller: Caller, user: User) -> User:
        return await self._create(caller, "users", users, Registry.users, user)

    async def change_user(self, caller: Caller, name: str, **values: Any) -> User:
        return await self._change(caller, "users", users, name, find=Registry.user, values=values)

    async def delete_user(self, caller: Caller, name: str) -> None:
        """Raises `Conflict` while keys belong to the user."""

        def owned(there: Registry) -> list[str]:
            return [key.name for key in there.keys(caller.tenant) if key.user == name and not key.revoked_at]

        await self._delete(caller, "users", users, name, find=Registry.user, owned=owned)

    def find_team(self, tenant: str, name: str) -> Team:
        return self._directory.there.team(tenant, name)

    def find_user(self, tenant: str, name: str) -> User:
        return self._directory.there.user(tenant, name)

    async def _create(
        self, caller: Caller, kind: str, table: Table, all_of: Callable[[Registry, str], list[Record]], new: Record
    ) -> Record:
        check_name(new.name)
        made = structs.replace(new, tenant=caller.tenant, created_at=time.time())

        def create(there: Registry) -> Change[Record]:
            check_references(there, caller.tenant, getattr(new, "team", None))
            if any(other.name == new.name for other in all_of(there, caller.tenant)):
                raise Conflict(
                    f"There is a {kind[:-1]} {new.name!r} already.", hint="Choose another name, or change it."
                )
            return Change(made.name, None, made, insert(table).values(to_row(table, made)))

        return await self._write(caller, f"{kind}.create", create)

    async def _change(
        self, caller: Caller, kind: str, table: Table, name: str, *, find: Callable[[Registry, str, str], Record],
        values: dict[str, Any],
    ) -> Record:  # fmt: skip
        def change(there: Registry) -> Change[Record]:
            item = find(there, caller.tenant, name)
            refuse_configured(item)
            check_references(there, caller.tenant, values.get("team"))
            changed = structs.replace(item, **values)
            where = (table.c.tenant == caller.tenant, table.c.name == name)
            return Change(name, item, changed, update_of(table, changed, values).where(*where))

        return await self._write(caller, f"{kind}.change", change)

    async def _delete(
        self, caller: Caller, kind: str, table: Table, name: str, *, find: Callable[[Registry, str, str], Record],
        owned: Callable[[Registry], list[str]],
    ) -> None:  # fmt: skip
        def remove(there: Registry) -> Change[Any]:
            item = find(there, caller.tenant, name)
            refuse_configured(item)
            if owners := owned(there):
                raise Conflict(
                    f"The {kind[:-1]} {name!r} is in use by {', '.join(owners)}.",
                    hint="Change or revoke those first.",
                )
            return Change(name, item, None, delete(table).where(table.c.tenant == caller.tenant, table.c.name == name))

        await self._write(caller, f"{kind}.delete", remove)

    # ------------------------------------------------------------------ shared

    async def _write(self, caller: Caller, action: str, change: Callable[[Registry], Change[Changed]]) -> Changed:
        def write(connection: Connection) -> Changed:
            subject, before, after, statement = change(self._directory.registry(load(connection)))
            connection.execute(statement)
            record(connection, caller, action, subject, before=without_secrets(before), after=without_secrets(after))
            raise_generation(connection)
            return after

        changed = await self._database.write(write)
        await self._directory.reload()
        return changed


def update_of(table: Table, changed: Struct, values: dict[str, Any]) -> Any:
    """Writes nothing but what the change names."""
    row = to_row(table, changed)
    # SQL wants at least one column: an empty change writes one of them as it is.
    return update(table).values({name: row[name] for name in values or ("created_at",)})


def check_references(there: Registry, tenant: str, team: str | None, user: str | None = None) -> None:
    """Raises `NotFound` for a team or a user that is not there."""
    if team is not None:
        there.team(tenant, team)
    if user is not None:
        there.user(tenant, user)


def check_scope(there: Registry, caller: Caller, *keys: Key) -> None:
    """A key that may use few models or doors hands out, and gets at, no more than it has. Raises `Forbidden`."""
    own = there.by_id.get(caller.key) if caller.key is not None else None
    if own is None:
        return
    for key in keys:
        for what, mine, theirs in (("models", own.models, key.models), ("routes", own.routes, key.routes)):
            if "*" not in mine and not set(theirs) <= set(mine):
                raise Forbidden(
                    f"Your key may use few {what}, and this one more.",
                    hint=f"Name only {what} that your key names: {', '.join(mine)}.", param=what,
                )  # fmt: skip


def refuse_configured(record: Struct) -> None:
    if getattr(record, "configured", False):
        name = getattr(record, "name", "")
        raise Conflict(f"The team {name!r} comes from the configuration.", hint=f"Change [teams.{name}] in guru.toml.")


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidParameter(
            f"{name!r} is not a name.", param="name",
            hint="Use 1 to 64 letters, digits, spaces and . _ @ + -, beginning and ending with a letter or a digit.",
        )  # fmt: skip


def without_secrets(item: Struct | None) -> dict[str, Any] | None:
    """What the audit log may show."""
    if item is None:
        return None
    plain: dict[str, Any] = msgspec.to_builtins(item, builtin_types=(bytes,))
    return {name: value for name, value in plain.items() if name not in SECRET and value is not None}
