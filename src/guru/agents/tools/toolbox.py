"""The tools that one caller has: found by name, their arguments checked, their calls held to their time."""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from guru.agents.tools.arguments import Arguments
from guru.agents.tools.asking import Suspended, Unhurried
from guru.agents.tools.base import Tool, ToolContext, ToolResult, ToolSpec
from guru.agents.tools.failure import told
from guru.agents.tools.marking import MOST
from guru.errors import ConfigurationError, GuruError, NotFound
from guru.types import FunctionDefinition
from guru.types import Tool as RequestTool

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
log = logging.getLogger(__name__)


class Toolbox:
    """Whatever goes wrong within a call is a failed result in words for the model; only a cancellation raises, and
    `Suspended`."""

    def __init__(self, tools: Iterable[Tool] = (), *, shown: int = MOST) -> None:
        """`shown`: characters of a result that a model is shown, see `marking`.

        Raises `ConfigurationError` for two tools of one name, and for a name that no provider takes.
        """
        self.shown = shown
        self._tools: dict[str, Tool] = {}
        self._arguments: dict[str, Arguments] = {}
        for tool in tools:
            spec = tool.spec
            if not NAME.fullmatch(spec.name):
                raise ConfigurationError(
                    f"A tool cannot be called {spec.name[:80]!r}.",
                    hint="Use letters, digits, `_` and `-`, at most 64 of them.",
                )
            if spec.name in self._tools:
                raise ConfigurationError(f"There are two tools called {spec.name!r}.", hint="Give one another name.")
            self._tools[spec.name] = tool
            self._arguments[spec.name] = Arguments(spec.parameters)

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    @property
    def specs(self) -> list[ToolSpec]:
        return [tool.spec for tool in self]

    def get(self, name: str) -> Tool:
        """Raises `NotFound`, which names the nearest tool that there is."""
        if (tool := self._tools.get(name)) is not None:
            return tool
        near = difflib.get_close_matches(name, self._tools, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        known = f"There are: {', '.join(self._tools)}." if self._tools else "There are no tools; answer without."
        raise NotFound(f"There is no tool {name[:80]!r}.", hint=hint + known)

    def only(self, names: Iterable[str]) -> Toolbox:
        """Those of these names. Raises `NotFound`."""
        return Toolbox([self.get(name) for name in dict.fromkeys(names)], shown=self.shown)

    def as_request_tools(self) -> list[RequestTool]:
        """The tools as a `ChatRequest` carries them."""
        return [
            RequestTool(FunctionDefinition(name=spec.name, description=spec.description, parameters=spec.parameters))
            for spec in self.specs
        ]

    async def call(self, name: str, arguments: str | dict[str, Any], context: ToolContext) -> ToolResult:
        """What the tool gives. `arguments` are JSON as a model writes it, or what it stands for."""
        try:
            tool = self.get(name)
            checked = self._arguments[name].check(arguments)
        except GuruError as error:
            return failed(str(error))
        return await call_in_time(tool, checked, context)


async def call_in_time(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    """The result of a call, or of its failure. Raises `asyncio.CancelledError` alone, when this task is cancelled, and
    `Suspended`, where a person must answer before the call can go on."""
    spec, task = tool.spec, asyncio.current_task()
    try:
        async with asyncio.timeout(spec.timeout) as limit:
            if context.person is not None:
                context = msgspec.structs.replace(context, person=Unhurried(context.person, limit))
            return await tool.call(arguments, context)
    except Suspended:
        raise
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        return failed(f"{spec.name} broke off its own work.")  # it awaited something that was cancelled
    except TimeoutError as error:
        if limit.expired():
            return failed(f"{spec.name} took longer than {spec.timeout:g} seconds and was stopped. Ask it for less.")
        return failed(told(error))
    except GuruError as error:
        return failed(str(error))
    except Exception as error:
        log.exception("The tool %s failed.", spec.name)
        return failed(told(error))


def failed(text: str) -> ToolResult:
    """A call that came to nothing, and why."""
    return ToolResult(text=text, failed=True)


def as_text(data: Any) -> str:
    """Data as a model reads it: compact JSON, in the letters of its language."""
    try:
        return msgspec.json.encode(data).decode()
    except (TypeError, ValueError, UnicodeError, msgspec.MsgspecError):
        return json.dumps(data, ensure_ascii=False, default=str)
