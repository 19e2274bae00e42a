"""The keys, teams and users that there are at one moment, from the database and from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from guru.errors import NotFound
from guru.gateway.identity.records import Key, Team, User
from guru.gateway.identity.store import Loaded

Named = TypeVar("Named", Team, User)


class Registry:
    """A directory looks callers up in one; a change is checked against one that its own transaction has read."""

    def __init__(self, loaded: Loaded, keys: Sequence[Key] = (), teams: Sequence[Team] = ()) -> None:
        """`keys` and `teams` are those of the configuration, which is not overruled at run time."""
        everything = [*loaded.keys, *keys]
        self.by_id = {key.id: key for key in everything}
        self.by_hash = {key.previous_hash: key for key in everything if key.previous_hash is not None}
        self.by_hash |= {key.hash: key for key in everything}
        self.by_team = {(team.tenant, team.name): team for team in (*loaded.teams, *teams)}
        self.by_user = {(user.tenant, user.name): user for user in loaded.users}

    def keys(self, tenant: str) -> list[Key]:
        """Every key of an organisation, the configured ones first, the newest before the older."""
        own = [key for key in self.by_id.values() if key.tenant == tenant]
        return sorted(own, key=lambda key: (not key.configured, -key.created_at, key.name))

    def teams(self, tenant: str) -> list[Team]:
        return sorted((team for team in self.by_team.values() if team.tenant == tenant), key=lambda team: team.name)

    def users(self, tenant: str) -> list[User]:
        return sorted((user for user in self.by_user.values() if user.tenant == tenant), key=lambda user: user.name)

    def key(self, tenant: str, name: str) -> Key:
        """By id, or by name: the one that opens, where several had the name. Raises `NotFound`."""
        named = [key for key in self.keys(tenant) if name in (key.id, key.name)]
        if not named:
            raise NotFound(f"There is no key {name!r}.", hint="`guru keys list` shows those there are.")
        return min(named, key=lambda key: (key.id != name, key.revoked_at is not None))

    def team(self, tenant: str, name: str) -> Team:
        """Raises `NotFound`."""
        return find(self.teams(tenant), name, "team")

    def user(self, tenant: str, name: str) -> User:
        """Raises `NotFound`."""
        return find(self.users(tenant), name, "user")


def find(there: list[Named], name: str, kind: str) -> Named:
    for item in there:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in there) or "none yet"
    raise NotFound(
        f"There is no {kind} {name!r}.", hint=f"Those there are: {known}. Make one: guru {kind}s create NAME"
    )
