"""Whether what the configuration says of agents is said of models, tools and agents that are there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from guru.agents.agent import Agent, make
from guru.agents.members import WILD
from guru.agents.strategies.talk import ASK_PERSON
from guru.config import Settings
from guru.errors import GuruError
from guru.gateway.check_names import Finding, check_model, unmatched
from guru.gateway.check_tools import Offered, unmatched_tools
from guru.models.registry import ModelRegistry


def check_agents(settings: Settings, registry: ModelRegistry, offered: Offered) -> Iterator[Finding]:
    """Every agent of the configuration. Those that it may hand over to may also be defined over the API."""
    for name, one in settings.agents.items():
        place, agent = f"agents.{name}", make(name, one)
        findings = [*check_agent(place, agent, settings, registry), *check_its_tools(place, agent, offered)]
        yield from findings
        if not findings:
            yield Finding(place=place, level="ok", message="Its model, tools and agents are there.")


def check_agent(place: str, agent: Agent, settings: Settings, registry: ModelRegistry) -> Iterator[Finding]:
    """Whether a run of it could begin."""
    try:
        agent.check()
    except GuruError as error:
        yield Finding(place=place, level="error", message=error.message, hint=error.hint)
    if agent.model not in settings.models:
        found = check_model(f"{place}.model", agent.model, registry)
        if found.level == "error":
            yield found
    yield from unmatched(f"{place}.agents", agent.agents, settings.agents)


def check_its_tools(place: str, agent: Agent, offered: Offered) -> Iterator[Finding]:
    """Whether the tools that it names are offered; one that is not keeps its runs from beginning."""
    known = [*offered.names, ASK_PERSON.name]
    for name in agent.tools:
        if not WILD & set(name) and name not in known and not offered.may_have(name):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            message = f"There is no tool {name!r}."
            yield Finding(place=f"{place}.tools", level="error", message=message, hint=hint)
    yield from unmatched_tools(f"{place}.tools", [name for name in agent.tools if WILD & set(name)], offered)
    yield from unmatched_tools(f"{place}.approve", agent.approve, offered)
    others = [*agent.alternatives, *(name for names in agent.alternatives.values() for name in names)]
    yield from unmatched_tools(f"{place}.alternatives", others, offered)
    examples = dict.fromkeys(example.tool for example in agent.examples if example.tool)
    yield from unmatched_tools(f"{place}.examples", examples, offered)
