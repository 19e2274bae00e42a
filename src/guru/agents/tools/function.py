"""A Python function as a tool: its type hints are the schema, its docstring is the description.

@tool
def convert(amount: float, to: Literal["EUR", "USD"] = "EUR") -> float:
    \"\"\"Convert an amount of money.

    Args:
        amount: In Swiss francs.
        to: The currency wanted.
    \"\"\"
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar, get_args, get_type_hints, overload

import msgspec
from msgspec import Meta, Struct

from guru.agents.tools.base import Effect, ToolContext, ToolResult, ToolSpec
from guru.agents.tools.docstrings import read_docstring
from guru.agents.tools.schema import output_schema, parameters_schema
from guru.agents.tools.toolbox import as_text
from guru.errors import ConfigurationError, InvalidParameter, ModelUnavailable

AT_ONCE: Final = 32
"""Calls of one synchronous function that run at a time, those included that were given up and go on in their thread."""
Result = TypeVar("Result")


class FunctionTool:
    """A function, synchronous or not. A synchronous one runs in a thread of its own, so that it holds up nobody."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: Effect = "none",
        anywhere: bool = False,
        approval: bool = False,
        repeatable: bool = True,
        timeout: float = 30.0,
    ) -> None:
        """Raises `ConfigurationError` for a parameter that no JSON can be given for."""
        self._function = function
        self._name: str = name or getattr(function, "__name__", None) or type(function).__name__
        self._is_async = is_async(function)
        self._running = 0
        described = read_docstring(inspect.getdoc(function))
        parameters, returned = self._signature()
        self._context = [item.name for item in parameters if wants_context(item.annotation)]
        asked = [item for item in parameters if item.name not in self._context]
        self._arguments = arguments_struct(self._name, asked, described.parameters)
        defaults = {item.name: item.default for item in asked if item.default is not item.empty}
        self.spec = ToolSpec(
            name=self._name,
            description=description or described.text or self._name.replace("_", " "),
            parameters=parameters_schema(self._arguments, defaults),
            output=output_schema(returned),
            effect=effect,
            anywhere=anywhere,
            approval=approval,
            repeatable=repeatable,
            timeout=timeout,
        )

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The function itself, as if it were no tool."""
        return self._function(*arguments, **named)

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        """What the function returns, as text and, unless it is text, as data. Raises what the function raises."""
        try:
            values = convert(arguments, self._arguments)
        except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
            raise InvalidParameter(f"The arguments are not right: {error}.", hint="Call again with others.") from None
        given = {name: getattr(values, name) for name in arguments}
        given.update(dict.fromkeys(self._context, context))
        value = await self._run(given)
        return as_result(value)

    async def _run(self, given: dict[str, Any]) -> Any:
        try:
            value = self._function(**given) if self._is_async else await self._in_thread(given)
            return await value if inspect.isawaitable(value) else value
        except SystemExit as error:  # it would end the server
            raise RuntimeError(f"SystemExit {error}") from error

    async def _in_thread(self, given: dict[str, Any]) -> Any:
        if self._running >= AT_ONCE:
            raise ModelUnavailable(f"{AT_ONCE} calls of {self._name} are still at work.", hint="Try it again later.")
        self._running += 1
        return await in_own_thread(self._name, lambda: self._function(**given), self._ended)

    def _ended(self) -> None:
        self._running -= 1

    def _signature(self) -> tuple[list[inspect.Parameter], Any]:
        """The parameters with their hints resolved, and what is returned."""
        function = self._function
        target = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
        if inspect.isasyncgenfunction(target) or inspect.isgeneratorfunction(target):
            raise ConfigurationError(f"The tool {self._name} is a generator.", hint="Return a list instead.")
        try:
            signature = inspect.signature(function)
            hints = get_type_hints(inspect.unwrap(getattr(target, "__func__", target)), include_extras=True)
        except (NameError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"The type hints of the tool {self._name} cannot be read: {error}.",
                hint="Hints name types that can be imported from its module.",
            ) from error
        for item in signature.parameters.values():
            if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD, item.POSITIONAL_ONLY):
                raise ConfigurationError(
                    f"The parameter {item} of the tool {self._name} cannot be named in JSON.",
                    hint="Give every parameter a name; take a list or a dict for many.",
                )
        named = [item.replace(annotation=hints.get(item.name, Any)) for item in signature.parameters.values()]
        return named, hints.get("return", Any)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect = "none",
    anywhere: bool = False,
    approval: bool = False,
    repeatable: bool = True,
    timeout: float = 30.0,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a tool of a function: `@tool`, or `@tool(effect="write", approval=True)`."""
    return FunctionTool(function) if function is not None else lambda wrapped: FunctionTool(wrapped, **options)


def is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def wants_context(annotation: Any) -> bool:
    """Whether a parameter is for the context of the call, which no model is asked for."""
    return annotation is ToolContext or ToolContext in get_args(annotation)


def arguments_struct(name: str, parameters: list[inspect.Parameter], described: dict[str, str]) -> type[Struct]:
    """The shape of a function's arguments. Raises `ConfigurationError`."""
    fields: list[tuple[str, Any, Any]] = []
    for item in parameters:
        kind = item.annotation
        if text := described.get(item.name):
            kind = Annotated[kind, Meta(description=text)]
        value = msgspec.field() if item.default is item.empty else msgspec.field(default=None)
        fields.append((item.name, kind, value))
    try:
        shape = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
        msgspec.json.schema(shape)
    except (TypeError, NameError) as error:
        raise ConfigurationError(
            f"A parameter of the tool {name} has a type that JSON cannot say: {error}.",
            hint="Take strings, numbers, lists, dicts, Literals, dataclasses, TypedDicts or msgspec Structs.",
        ) from error
    return shape


def convert(arguments: dict[str, Any], shape: type[Struct]) -> Struct:
    """The arguments in the function's own types. A number such as 3.0 is taken for an integer, as JSON Schema has it.

    Raises `msgspec.ValidationError`.
    """
    try:
        return msgspec.convert(arguments, shape)
    except msgspec.ValidationError:
        return msgspec.convert(arguments, shape, strict=False)


async def in_own_thread(name: str, work: Callable[[], Result], ended: Callable[[], None]) -> Result:
    """What `work` returns or raises, done in a daemon thread: one that hangs starves no pool.

    `ended` is called on the event loop when the work has really ended, which may be after it was given up.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    done: asyncio.Future[tuple[Result | None, BaseException | None]] = loop.create_future()

    def finish(value: Result | None, error: BaseException | None) -> None:
        ended()
        if not done.done():
            done.set_result((value, error))

    def run() -> None:
        value: Result | None = None
        caught: BaseException | None = None
        try:
            value = context.run(work)
        except BaseException as error:  # whatever it is, it must not be lost with the thread
            caught = error
        try:
            loop.call_soon_threadsafe(finish, value, caught)
        except RuntimeError:  # the loop has been closed: nobody waits
            pass

    try:
        threading.Thread(target=run, name=f"tool {name}", daemon=True).start()
    except RuntimeError:  # the machine has no more of them
        ended()
        raise
    value, error = await done
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def as_result(value: Any) -> ToolResult:
    """What a function returned, for models and for programs."""
    if isinstance(value, ToolResult):
        return value
    if isinstance(value, str):
        return ToolResult(text=value)
    if value is None:
        return ToolResult(text="Done.")
    data = msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    return ToolResult(text=as_text(data), data=data)
