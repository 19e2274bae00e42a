"""Who a request comes from: everything that is needed to say so is in memory.

Keys, teams and users come from the configuration and from the database. A process sees its own changes at once, and
those of others within a second: it polls one number.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from msgspec import structs

from guru.config import BudgetSettings, LimitSettings, Role, Settings
from guru.errors import ConfigurationError, Forbidden, Unauthorized
from guru.gateway.identity.address import needs_key
from guru.gateway.identity.caller import Caller, local_owner
from guru.gateway.identity.records import RANKS, Key, Team, User, configured_key, configured_team, matches
from guru.gateway.identity.registry import Registry
from guru.gateway.identity.secrets import PREFIX, hash_key
from guru.gateway.identity.sessions import COOKIE, Sessions
from guru.gateway.identity.store import Loaded, generation, load, write_last_used
from guru.store.database import Database

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between two looks at what other processes have changed."""
WRITE_USES = 10.0
"""Seconds between two times that the database is told when keys were used."""
MAX_TAGS = 16
HINT = "Send one as `Authorization: Bearer sk-guru-…`; an administrator makes them with `guru keys create NAME`."
Headers = Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]
Limited = tuple[Literal["key", "team", "user"], str, str, str, LimitSettings | None, BudgetSettings | None]
"""Scope (`key`, `team` or `user`), tenant, id, name, limits, budget."""


class Directory:
    """Keys, teams and users of one server. Open it before use."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        sessions: Sessions,
        *,
        owner_secret: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._now = now
        self._owner_secret = (owner_secret or "").encode()
        self._loaded = Loaded()
        self._reading = asyncio.Lock()
        self._used: dict[str, float] = {}
        self._poller: asyncio.Task[None] | None = None
        self.on_change: list[Callable[[], None]] = []
        """Called after every change, such as by the limiter, which takes `limited` anew."""
        self._seen: set[bytes] = set()
        """Hashes of every key that this process has known: one that was taken away is no placeholder."""
        self._configured_keys: list[Key] = []
        self._configured_teams: list[Team] = []
        self.configure(settings)

    # ------------------------------------------------------------------ what there is

    def configure(self, settings: Settings) -> None:
        """Take the keys and teams of the configuration in place of those before. Raises `ConfigurationError`."""
        for name, key in settings.keys.items():
            if not key.key.strip():
                raise ConfigurationError(f"[keys.{name}] key is empty.", hint="Give it a long random value.")
        self.needs_key = needs_key(settings.server)
        """Whether a request over the network needs a key."""
        self._configured_keys = [configured_key(name, key) for name, key in settings.keys.items()]
        self._configured_teams = [configured_team(name, team) for name, team in settings.teams.items()]
        self._arrange()

    async def open(self) -> None:
        await self.reload()
        self._poller = asyncio.create_task(self._poll())

    async def close(self) -> None:
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        await self._write_uses()

    async def reload(self) -> None:
        """Read what the database has. One after the other: what was read before never replaces what was read later."""
        async with self._reading:
            self._loaded = await self._database.read(load)
            self._arrange()

    def registry(self, loaded: Loaded) -> Registry:
        """What the database has, with what the configuration says."""
        return Registry(loaded, self._configured_keys, self._configured_teams)

    def _arrange(self) -> None:
        self.there = there = self.registry(self._loaded)
        self._keys, self._by_hash, self._teams, self._users = there.by_id, there.by_hash, there.by_team, there.by_user
        self._seen.update(self._by_hash)
        for changed in self.on_change:
            changed()

    def keys(self, tenant: str) -> list[Key]:
        """Every key of an organisation, the configured ones first, the newest before the older."""
        return self.there.keys(tenant)

    def teams(self, tenant: str) -> list[Team]:
        return self.there.teams(tenant)

    def users(self, tenant: str) -> list[User]:
        return self.there.users(tenant)

    def last_used(self, key: Key) -> float | None:
        """Seconds since 1970."""
        return max(filter(None, (self._used.get(key.id), key.last_used_at)), default=None)

    def limited(self) -> list[Limited]:
        """Whatever has limits or a budget."""
        found: list[Limited] = [
            ("key", key.tenant, key.id, key.name, key.limits, key.budget) for key in self._keys.values()
        ]
        found += [("team", team.tenant, team.name, "", team.limits, team.budget) for team in self._teams.values()]
        found += [("user", user.tenant, user.name, "", user.limits, user.budget) for user in self._users.values()]
        return [one for one in found if one[4] is not None or one[5] is not None]

    # ------------------------------------------------------------------ who calls

    def authenticate(self, headers: Headers, route: str, trace_id: str, *, trusted_local: bool) -> Caller:
        """Who sent a request to the door `route`. Synchronous, in memory, one look-up.

        `trusted_local`: a request without a key is the local owner, and so is one with a placeholder, because clients
        of OpenAI's API insist on sending something. Raises `Unauthorized` and `Forbidden`.
        """
        sent = Credentials(headers)
        if sent.owner is not None:
            if self._owner_secret and hmac.compare_digest(sent.owner, self._owner_secret):
                return local_owner(route, trace_id, sent.tags)
            raise Unauthorized("The owner's secret is not the one of this server.", hint="Has it been started anew?")
        if sent.token is not None:
            hashed = hash_key(sent.token)
            key = self._by_hash.get(hashed)
            if key is not None:
                return self._caller(key, hashed, sent, route, trace_id)
            if not trusted_local or not self._is_placeholder(sent.token, hashed):
                raise Unauthorized("This API key is not known here.", hint=HINT)
        if trusted_local:
            return local_owner(route, trace_id, sent.tags)
        if sent.cookie is not None and (key := self._of_session(sent.cookie)) is not None:
            return self._caller(key, key.hash, sent, route, trace_id)
        raise Unauthorized("This server needs an API key.", hint=HINT)

    def _is_placeholder(self, token: str, hashed: bytes) -> bool:
        """Whether something that is no key of ours was never one either."""
        return not token.startswith(PREFIX) and hashed not in self._seen

    def _caller(self, key: Key, hashed: bytes, sent: Credentials, route: str, trace_id: str) -> Caller:
        now = self._now()
        if (reason := self._closed(key)) is not None:
            raise reason
        if hashed != key.hash and (key.previous_expires_at or 0.0) <= now:
            raise Unauthorized("This API key was replaced by a new one.", hint=HINT)
        role, team = key.role, key.team
        if key.user is not None and (user := self._users.get((key.tenant, key.user))) is not None:
            role, team = lesser(role, user.role), team or user.team
        check_route(key, route)
        self._used[key.id] = now
        return Caller(
            tenant=key.tenant, route=route, trace_id=trace_id, key=key.id, team=team, user=key.user, role=role,
            tags=(*key.tags, *sent.tags),
        )  # fmt: skip

    def _closed(self, key: Key) -> Unauthorized | None:
        """Why a key opens nothing any more; None: it does."""
        if key.revoked_at is not None:
            return Unauthorized("This API key was revoked.", hint=HINT)
        if key.expires_at is not None and key.expires_at <= self._now():
            return Unauthorized("This API key has expired.", hint=HINT)
        user = self._users.get((key.tenant, key.user)) if key.user is not None else None
        if user is not None and user.disabled:
            return Unauthorized(f"The user {user.name} is disabled.", hint="Ask an administrator.")
        return None

    def check(self, caller: Caller, route: str) -> None:
        """Whether somebody who was let in before is let in at the door `route` now.

        For work that goes on behind a request, such as the lines of a batch. Raises `Unauthorized` and `Forbidden`.
        """
        if caller.key is None:
            return
        key = self._keys.get(caller.key)
        if key is None:
            raise Unauthorized("This API key is not known here.", hint=HINT)
        if (reason := self._closed(key)) is not None:
            raise reason
        check_route(key, route)
        if RANKS[self._role(key)] < RANKS[caller.role]:
            raise Forbidden("This API key may do less by now than when it handed the work in.", hint=HINT)

    def renewed(self, caller: Caller) -> Caller:
        """Somebody who was let in before, of the team that the key is of now: what it sees by a team ends with it."""
        key = self._keys.get(caller.key) if caller.key is not None else None
        if key is None:
            return caller
        user = self._users.get((key.tenant, key.user)) if key.user is not None else None
        return structs.replace(caller, team=key.team or (user.team if user is not None else None))

    def _role(self, key: Key) -> Role:
        """What a key may do: no more than its user."""
        user = self._users.get((key.tenant, key.user)) if key.user is not None else None
        return key.role if user is None else lesser(key.role, user.role)

    def allow(self, caller: Caller, model: str, route: str = "") -> None:
        """Raises `Forbidden` when the caller's key or team may not use the model, `Unauthorized` when the key ended."""
        key = self._keys.get(caller.key) if caller.key is not None else None
        if key is not None and (reason := self._closed(key)) is not None:
            raise reason
        if not self._matches(caller, key, model):
            raise Forbidden(
                f"This API key may not use the model {model!r}.", hint="/v1/models lists those that it may use.",
                param="model",
            )  # fmt: skip

    def allows(self, caller: Caller, model: str) -> bool:
        """Whether the caller may use the model now."""
        key = self._keys.get(caller.key) if caller.key is not None else None
        return (key is None or self._closed(key) is None) and self._matches(caller, key, model)

    def _matches(self, caller: Caller, key: Key | None, model: str) -> bool:
        if caller.key is not None and (key is None or not matches(key.models, model)):
            return False
        team = self._teams.get((caller.tenant, caller.team)) if caller.team else None
        return team is None or matches(team.models, model)

    def has_keys(self) -> bool:
        """Whether any key opens anything."""
        now = self._now()
        return any(key.revoked_at is None and (key.expires_at or now + 1) > now for key in self._keys.values())

    # ------------------------------------------------------------------ sessions

    def log_in(self, token: str) -> str:
        """The value of a cookie that stands for a key. Raises `Unauthorized`."""
        caller = self.authenticate([(b"x-api-key", token.encode())], "pages", "", trusted_local=False)
        assert caller.key is not None
        key = self._keys[caller.key]
        if hash_key(token.strip()) != key.hash:  # the session would outlive the hours that it still opens
            raise Unauthorized("This API key was replaced by a new one.", hint="Log in with that.")
        return self._sessions.issue(key.id, key.hash)

    def _of_session(self, cookie: str) -> Key | None:
        key = self._keys.get(self._sessions.key_id(cookie) or "")
        return key if key is not None and self._sessions.valid(cookie, key.hash) else None

    # ------------------------------------------------------------------ what other processes see

    async def _poll(self) -> None:
        wrote = time.monotonic()
        while True:
            await asyncio.sleep(POLL)
            try:
                if await self._database.read(generation) != self._loaded.generation:
                    await self.reload()
                if time.monotonic() - wrote >= WRITE_USES:
                    wrote = time.monotonic()
                    await self._write_uses()
            except Exception:
                log.exception("keys, teams and users could not be read; those known before hold on")

    async def _write_uses(self) -> None:
        fresh = {
            key.id: at
            for key in self._loaded.keys
            if (at := self._used.get(key.id)) is not None and at > (key.last_used_at or 0.0)
        }
        if fresh:
            await self._database.write(lambda connection: write_last_used(connection, fresh))
            for key in self._loaded.keys:
                key.last_used_at = fresh.get(key.id, key.last_used_at)


class Credentials:
    """What a request's headers say about who sends it."""

    __slots__ = ("cookie", "owner", "tags", "token")

    def __init__(self, headers: Headers) -> None:
        self.token: str | None = None
        self.cookie: str | None = None
        self.tags: tuple[str, ...] = ()
        found = headers if isinstance(headers, Mapping) else dict(headers)
        self.owner: bytes | None = found.get(b"x-guru-owner")
        if (value := found.get(b"authorization")) is not None:
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                self.token = token.strip() or None
        if self.token is None and (value := found.get(b"x-api-key") or found.get(b"api-key")):
            self.token = value.decode("latin-1").strip() or None
        if (value := found.get(b"cookie")) is not None:
            self.cookie = session_cookie(value)
        if (value := found.get(b"x-guru-tags")) is not None:
            named = (tag.strip() for tag in value.decode("latin-1").split(","))
            self.tags = tuple(tag[:64] for tag in named if tag)[:MAX_TAGS]


def check_route(key: Key, route: str) -> None:
    """Raises `Forbidden`."""
    if not matches(key.routes, route):
        raise Forbidden(f"This API key may not use {route}.", hint=f"It may use: {', '.join(key.routes)}.")


def session_cookie(header: bytes) -> str | None:
    if COOKIE.encode() not in header:
        return None
    try:
        morsel = SimpleCookie(header.decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None else None


def lesser(one: Role, other: Role) -> Role:
    return one if RANKS[one] <= RANKS[other] else other
