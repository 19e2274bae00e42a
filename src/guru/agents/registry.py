"""The agents that there are: those of the configuration, and those that were defined over the API."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from guru.agents.agent import SHOWN_KEY, Agent, find, make
from guru.agents.records import Definition
from guru.config.agent import AgentSettings
from guru.errors import ConfigurationError, Conflict, Forbidden, GuruError, NotFound, Unauthorized
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import agent_marks, agents
from guru.types import JSON


class Known(Struct, kw_only=True):
    """An agent, and who defined it: what it does by itself, it does as theirs."""

    agent: Agent
    tenant: str
    owner: str
    caller: JSON
    configured: bool = False


class Registry:
    """The agents of every tenant. Those of the configuration are of the one whose server it is."""

    def __init__(self, database: Database, configured: Mapping[str, AgentSettings], *, tenant: str) -> None:
        """Raises `ConfigurationError` for an agent of the configuration that cannot be."""
        self._database = database
        self._tenant = tenant
        self._configured = read_configured(configured, self._tenant)

    def configure(self, configured: Mapping[str, AgentSettings]) -> None:
        """Take new settings. Runs that have begun go on as they began."""
        self._configured = read_configured(configured, self._tenant)

    async def all(self, tenant: str | None = None) -> list[Known]:
        """Of one tenant, by name; None: of all."""
        query = select(agents) if tenant is None else select(agents).where(agents.c.tenant == tenant)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        own = [known for known in self._configured.values() if tenant in (None, known.tenant)]
        stored = [to_known(row) for row in rows]
        taken = {(known.tenant, known.agent.name) for known in own}
        rest = [known for known in stored if (known.tenant, known.agent.name) not in taken]
        return sorted([*own, *rest], key=lambda known: known.agent.name)

    async def get(self, tenant: str, name: str) -> Known:
        """Raises `NotFound`."""
        known = {item.agent.name: item for item in await self.all(tenant)}
        find({key: item.agent for key, item in known.items()}, name)
        return known[name]

    async def definition(self, tenant: str, name: str) -> Definition:
        """An agent with all that it may hand over to. Raises `NotFound`."""
        known = {item.agent.name: item.agent for item in await self.all(tenant)}
        agent, team = find(known, name), dict[str, Agent]()
        waiting = list(agent.agents)
        while waiting:
            other = waiting.pop(0)
            if other != name and other not in team:
                team[other] = find(known, other)
                waiting += team[other].agents
        return Definition(agent=agent, team=team)

    async def define(self, agent: Agent, *, tenant: str, owner: str, caller: JSON) -> Agent:
        """Keep a new agent. Raises `InvalidParameter`, `NotFound` for agents that it names, and `Conflict`."""
        agent.check()
        if agent.webhook_key is not None:
            agent.webhook_key = hashed(agent.webhook_key)
        known = {item.agent.name: item.agent for item in await self.all(tenant)}
        check_team(agent, known)
        row = {
            "id": new_id("agent"), "tenant": tenant, "name": agent.name, "owner": owner, "caller": caller,
            "definition": msgspec.to_builtins(agent), "created_at": time.time(),
        }  # fmt: skip
        taken = Conflict(f"There is an agent {agent.name!r} already.", hint="Choose another name, or delete it first.")
        if agent.name in known:
            raise taken
        try:
            await self._database.write(lambda connection: connection.execute(insert(agents).values(row)))
        except IntegrityError:
            raise taken from None
        return agent

    async def replace(self, agent: Agent, *, tenant: str, owner: str, caller: JSON) -> Agent:
        """Define an agent anew; from now on it does what it does by itself as `owner`. Runs that have begun go on as
        they began. A `webhook_key` of `...`, as it is shown, is the one that it has.

        Raises `InvalidParameter`, `NotFound` for it and for agents that it names, and `Forbidden` for one of the
        configuration.
        """
        had = await self.get(tenant, agent.name)
        if had.configured:
            raise configured_already(agent.name)
        kept = had.agent.webhook_key if agent.webhook_key == SHOWN_KEY else None
        agent.webhook_key = None if agent.webhook_key == SHOWN_KEY else agent.webhook_key
        agent.check()
        agent.webhook_key = kept or (hashed(agent.webhook_key) if agent.webhook_key is not None else None)
        check_team(agent, {item.agent.name: item.agent for item in await self.all(tenant)})
        values = {"owner": owner, "caller": caller, "definition": msgspec.to_builtins(agent)}
        mine = (agents.c.tenant == tenant, agents.c.name == agent.name)
        await self._database.write(lambda connection: connection.execute(update(agents).where(*mine).values(values)))
        return agent

    async def by_webhook(self, name: str, key: str) -> Known:
        """The agent of that name, in whatever tenant, that a webhook with this key starts. Raises `Unauthorized`."""
        for known in await self.all():
            theirs = known.agent.webhook_key
            if known.agent.name == name and theirs is not None:
                wanted = hashed(theirs) if known.configured else theirs
                if hmac.compare_digest(wanted, hashed(key)):
                    return known
        raise Unauthorized(
            f"There is no agent {name!r} with this webhook key.",
            hint="Send the agent's `webhook_key` in the header x-guru-webhook-key.",
        )

    async def delete(self, tenant: str, name: str) -> None:
        """Its runs stay. Raises `NotFound`, and `Forbidden` for one of the configuration."""
        if (await self.get(tenant, name)).configured:
            raise configured_already(name)

        def remove(connection: Connection) -> None:
            connection.execute(delete(agents).where(agents.c.tenant == tenant, agents.c.name == name))
            connection.execute(delete(agent_marks).where(agent_marks.c.tenant == tenant, agent_marks.c.agent == name))

        await self._database.write(remove)


def read_configured(configured: Mapping[str, AgentSettings], tenant: str) -> dict[str, Known]:
    """The agents of the configuration, by name. Raises `ConfigurationError` for one that cannot be."""
    found = {}
    for name, settings in configured.items():
        agent = make(name, settings)
        try:
            agent.check()
        except GuruError as error:
            place = f"agents.{name}"
            raise ConfigurationError(f"[{place}]: {error.message}", hint=error.hint, param=place) from error
        caller = {"tenant": tenant, "role": "member"}
        found[name] = Known(agent=agent, tenant=tenant, owner="owner", caller=caller, configured=True)
    return found


def check_team(agent: Agent, known: Mapping[str, Agent]) -> None:
    """Raises `NotFound`, which names the setting, for an agent that it may hand over to and that is not there."""
    for other in agent.agents:
        try:
            find({**known, agent.name: agent}, other)
        except NotFound as error:
            error.param = "agents"
            raise


def configured_already(name: str) -> Forbidden:
    return Forbidden(f"The agent {name!r} is in the configuration.", hint="Change it in guru.toml.")


def hashed(key: str) -> str:
    """How the key of a webhook is kept. It is long and random, so that one round is enough."""
    return f"sha256:{sha256(key.encode()).hexdigest()}"


def to_known(row: Any) -> Known:
    agent = msgspec.convert(row.definition, Agent)
    return Known(agent=agent, tenant=row.tenant, owner=row.owner, caller=row.caller)
