"""Which calls wait for a person.

Those of tools that always do; those that the agent's `approve` names; and, once something from outside was read that
may carry instructions of strangers, those that change something. The model reads the descriptions of its tools, too:
where strangers wrote one of them, that is so from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guru.agents.agent import matching
from guru.agents.records import Definition
from guru.agents.steps import Part, Question, Returned, ToolCall
from guru.agents.tools.base import ToolSpec

OUTSIDE = ("webhook", "document")
STRICTNESS = ("allow", "ask", "strict")


class Approvals:
    """Follows a run, and says what must wait."""

    def __init__(self, definition: Definition, specs: Mapping[str, ToolSpec], cause: str = "person") -> None:
        """`cause` is what began the run: a webhook or a document is something from outside itself."""
        self._agent = definition.agent
        self._team = definition.team
        self._specs = specs
        self._read_by: str | None = f"the {cause.partition(':')[0]}" if cause.startswith(OUTSIDE) else None
        """By what something from outside came in first."""
        self._described: str | None = next(self._foreign(), None)
        """A tool that an agent of the run may use, which strangers have described."""
        self._used: set[str] = set()

    def _foreign(self) -> Iterator[str]:
        for agent in (self._agent, *self._team.values()):
            yield from (name for name in matching(self._specs, agent.tools) if self._specs[name].foreign)

    def note(self, part: Part, result: object) -> None:
        """A part that was done."""
        if isinstance(part, ToolCall) and isinstance(result, Returned):
            tool = result.tool or part.name
            self._used.add(tool)
            spec = self._specs.get(tool)
            if spec is not None and spec.reads and self._read_by is None:
                self._read_by = tool

    def reason(self, part: Part) -> str | None:
        """Why it must wait; None where it need not. What the agent that began says holds for those it hands over to."""
        if isinstance(part, Question):
            return part.text
        spec = self._specs.get(part.name) if isinstance(part, ToolCall) else None
        if spec is None or not isinstance(part, ToolCall):
            return None
        agents = (self._agent, self._team.get(part.agent, self._agent))
        if spec.approval:
            return f"Every call of {spec.name} waits for a person."
        if asks := [agent.name for agent in agents if matching([spec.name], agent.approve)]:
            return f"The agent {asks[0]} asks before every call of {spec.name}."
        strictness = max(STRICTNESS.index(agent.untrusted) for agent in agents)
        source = self._read_by or self._describing(spec)
        if source is None or not strictness:
            return None
        if spec.effect == "write":
            return f"{spec.name} changes something, and {source} may have brought instructions of strangers."
        if strictness == 2 and self._read_by is not None:
            if spec.name not in self._used:
                return f"{spec.name} was not used before {source} may have brought instructions of strangers."
            if spec.anywhere:
                return f"{spec.name} asks any address, and {source} may have brought instructions of strangers."
        return None

    def _describing(self, spec: ToolSpec) -> str | None:
        """Whose description a call may follow. Whether a foreign tool itself waits is said by the settings of its
        server."""
        return f"the description of {self._described}" if self._described and not spec.foreign else None
