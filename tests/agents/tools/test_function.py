"""A Python function is a tool: its hints are the schema, its docstring the description."""

import asyncio
import contextvars
import datetime
import enum
import functools
import threading
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict

import pytest
from jsonschema_rs import validator_for
from msgspec import Meta, Struct

from agents.tools.boxes import CONTEXT
from guru.agents.tools.base import ToolContext, ToolResult
from guru.agents.tools.docstrings import read_docstring
from guru.agents.tools.function import AT_ONCE, FunctionTool, tool
from guru.agents.tools.toolbox import Toolbox
from guru.errors import BadRequest, ConfigurationError


@dataclass
class Point:
    """Where something is."""

    x: int
    y: float = 0.0


class Person(TypedDict, total=False):
    name: str
    age: int


class Tree(Struct):
    value: int
    children: list["Tree"] = []


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def everything(
    context: ToolContext,
    text: str,
    number: float,
    choice: Literal["a", "b"],
    point: Point,
    maybe: Optional[int] = None,  # noqa: UP045 - as people write it
    or_none: int | None = None,
    colour: Colour = Colour.RED,
    people: list[Person] = [],  # noqa: B006
    table: dict[str, list[int]] = {"a": [1]},  # noqa: B006
    tree: Tree | None = None,
    when: datetime.date | None = None,
    exact: Annotated[int, Meta(ge=1, le=9, description="From one to nine.")] = 5,
    anything: Any = None,
    untyped=7,
) -> dict[str, Any]:
    """Take everything.

    Args:
        text: A text,
            over two lines.
        number (float): A number: any.
        point: Where.
    """
    return {name: value for name, value in locals().items() if name != "context"} | {"scope": context.scope.tenant}


async def call(function, **arguments):
    made = function if isinstance(function, FunctionTool) else FunctionTool(function)
    return await Toolbox([made]).call(made.spec.name, arguments, CONTEXT)


def test_the_schema_says_what_the_signature_says():
    spec = FunctionTool(everything).spec
    properties = spec.parameters["properties"]
    assert spec.description == "Take everything."
    assert spec.parameters["required"] == ["text", "number", "choice", "point"]
    assert spec.parameters["additionalProperties"] is False
    assert "context" not in properties
    assert properties["text"] == {"type": "string", "description": "A text, over two lines."}
    assert properties["number"] == {"type": "number", "description": "A number: any."}
    assert properties["choice"] == {"type": "string", "enum": ["a", "b"]}
    assert properties["point"]["properties"] == {"x": {"type": "integer"}, "y": {"type": "number", "default": 0.0}}
    assert properties["point"]["description"] == "Where."
    assert properties["maybe"] == properties["or_none"]
    assert properties["maybe"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert properties["colour"]["enum"] == ["blue", "red"] and properties["colour"]["default"] == "red"
    assert properties["people"]["items"]["properties"].keys() == {"name", "age"}
    assert properties["table"]["default"] == {"a": [1]}
    assert properties["tree"]["anyOf"][0] == {"$ref": "#/$defs/Tree"}
    assert properties["exact"] == {"type": "integer", "minimum": 1, "maximum": 9, "description": "From one to nine.",
                                   "default": 5}  # fmt: skip
    assert properties["untyped"] == {"default": 7}
    assert "$ref" not in str({**properties, "tree": 0})
    validator_for(spec.parameters)


async def test_values_come_in_the_functions_own_types():
    seen = {}

    def take(point: Point, colour: Colour, when: datetime.date, tree: Tree, people: list[Person]) -> str:
        seen.update(locals())
        return "ok"

    result = await call(
        take, point={"x": 1}, colour="blue", when="2026-02-03", tree={"value": 1, "children": [{"value": 2}]},
        people=[{"name": "Ann"}],
    )  # fmt: skip
    assert result.text == "ok"
    assert seen["point"] == Point(1) and seen["colour"] is Colour.BLUE and seen["when"] == datetime.date(2026, 2, 3)
    assert seen["tree"].children[0].value == 2 and seen["people"] == [{"name": "Ann"}]


async def test_what_is_left_out_is_the_functions_own_default_and_the_context_is_put_in():
    result = await call(everything, text="t", number=1, choice="b", point={"x": 1})
    assert not result.failed, result.text
    assert result.data["table"] == {"a": [1]} and result.data["scope"] == "local" and result.data["untyped"] == 7


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": "x"}, '"x" is not of type "integer"'),
        ({"n": 1.5}, '1.5 is not of type "integer"'),
        ({"n": 1, "when": "soon"}, "Invalid RFC3339"),
        ({"n": 10**400}, "out of range"),
    ],
)
async def test_what_does_not_fit_is_told(arguments, told):
    def take(n: Annotated[int, Meta(le=10**18)], when: datetime.datetime | None = None) -> int:
        return n

    result = await call(take, **arguments)
    assert result.failed
    assert told in result.text or "not right" in result.text


async def test_a_whole_number_written_as_a_fraction_is_one():
    def take(n: int) -> int:
        assert type(n) is int
        return n

    assert (await call(take, n=3.0)).data == 3


@pytest.mark.parametrize(
    ("value", "text", "data"),
    [
        ("text", "text", None),
        (None, "Done.", None),
        (3, "3", 3),
        (Point(1, 2.0), '{"x":1,"y":2.0}', {"x": 1, "y": 2.0}),
        ([Tree(1)], '[{"value":1,"children":[]}]', [{"value": 1, "children": []}]),
        ({"é": Colour.RED}, '{"é":"red"}', {"é": "red"}),
        ({1: datetime.date(2026, 1, 2)}, '{"1":"2026-01-02"}', {"1": "2026-01-02"}),
        (ToolResult(text="mine", data=[1]), "mine", [1]),
        (threading.Lock, '"<built-in function allocate_lock>"', "<built-in function allocate_lock>"),
    ],
)
async def test_what_is_returned_is_text_and_data(value, text, data):
    result = await call(FunctionTool(lambda: value, name="give"))
    assert (result.text, result.data) == (text, data)


def test_what_is_returned_has_a_schema_where_the_function_says_so():
    def point() -> Point:
        return Point(1)

    def text() -> str:
        return ""

    assert FunctionTool(point).spec.output["properties"].keys() == {"x", "y"}
    assert FunctionTool(text).spec.output is None
    assert FunctionTool(lambda: 1, name="x").spec.output is None


async def test_a_synchronous_function_runs_in_a_thread_and_holds_up_nobody():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    def slow() -> str:
        time.sleep(0.2)
        return threading.current_thread().name

    ticking = asyncio.create_task(tick())
    assert (await call(slow)).text == "tool slow"
    ticking.cancel()
    assert ticks > 5


async def test_a_thread_sees_the_context_that_the_call_was_made_in():
    variable = contextvars.ContextVar("variable")
    variable.set("mine")

    def look() -> str:
        return variable.get()

    assert (await call(look)).text == "mine"


async def test_a_function_that_hangs_is_given_up_and_others_go_on():
    release = threading.Event()
    hang = FunctionTool(lambda: release.wait(30), name="hang", timeout=0.01)
    box = Toolbox([hang])
    try:
        told = [(await box.call("hang", "", CONTEXT)).text for _ in range(AT_ONCE + 1)]
        assert told[0].startswith("hang took longer")
        assert told[-1].startswith(f"{AT_ONCE} calls of hang are still at work.")
        assert (await call(FunctionTool(lambda: "here", name="other"))).text == "here"
    finally:
        release.set()
    async with asyncio.timeout(10):
        while (await box.call("hang", "", CONTEXT)).failed:
            await asyncio.sleep(0.01)


def exits() -> None:
    raise SystemExit(3)


def stops() -> None:
    raise StopIteration


async def exits_async() -> None:
    raise SystemExit("bye")


def divides() -> float:
    return 1 / 0


def refuses() -> None:
    raise BadRequest("Not on Sundays.", hint="Come on Monday.")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (exits, "RuntimeError: SystemExit 3"),
        (exits_async, "RuntimeError: SystemExit bye"),
        (stops, "RuntimeError: coroutine raised StopIteration"),
        (divides, "ZeroDivisionError: division by zero"),
        (refuses, "Not on Sundays. Come on Monday."),
    ],
)
async def test_whatever_a_function_raises_is_told_and_harms_nobody(function, told):
    result = await call(function)
    assert (result.text, result.failed) == (told, True)


async def test_methods_partials_and_callable_objects_are_tools_too():
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, by: int = 1) -> int:
            """Count on."""
            self.count += by
            return self.count

        async def __call__(self, by: int) -> int:
            return by * 2

    counter = Counter()
    assert (await call(counter.add, by=2)).data == 2
    assert (await call(FunctionTool(counter, name="double"), by=4)).data == 8
    assert (await call(FunctionTool(functools.partial(counter.add, by=5), name="five"))).data == 7


def test_the_decorator_takes_what_the_specification_has():
    @tool(name="drop", effect="write", approval=True, repeatable=False, timeout=3.0, description="Drop it.")
    def anything() -> None: ...

    spec = anything.spec
    assert (spec.name, spec.effect, spec.approval, spec.repeatable, spec.timeout, spec.description) == (
        "drop", "write", True, False, 3.0, "Drop it.")  # fmt: skip


def variadic(*numbers: int) -> None: ...
def keywords(**options: int) -> None: ...
def positional(a: int, /) -> None: ...
def unsayable(a: threading.Thread) -> None: ...
def unknown(a: "Nowhere") -> None: ...  # noqa: F821
def generates():
    yield 1


@pytest.mark.parametrize("function", [variadic, keywords, positional, unsayable, unknown, generates])
def test_what_json_cannot_give_is_refused_when_the_tool_is_made(function):
    with pytest.raises(ConfigurationError, match=function.__name__) as raised:
        FunctionTool(function)
    assert raised.value.hint


GOOGLE = """Do it.

More of it.

Args:
    first (int, optional): The first: of all.
        It goes on.
    *second: The second.
    third
Returns:
    first: not this.
"""
NUMPY = """Do it.

More of it.

Parameters
----------
first : int, optional
    The first: of all.
    It goes on.
second, other : str
    The second.

Returns
-------
first : int
    Not this.
"""
REST = """Do it.

More of it.

:param int first: The first: of all.
    It goes on.
:param second: The second.
:type second: str
:returns: not this
"""


@pytest.mark.parametrize("style", [GOOGLE, NUMPY, REST])
def test_docstrings_are_read_in_three_styles(style):
    described = read_docstring(style)
    assert described.text == "Do it.\n\nMore of it."
    assert described.parameters["first"] == "The first: of all. It goes on."
    assert described.parameters["second"].startswith("The second.")
    assert "not this" not in str(described).lower()


@pytest.mark.parametrize(
    "doc", [None, "", "   ", "Args:", "Args:\n", ":param", "Parameters\n---", "-----", "Args:\n  a"]
)
def test_odd_docstrings_harm_nothing(doc):
    assert read_docstring(doc).parameters == {}
