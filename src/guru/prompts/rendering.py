"""Fills values into a template: walks the tree that `guru.prompts.template` has checked, and counts every step.

Values are plain data, as JSON has it. They are read and copied, never rendered: a text that has `{{` in it comes out
as it went in. Work and size are bounded, whatever the loops.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from guru.errors import InvalidParameter
from guru.prompts.filters import FILTERS, bounded, shown
from guru.prompts.template import SCALARS, Template

MAX_WORK: Final = 10_000_000
"""Characters handled, over all, and what steps count for: less than a second."""
STEP: Final = 5
"""What looking at one part of a template counts for, and one turn of a loop beside what is in it."""
TURN: Final = 50
COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lteq": operator.le, "gt": operator.gt,
    "gteq": operator.ge, "in": lambda item, among: item in among, "notin": lambda item, among: item not in among,
}  # fmt: skip
Values = Mapping[str, Any]


class Missing(Exception):
    """A member that an object does not have, or an item that a list does not have."""


def render(template: Template, values: Values) -> str:
    """The text. Raises `InvalidParameter` for a member that is missing and for what grows too large."""
    return Renderer().render(template, values)


class Renderer:
    """One rendering, whose work is counted; several templates may share it, and so its bounds."""

    def __init__(self) -> None:
        self._work = 0
        self._size = 0

    def render(self, template: Template, values: Values) -> str:
        written: list[str] = []
        try:
            self._write(template.tree.body, values, written)
        except Missing as error:
            raise InvalidParameter(
                f"{error} is missing.", hint="Fill it in, or write `| default(...)` behind it in the prompt."
            ) from None
        return "".join(written)

    def _spend(self, amount: int) -> None:
        self._work += STEP + amount
        if self._work > MAX_WORK:
            raise InvalidParameter("The prompt takes too much work.", hint="Fill in less, or loop over less.")

    def _emit(self, text: str, written: list[str]) -> None:
        self._size += len(text)
        bounded(self._size)
        self._spend(len(text))
        written.append(text)

    # ----------------------------------------------------------------------- sections

    def _write(self, nodes: list[Any], values: Values, written: list[str]) -> None:
        for node in nodes:
            match type(node).__name__:
                case "TemplateData":
                    self._emit(node.data, written)
                case "Output":
                    self._write(node.nodes, values, written)
                case "If":
                    self._write(self._branch(node, values), values, written)
                case "For":
                    self._loop(node, values, written)
                case _:
                    self._emit(shown(self._value(node, values)), written)

    def _branch(self, node: Any, values: Values) -> list[Any]:
        for branch in (node, *node.elif_):
            if self._value(branch.test, values):
                body: list[Any] = branch.body
                return body
        otherwise: list[Any] = node.else_
        return otherwise

    def _loop(self, node: Any, values: Values, written: list[str]) -> None:
        items = self._value(node.iter, values)
        if items is None:
            items = []
        if not isinstance(items, list):
            raise InvalidParameter(
                f"Line {node.lineno}: a loop needs a list.", hint="Declare the variable as a list, and fill in a list."
            )
        self._spend(TURN * len(items))
        name = node.target.name
        if node.test is not None:
            items = [item for item in items if self._value(node.test, {**values, name: item})]
        for place, item in enumerate(items):
            loop = {
                "index": place + 1, "index0": place, "first": place == 0, "last": place == len(items) - 1,
                "length": len(items),
            }  # fmt: skip
            self._write(node.body, {**values, name: item, "loop": loop}, written)
        if not items:
            self._write(node.else_, values, written)

    # ----------------------------------------------------------------------- expressions

    def _value(self, node: Any, values: Values) -> Any:
        self._spend(0)
        match type(node).__name__:
            case "Const":
                return node.value
            case "TemplateData":
                return node.data
            case "Name":
                if node.name not in values:
                    raise Missing(f"`{node.name}`")
                return values[node.name]
            case "Getattr":
                return member(self._value(node.node, values), node.attr)
            case "Getitem":
                return member(self._value(node.node, values), node.arg.value)
            case "Filter":
                return self._filter(node, values)
            case _:
                return self._condition(node, values)

    def _condition(self, node: Any, values: Values) -> Any:
        match type(node).__name__:
            case "Not":
                return not self._value(node.node, values)
            case "And":
                return self._value(node.left, values) and self._value(node.right, values)
            case "Or":
                return self._value(node.left, values) or self._value(node.right, values)
            case "CondExpr":
                return self._choice(node, values)
            case "Compare":
                return self._compare(node, values)
            case _:
                return self._test(node, values)

    def _choice(self, node: Any, values: Values) -> Any:
        if self._value(node.test, values):
            return self._value(node.expr1, values)
        return None if node.expr2 is None else self._value(node.expr2, values)

    def _compare(self, node: Any, values: Values) -> bool:
        left = self._value(node.expr, values)
        for operand in node.ops:
            right = self._value(operand.expr, values)
            among = operand.op in ("in", "notin")
            if not isinstance(left, SCALARS) or not (among or isinstance(right, SCALARS)):
                raise InvalidParameter(
                    f"Line {node.lineno}: only texts, numbers and truth values are compared.",
                    hint="Compare a member, or use `| length`.",
                )
            self._spend(len(right) if isinstance(right, str | list | dict) else 0)
            try:
                if not COMPARISONS[operand.op](left, right):
                    return False
            except TypeError:
                raise InvalidParameter(
                    f"Line {node.lineno}: values of such types cannot be compared.",
                    hint="Compare texts with texts and numbers with numbers.",
                ) from None
            left = right
        return True

    def _test(self, node: Any, values: Values) -> bool:
        try:
            value = self._value(node.node, values)
        except Missing:
            value = None
        # An optional variable that is not given is not there: nobody tells it from null.
        return (value is not None) if node.name == "defined" else value is None

    def _filter(self, node: Any, values: Values) -> Any:
        try:
            value = self._value(node.node, values)
        except Missing:
            if node.name != "default":
                raise
            value = None
        self._spend(len(value) if isinstance(value, str) else 0)
        arguments = [self._value(argument, values) for argument in node.args]
        named = {pair.key: self._value(pair.value, values) for pair in node.kwargs}
        try:
            made = FILTERS[node.name](value, *arguments, **named)
        except (TypeError, ValueError, OverflowError):
            raise InvalidParameter(
                f"Line {node.lineno}: the filter `{node.name}` does not take that.",
                hint="See the filters in the documentation of prompts.",
            ) from None
        if isinstance(made, str):
            bounded(len(made))
            self._spend(len(made))
        return made


def member(value: Any, key: Any) -> Any:
    """A member of an object or an item of a list; nothing of nothing."""
    if value is None:
        return None
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and type(key) is int and -len(value) <= key < len(value):
        return value[key]
    raise Missing(f"`{key}` of what is filled in")
