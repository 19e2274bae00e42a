"""Workflows declared in Python: steps follow each other in the order in which they are written.

refund = Flow("refund", description="Pays back what is due.")
refund.task("look_up", tool="orders", parameters={"id": "{{ input.order }}"})
refund.choice("large", (var("steps.look_up.output.total").greater_than(100), "ask"), default="pay")
refund.human("ask", title="Refund {{ input.order }}?", decisions=["yes", "no"])
refund.task("pay", tool="pay", parameters={"order": "{{ input.order }}"})
definition = refund.build()                     # the same as from TOML: check it, save it, draw it
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from guru.agents.workflows.check import check
from guru.agents.workflows.definition import Workflow
from guru.agents.workflows.reading import first_problem, read
from guru.types import JSON

GOING = ("task", "human", "map", "parallel", "pass", "wait")


class Steps:
    """Steps in a row. One without `next` goes on to the one that is written after it; the last is an end."""

    def __init__(self) -> None:
        self._steps: dict[str, JSON] = {}

    def task(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "task", fields)

    def human(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "human", fields)

    def wait(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "wait", fields)

    def pass_(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "pass", fields)

    def succeed(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "succeed", fields)

    def fail(self, name: str, **fields: Any) -> Steps:
        return self._add(name, "fail", fields)

    def map(self, name: str, each: Steps, **fields: Any) -> Steps:
        """The steps of `each` for every item of `items`."""
        return self._add(name, "map", {**each.block(), **fields})

    def parallel(self, name: str, *branches: Steps, **fields: Any) -> Steps:
        return self._add(name, "parallel", {"branches": [branch.block() for branch in branches], **fields})

    def choice(self, name: str, *ways: tuple[Rule, str], default: str | None = None) -> Steps:
        """Where the first rule that holds leads: `(var("$.total").greater_than(100), "ask")`."""
        fields: JSON = {"choices": [{**rule.plain, "next": target} for rule, target in ways]}
        return self._add(name, "choice", fields | ({} if default is None else {"default": default}))

    def _add(self, name: str, kind: str, fields: JSON) -> Steps:
        if name in self._steps:
            raise ValueError(f"There are two steps called {name!r}.")
        self._steps[name] = {"kind": kind, **fields}
        return self

    def block(self) -> JSON:
        """`start` and `steps`, as a definition has them."""
        names = list(self._steps)
        steps = {}
        for name, following in zip(names, [*names[1:], None], strict=True):
            step = self._steps[name]
            if step["kind"] in GOING and not step.get("next") and not step.get("end"):
                step = {**step, **({"end": True} if following is None else {"next": following})}
            steps[name] = step
        return {"start": names[0] if names else "", "steps": steps}


class Flow(Steps):
    """A whole workflow."""

    def __init__(self, name: str, **fields: Any) -> None:
        """`fields` are those of a definition: `description`, `input`, `deadline`, `max_steps`."""
        super().__init__()
        self._top = {"name": name, **fields}

    def declaration(self) -> JSON:
        """The definition as JSON has it, unchecked."""
        return {**self._top, **self.block()}

    def build(self) -> Workflow:
        """Raises `InvalidParameter`, which says all that is wrong."""
        workflow, problems = read(self.declaration())
        if workflow is not None:
            problems = check(workflow)
        if workflow is None or problems:
            raise first_problem(problems)
        return workflow


class Rule(Struct, frozen=True):
    """A condition: `&`, `|` and `~` put them together."""

    plain: JSON

    def __and__(self, other: Rule) -> Rule:
        return Rule({"and": [self.plain, other.plain]})

    def __or__(self, other: Rule) -> Rule:
        return Rule({"or": [self.plain, other.plain]})

    def __invert__(self) -> Rule:
        return Rule({"not": self.plain})


class Variable(Struct, frozen=True):
    """A value that a rule looks at; the type of what it is compared with says how they are compared."""

    path: str

    def equals(self, value: str | float | bool) -> Rule:
        return self._compare("equals", value)

    def less_than(self, value: str | float) -> Rule:
        return self._compare("less_than", value)

    def greater_than(self, value: str | float) -> Rule:
        return self._compare("greater_than", value)

    def matches(self, pattern: str) -> Rule:
        """`*` stands for any text."""
        return Rule({"variable": self.path, "string_matches": pattern})

    def is_present(self, present: bool = True) -> Rule:
        return Rule({"variable": self.path, "is_present": present})

    def is_null(self, null: bool = True) -> Rule:
        return Rule({"variable": self.path, "is_null": null})

    def _compare(self, name: str, value: str | float | bool) -> Rule:
        kind = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "numeric"
        return Rule({"variable": self.path, f"{kind}_{name}": value})


def var(path: str) -> Variable:
    """A value by its path: `$.total` or `steps.look_up.output.total`."""
    return Variable(path)
