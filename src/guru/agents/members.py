"""What a run works with: each agent with its tools, and how its model calls them."""

from __future__ import annotations

from collections.abc import Callable

from guru.agents.agent import Agent, matching
from guru.agents.records import Definition
from guru.agents.strategies.talk import ASK_PERSON, Member
from guru.agents.tools.toolbox import Toolbox
from guru.errors import InvalidParameter

WILD = frozenset("*?[")
MEMORY = ("remember", "recall", "forget")
"""Tools that an agent with memory has besides its own, in a run that a person began."""


def members_of(definition: Definition, tools: Toolbox, small: Callable[[str], bool]) -> dict[str, Member]:
    """The agent first, then those that it may hand over to. Raises `InvalidParameter` for a tool that is not there."""
    everybody = [definition.agent, *definition.team.values()]
    return {agent.name: member_of(agent, tools, small) for agent in everybody}


def member_of(agent: Agent, tools: Toolbox, small: Callable[[str], bool]) -> Member:
    specs = {spec.name: spec for spec in (*tools.specs, ASK_PERSON)}
    for pattern in agent.tools:
        if pattern not in specs and not WILD & set(pattern):
            known = f"There are: {', '.join(specs)}."
            raise InvalidParameter(
                f"The agent {agent.name!r} wants a tool {pattern!r}, which is not here.", param="tools", hint=known
            )
    way = agent.tool_calls
    if way == "auto":
        way = "guided" if small(agent.model) else "native"
    names = [*agent.tools, *(MEMORY if agent.memory else ())]
    mine = [specs[name] for name in matching(specs, names)]
    return Member(agent=agent, tools=mine, way=way, examples=agent.examples, shown=tools.shown)
