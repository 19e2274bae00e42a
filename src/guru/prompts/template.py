"""The templates of messages: Jinja's syntax, without its power.

Jinja reads them, and nothing of it runs: what it read is a tree, of which only what is listed in `ALLOWED` may be in
one, and `guru.prompts.rendering` walks it. There are variables (`{{ name }}`, `{{ order.lines[0] }}`), filters
(`{{ names | join(", ") }}`), sections (`{% if %}`, `{% for %}` over lists), comparisons and comments. There are no
calls, no assignments, no macros, no includes and no attributes of Python objects. A value that is filled in is text:
what looks like a template in it stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.errors import InvalidParameter
from guru.prompts.filters import FILTERS

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import Node

ALLOWED: Final = frozenset({
    "Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "Filter", "If", "For", "CondExpr",
    "And", "Or", "Not", "Compare", "Operand", "Test",
})  # fmt: skip
TESTS: Final = frozenset({"defined", "undefined", "none"})
SCALARS: Final = (str, int, float, bool, type(None))
MAX_DEPTH: Final = 40
"""Sections and expressions inside each other."""
SYNTAX: Final = "A prompt may have {{ variables }}, filters, {% if %} and {% for %} over lists."


class Template(Struct, frozen=True):
    """A text that has been read and found harmless."""

    tree: Any
    """A `jinja2.nodes.Template`."""
    names: frozenset[str]
    """The variables that it reads."""


@cache
def environment() -> Environment:
    """Reads templates. Lines that hold only a section's tag leave no line behind."""
    from jinja2 import Environment

    # Nothing is rendered by it, and a prompt is no HTML.
    return Environment(keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701


@lru_cache(maxsize=128)
def parse(source: str) -> Template:
    """Read a template. Raises `InvalidParameter` that names the line of what it may not have."""
    from jinja2 import TemplateSyntaxError

    try:
        tree = environment().parse(source)
        check(tree)
        return Template(tree, frozenset(free_names(tree, frozenset())))
    except TemplateSyntaxError as error:
        raise InvalidParameter(f"Line {error.lineno}: {error.message}", hint=SYNTAX) from None
    except (RecursionError, ValueError, OverflowError):  # a number of thousands of digits, among others
        raise InvalidParameter("The template is too complicated.", hint="Write less into one expression.") from None


def check(tree: Node) -> None:
    """Raises `InvalidParameter` for what is not allowed."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise forbidden(node, "what is nested so deeply")
        refuse(node)
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def refuse(node: Any) -> None:
    kind = type(node).__name__
    if kind not in ALLOWED:
        raise forbidden(node, WORDS.get(kind, f"`{kind.lower()}`"))
    if kind == "Filter" and node.name not in FILTERS:
        raise forbidden(node, f"the filter `{node.name}`", f"There are {', '.join(sorted(FILTERS))}.")
    if kind == "Filter" and (node.node is None or node.dyn_args or node.dyn_kwargs):
        raise forbidden(node, "a filter without a value")
    if kind == "Test" and node.name not in TESTS:
        raise forbidden(node, f"the test `{node.name}`", f"There are {', '.join(sorted(TESTS))}.")
    if kind == "For" and (node.recursive or type(node.target).__name__ != "Name"):
        raise forbidden(node, "a loop over anything but the items of a list")
    if kind == "Getitem" and type(node.arg).__name__ != "Const":
        raise forbidden(node, "an index that is not written out")
    if kind == "Const" and not isinstance(node.value, SCALARS):
        raise forbidden(node, f"`{node.value!r}`")


WORDS: Final = {
    "Call": "a call", "Assign": "`set`", "AssignBlock": "`set`", "Macro": "a macro", "CallBlock": "a call",
    "Include": "`include`", "Import": "`import`", "FromImport": "`import`", "Extends": "`extends`", "Block": "a block",
    "FilterBlock": "a filter around a block", "With": "`with`", "Add": "arithmetic", "Sub": "arithmetic",
    "Mul": "arithmetic", "Div": "arithmetic", "FloorDiv": "arithmetic", "Mod": "arithmetic", "Pow": "arithmetic",
    "Neg": "arithmetic", "Pos": "arithmetic", "Concat": "`~`", "List": "a list", "Tuple": "a list", "Dict": "an object",
    "Slice": "a slice",
}  # fmt: skip


def forbidden(node: Any, what: str, hint: str = SYNTAX) -> InvalidParameter:
    return InvalidParameter(f"Line {node.lineno}: {what} cannot be in a prompt.", hint=hint)


def free_names(node: Any, bound: frozenset[str]) -> Iterator[str]:
    """The variables that a part reads, but for those of the loops around it."""
    kind = type(node).__name__
    if kind == "Name":
        if node.name not in bound:
            yield node.name
        return
    if kind == "For":
        yield from free_names(node.iter, bound)
        for child in node.else_:
            yield from free_names(child, bound)
        inside = bound | {node.target.name, "loop"}
        for child in [*node.body, *([node.test] if node.test is not None else [])]:
            yield from free_names(child, inside)
        return
    for child in node.iter_child_nodes():
        yield from free_names(child, bound)
