"""Changes to keys, teams and users: each one transaction with its entry in the audit log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, Table, delete, insert, update
from sqlalchemy.exc import IntegrityError

from guru.errors import Conflict, InvalidParameter, NotFound
from guru.gateway.identity.audit import record
from guru.gateway.identity.caller import Caller
from guru.gateway.identity.directory import Directory
from guru.gateway.identity.records import Key, Team, User
from guru.gateway.identity.secrets import hash_key, new_key, shown
from guru.gateway.identity.store import raise_generation, to_row
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import api_keys, teams, users

Record = TypeVar("Record", Team, User)
Write = Callable[[Connection], Any]
NAME = re.compile(r"[\w][\w .@+-]{0,62}[\w]|[\w]")
SECRET = ("hash", "previous_hash", "last_used_at", "configured")


class Changes:
    """What an administrator may do. The tenant is the caller's: nobody reaches into another organisation."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    # ------------------------------------------------------------------ keys

    async def create_key(self, caller: Caller, key: Key) -> tuple[Key, str]:
        """A new key, and the secret that is never shown again. `key` brings everything but id, hash and times."""
        check_name(key.name)
        self._check_references(caller.tenant, key.team, key.user)
        if any(other.name == key.name and other.revoked_at is None for other in self._directory.keys(caller.tenant)):
            raise Conflict(f"There is a key {key.name!r} already.", hint="Choose another name, or rotate that one.")
        secret = new_key()
        made = structs.replace(
            key, id=new_id("key"), tenant=caller.tenant, hash=hash_key(secret), prefix=shown(secret),
            created_at=time.time(),
        )  # fmt: skip
        await self._write(
            caller,
            "keys.create",
            made.id,
            before=None,
            after=made,
            statement=insert(api_keys).values(to_row(api_keys, made)),
        )
        return made, secret

    async def change_key(self, caller: Caller, name: str, **values: Any) -> Key:
        """Give a key other limits, scopes, or a date on which it expires."""
        key = self._changeable(caller.tenant, name)
        self._check_references(caller.tenant, values.get("team"), values.get("user"))
        return await self._replace_key(caller, "keys.change", key, **values)

    async def revoke_key(self, caller: Caller, name: str) -> Key:
        """Let a key open nothing any more. It stays in the list, because usage is booked on it."""
        key = self._changeable(caller.tenant, name)
        return await self._replace_key(caller, "keys.revoke", key, revoked_at=time.time(), previous_hash=None)

    async def rotate_key(self, caller: Caller, name: str, grace: float) -> tuple[Key, str]:
        """A new secret for the same key; the old one opens for `grace` more seconds. Sessions end."""
        key = self._changeable(caller.tenant, name)
        secret = new_key()
        changed = await self._replace_key(
            caller, "keys.rotate", key, hash=hash_key(secret), prefix=shown(secret), previous_hash=key.hash,
            previous_expires_at=time.time() + grace,
        )  # fmt: skip
        return changed, secret

    def find_key(self, tenant: str, name: str) -> Key:
        """By id, or by name: the one that opens, where several had the name. Raises `NotFound`."""
        named = [key for key in self._directory.keys(tenant) if name in (key.id, key.name)]
        if not named:
            raise NotFound(f"There is no key {name!r}.", hint="`guru keys list` shows those there are.")
        return min(named, key=lambda key: (key.id != name, key.revoked_at is not None))

    def _changeable(self, tenant: str, name: str) -> Key:
        key = self.find_key(tenant, name)
        if key.configured:
            raise Conflict(
                f"The key {key.name!r} comes from the configuration.", hint=f"Change [keys.{key.name}] in guru.toml."
            )
        if key.revoked_at is not None:
            raise Conflict(f"The key {key.name!r} is revoked.", hint="Make a new one.")
        return key

    async def _replace_key(self, caller: Caller, action: str, key: Key, **values: Any) -> Key:
        changed = structs.replace(key, **values)
        statement = update(api_keys).where(api_keys.c.tenant == caller.tenant, api_keys.c.id == key.id)
        row = to_row(api_keys, changed)
        row.pop("last_used_at")  # written behind, by whoever saw it used
        await self._write(caller, action, key.id, before=key, after=changed, statement=statement.values(row))
        return changed

    # ------------------------------------------------------------------ teams and users

    async def create_team(self, caller: Caller, team: Team) -> Team:
        return await self._create(caller, "teams", teams, self._directory.teams(caller.tenant), team)

    async def change_team(self, caller: Caller, name: str, **values: Any) -> Team:
        return await self._change(caller, "teams", teams, self.find_team(caller.tenant, name), **values)

    async def delete_team(self, caller: Caller, name: str) -> None:
        """Raises `Conflict` while keys or users belong to it."""
        team = self.find_team(caller.tenant, name)
        owned = [key.name for key in self._directory.keys(caller.tenant) if key.team == name and not key.revoked_at]
        owned += [user.name for user in self._directory.users(caller.tenant) if user.team == name]
        await self._delete(caller, "teams", teams, team, owned)

    async def create_user(self, caller: Caller, user: User) -> User:
        self._check_references(caller.tenant, user.team, None)
        return await self._create(caller, "users", users, self._directory.users(caller.tenant), user)

    async def change_user(self, caller: Caller, name: str, **values: Any) -> User:
        self._check_references(caller.tenant, values.get("team"), None)
        return await self._change(caller, "users", users, self.find_user(caller.tenant, name), **values)

    async def delete_user(self, caller: Caller, name: str) -> None:
        """Raises `Conflict` while keys belong to the user."""
        user = self.find_user(caller.tenant, name)
        owned = [key.name for key in self._directory.keys(caller.tenant) if key.user == name and not key.revoked_at]
        await self._delete(caller, "users", users, user, owned)

    def find_team(self, tenant: str, name: str) -> Team:
        return find(self._directory.teams(tenant), name, "team")

    def find_user(self, tenant: str, name: str) -> User:
        return find(self._directory.users(tenant), name, "user")

    async def _create(self, caller: Caller, kind: str, table: Table, there: list[Record], new: Record) -> Record:
        check_name(new.name)
        if any(other.name == new.name for other in there):
            raise Conflict(f"There is a {kind[:-1]} {new.name!r} already.", hint="Choose another name, or change it.")
        made = structs.replace(new, tenant=caller.tenant, created_at=time.time())
        await self._write(
            caller,
            f"{kind}.create",
            made.name,
            before=None,
            after=made,
            statement=insert(table).values(to_row(table, made)),
        )
        return made

    async def _change(self, caller: Caller, kind: str, table: Table, record: Record, **values: Any) -> Record:
        refuse_configured(record)
        changed = structs.replace(record, **values)
        statement = update(table).where(table.c.tenant == caller.tenant, table.c.name == record.name)
        await self._write(
            caller,
            f"{kind}.change",
            record.name,
            before=record,
            after=changed,
            statement=statement.values(to_row(table, changed)),
        )
        return changed

    async def _delete(self, caller: Caller, kind: str, table: Table, record: Record, owned: list[str]) -> None:
        refuse_configured(record)
        if owned:
            raise Conflict(
                f"The {kind[:-1]} {record.name!r} is in use by {', '.join(owned)}.",
                hint="Change or revoke those first.",
            )
        statement = delete(table).where(table.c.tenant == caller.tenant, table.c.name == record.name)
        await self._write(caller, f"{kind}.delete", record.name, before=record, after=None, statement=statement)

    # ------------------------------------------------------------------ shared

    def _check_references(self, tenant: str, team: str | None, user: str | None) -> None:
        if team is not None:
            self.find_team(tenant, team)
        if user is not None:
            self.find_user(tenant, user)

    async def _write(
        self, caller: Caller, action: str, subject: str, *, before: Struct | None, after: Struct | None, statement: Any
    ) -> None:
        def change(connection: Connection) -> None:
            connection.execute(statement)
            record(connection, caller, action, subject, before=without_secrets(before), after=without_secrets(after))
            raise_generation(connection)

        try:
            await self._database.write(change)
        except IntegrityError:
            raise Conflict(f"{subject} was made by somebody else meanwhile.", hint="Look again.") from None
        await self._directory.reload()


def find(there: list[Record], name: str, kind: str) -> Record:
    for item in there:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in there) or "none yet"
    raise NotFound(
        f"There is no {kind} {name!r}.", hint=f"Those there are: {known}. Make one: guru {kind}s create NAME"
    )


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
