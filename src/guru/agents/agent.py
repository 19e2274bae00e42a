"""What an agent is, as it is kept with every run of it."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping

import msgspec

from guru.agents import cron
from guru.config.agent import AgentSettings
from guru.errors import InvalidParameter, NotFound

SHORTEST_KEY = 16
SHOWN_KEY = "..."
"""What is shown in the place of a key."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Agent(AgentSettings, kw_only=True):
    """The settings of an agent, and its name."""

    name: str

    def check(self) -> None:
        """Raises `InvalidParameter` for what no run of it could go by."""
        if not NAME.fullmatch(self.name):
            raise InvalidParameter(
                f"{self.name!r} is no name for an agent.", param="name",
                hint="Use letters, digits, `_` and `-`, at most 64, and begin with a letter or digit.",
            )  # fmt: skip
        if self.strategy in ("router", "hand-off") and not self.agents:
            raise InvalidParameter(
                f"The agent {self.name!r} has nobody to hand over to.", param="agents",
                hint=f'The strategy {self.strategy!r} needs other agents: agents = ["NAME"].',
            )  # fmt: skip
        if self.webhook_key is not None and len(self.webhook_key) < SHORTEST_KEY:
            raise InvalidParameter(
                f"The webhook key of {self.name!r} is too short.", param="webhook_key",
                hint=f"Use at least {SHORTEST_KEY} random characters: openssl rand -hex 16",
            )  # fmt: skip
        if self.schedule is not None:
            cron.Schedule(self.schedule, self.timezone)


def make(name: str, settings: AgentSettings) -> Agent:
    """The agent of a table of `guru.toml`."""
    return Agent(name=name, **{key: getattr(settings, key) for key in settings.__struct_fields__})


def public(agent: Agent) -> Agent:
    """Without its key."""
    return msgspec.structs.replace(agent, webhook_key=SHOWN_KEY if agent.webhook_key else None)


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Of `names`, those that a pattern names, in the order of the patterns."""
    known = list(names)
    found = dict.fromkeys(name for pattern in patterns for name in known if fnmatch.fnmatchcase(name, pattern))
    return list(found)


def find(agents: Mapping[str, Agent], name: str) -> Agent:
    """Raises `NotFound`, which names the nearest that there is."""
    if (found := agents.get(name)) is not None:
        return found
    near = difflib.get_close_matches(name, agents, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "`guru agent list` shows those that there are."
    raise NotFound(f"There is no agent {name!r}.", hint=hint)
