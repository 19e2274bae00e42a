"""What is wrong with a workflow beyond its form, all at once: where steps lead, what paths and templates name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import UNSET, Struct

from guru.agents.workflows.conditions import as_timestamp, parse_condition, variables_of
from guru.agents.workflows.definition import (
    DOES,
    AnyStep,
    Choice,
    Fail,
    Going,
    Human,
    Map,
    Step,
    Succeed,
    Task,
    Wait,
    Workflow,
    Working,
    blocks_of,
    exits_of,
)
from guru.agents.workflows.errors import ALL
from guru.agents.workflows.expressions import Expression, expressions_in, paths_of
from guru.agents.workflows.paths import BadPath, Path, parse_path
from guru.agents.workflows.reading import Problem
from guru.agents.workflows.schemas import problem_of_schema

ROOTS = {"$", "$$", "input", "steps", "run"}
IN_MAP = {"item", "index"}


class Known(Struct, kw_only=True):
    """What tasks may name. None: it is not known here, and nothing is said of it."""

    tools: Collection[str] | None = None
    agents: Collection[str] | None = None


class Scope(Struct, kw_only=True):
    """What the steps of one block can see."""

    steps: dict[str, AnyStep]
    before: dict[str, set[str]]
    """The steps that can have run before each."""
    outer: frozenset[str]
    """Steps of the blocks around, which have run before."""
    in_map: bool
    input: dict[str, Any] | None


def check(workflow: Workflow, known: Known | None = None) -> list[Problem]:
    """Everything that is wrong; nothing is, where the list is empty."""
    found: list[Problem] = []
    if workflow.input is not None and (problem := problem_of_schema(workflow.input)):
        found.append(Problem("input", problem))
    found += check_block(workflow.steps, workflow.start, "", workflow.input, known or Known())
    return found


def check_block(
    steps: dict[str, AnyStep], start: str, place: str, schema: dict[str, Any] | None, known: Known, *,
    outer: frozenset[str] = frozenset(), in_map: bool = False,
) -> Iterator[Problem]:  # fmt: skip
    prefix = f"{place}." if place else ""
    yield from check_ways(steps, start, prefix)
    scope = Scope(steps=steps, before=runs_before(steps), outer=outer, in_map=in_map, input=schema)
    for name, step in steps.items():
        here = f"{prefix}steps.{name}"
        yield from check_step(name, step, here, scope, known)
        for inner, inner_steps, inner_start in blocks_of(step):
            yield from check_block(
                inner_steps, inner_start, f"{here}.{inner}" if inner else here, schema, known,
                outer=outer | scope.before[name], in_map=in_map or isinstance(step, Map),
            )  # fmt: skip


# --------------------------------------------------------------------------- where steps lead


def check_ways(steps: dict[str, AnyStep], start: str, prefix: str) -> Iterator[Problem]:
    """Targets that there are not, missing ends, steps that nothing leads to, and circles that nothing leads out of."""
    if start not in steps:
        yield Problem(f"{prefix}start", f"There is no step {start!r}.{meant(start, steps)}")
    for name, step in steps.items():
        here = f"{prefix}steps.{name}"
        for place, target, _ in exits_of(step):
            if target not in steps:
                yield Problem(f"{here}.{place}", f"There is no step {target!r}.{meant(target, steps)}")
        if isinstance(step, Going):
            if step.next is None and not step.end:
                yield Problem(here, "It leads nowhere: give `next`, or `end = true`.")
            elif step.next is not None and step.end:
                yield Problem(here, "`next` and `end` exclude each other.")
    if start in steps:
        yield from check_reach(steps, start, prefix)


def check_reach(steps: dict[str, AnyStep], start: str, prefix: str) -> Iterator[Problem]:
    ways = ways_of(steps)
    reached = closure(ways, {start})
    for name in (name for name in steps if name not in reached):
        yield Problem(f"{prefix}steps.{name}", "No step leads to it.")
    back: dict[str, set[str]] = {name: set() for name in steps}
    for name, targets in ways.items():
        for target in targets:
            back[target].add(name)
    # What leads to a step that leads nowhere is no circle; of that step it is said already.
    ends = {name for name, step in steps.items() if is_end(step) or not ways[name]}
    stuck = reached - closure(back, ends)
    for name in (name for name in steps if name in stuck):
        yield Problem(f"{prefix}steps.{name}", "It is in a circle that leads to no end.")


def ways_of(steps: dict[str, AnyStep]) -> dict[str, set[str]]:
    """Where each step may go on, of those that there are."""
    return {name: {target for _, target, _ in exits_of(step) if target in steps} for name, step in steps.items()}


def is_end(step: AnyStep) -> bool:
    return isinstance(step, Succeed | Fail) or (isinstance(step, Going) and step.end)


def closure(ways: dict[str, set[str]], start: set[str]) -> set[str]:
    """All that can be reached, the start with it."""
    seen, pending = set(start), list(start)
    while pending:
        for target in ways[pending.pop()] - seen:
            seen.add(target)
            pending.append(target)
    return seen


def runs_before(steps: dict[str, AnyStep]) -> dict[str, set[str]]:
    """For each step, those from which a way leads to it; in a circle, it is one of them."""
    ways = ways_of(steps)
    before: dict[str, set[str]] = {name: set() for name in steps}
    for name, targets in ways.items():
        for target in closure(ways, targets) if targets else ():
            before[target].add(name)
    return before


def meant(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


# --------------------------------------------------------------------------- one step


def check_step(name: str, step: AnyStep, here: str, scope: Scope, known: Known) -> Iterator[Problem]:
    before = scope.outer | scope.before[name]
    for place, expression in expressions_of(step):
        yield from check_expression(f"{here}.{place}", expression, before, scope)
    if isinstance(step, Step):
        yield from check_paths(step, here)
    if isinstance(step, Working):
        yield from check_errors(step, here)
    if isinstance(step, Task):
        yield from check_task(step, here, known)
    elif isinstance(step, Human):
        if not step.decisions and step.form is None:
            yield Problem(here, "There is nothing to answer: give `decisions`, `form` or both.")
        if step.form is not None and (problem := problem_of_schema(step.form)):
            yield Problem(f"{here}.form", problem)
        for number, person in enumerate(step.people):
            if not person.startswith(("user:", "team:")):
                yield Problem(f"{here}.people[{number}]", "Write `user:NAME` or `team:NAME`.")
    elif isinstance(step, Wait):
        yield from check_wait(step, here)
    elif isinstance(step, Choice):
        yield from check_choice(step, here, before, scope)


def expressions_of(step: AnyStep) -> Iterator[tuple[str, Expression | BadPath]]:
    """Every expression of a step's templates, the steps within it aside."""
    names = ("parameters", "result_selector", "prompt", "system", "question", "collection", "model", "text", "title",
             "items", "item", "seconds", "until", "error", "cause")  # fmt: skip
    for name in names:
        value = getattr(step, name, UNSET)
        if value is not UNSET and value is not None:
            inner = expressions_in(value, name)
            yield from (("item!" + place[4:], found) for place, found in inner) if name == "item" else inner


def check_expression(
    place: str, found: Expression | BadPath, before: Collection[str], scope: Scope
) -> Iterator[Problem]:
    in_map = scope.in_map or ".item!" in place
    place = place.replace(".item!", ".item")
    if isinstance(found, BadPath):
        yield Problem(place, str(found))
        return
    for path in paths_of(found):
        yield from check_path(place, path, before, scope, in_map=in_map)


def check_path(place: str, path: Path, before: Collection[str], scope: Scope, *, in_map: bool) -> Iterator[Problem]:
    """Whether what a path begins with is there."""
    first = getattr(path.segments[0], "name", None) if path.segments else None
    if path.root not in (ROOTS | IN_MAP if in_map else ROOTS):
        roots = ", ".join(sorted(ROOTS | IN_MAP if in_map else ROOTS))
        yield Problem(place, f"{path.text}: there is no {path.root!r} here; there are {roots}.")
    elif path.root == "steps" and first is not None and first not in before:
        if first in scope.steps:
            yield Problem(place, f"{path.text}: {first!r} never runs before this step.")
        else:
            yield Problem(place, f"{path.text}: there is no step {first!r}.{meant(first, before)}")
    elif path.root == "input" and first is not None and scope.input is not None:
        properties = scope.input.get("properties", {})
        if scope.input.get("additionalProperties") is False and first not in properties:
            yield Problem(place, f"{path.text}: the input has no {first!r}.{meant(first, properties)}")


def check_paths(step: Step, here: str) -> Iterator[Problem]:
    for name in ("input_path", "output_path", "result_path"):
        text = getattr(step, name, None)
        if text:
            yield from check_one_path(f"{here}.{name}", text, reference=name == "result_path")
    for number, catch in enumerate(getattr(step, "catch", ())):
        if catch.result_path:
            yield from check_one_path(f"{here}.catch[{number}].result_path", catch.result_path, reference=True)


def check_one_path(place: str, text: str, *, reference: bool) -> Iterator[Problem]:
    try:
        path = parse_path(text)
    except BadPath as error:
        yield Problem(place, str(error))
        return
    if path.root not in ("$", "$$"):
        yield Problem(place, f"{text} must begin with `$`.")
    elif reference and (not path.reference or path.root != "$"):
        yield Problem(place, f"{text} must name one place: `$`, names and indexes.")


def check_errors(step: Working, here: str) -> Iterator[Problem]:
    """`States.ALL` stands alone and last, as nothing after it is ever looked at."""
    for kind in ("retry", "catch"):
        rules = getattr(step, kind)
        for number, rule in enumerate(rules):
            place = f"{here}.{kind}[{number}].errors"
            if not rule.errors:
                yield Problem(place, "Name the errors that are meant.")
            if ALL in rule.errors and (len(rule.errors) > 1 or number < len(rules) - 1):
                yield Problem(place, f"{ALL} stands alone and in the last rule.")


def check_task(step: Task, here: str, known: Known) -> Iterator[Problem]:
    given = [name for name in DOES if getattr(step, name) is not None]
    if step.agent is not None and "prompt" in given:
        given.remove("prompt")
    if len(given) != 1:
        yield Problem(here, f"A task does one thing: {', '.join(f'`{name}`' for name in DOES)}.")
        return
    if step.question is not None and step.collection is None:
        yield Problem(here, "A `question` needs a `collection`.")
    if step.agent is not None and step.prompt is None:
        yield Problem(here, "An `agent` needs a `prompt`.")
    if step.schema is not None and (problem := problem_of_schema(step.schema)):
        yield Problem(f"{here}.schema", problem)
    for name, names in (("tool", known.tools), ("agent", known.agents)):
        called = getattr(step, name)
        if called is not None and names is not None and called not in names:
            there = f" There are: {', '.join(sorted(names)[:20])}." if names else " There are none."
            yield Problem(f"{here}.{name}", f"There is no {name} {called!r}.{meant(called, names) or there}")


def check_wait(step: Wait, here: str) -> Iterator[Problem]:
    if (step.seconds is None) == (step.until is None):
        yield Problem(here, "Give `seconds` or `until`.")
    if isinstance(step.seconds, int | float) and not 0 <= step.seconds <= 3.2e7:
        yield Problem(f"{here}.seconds", "Between 0 and a year.")
    elif isinstance(step.seconds, str) and "{{" not in step.seconds:
        yield Problem(f"{here}.seconds", "A number, or a template that gives one.")
    if step.until is not None and "{{" not in step.until and as_timestamp(step.until) is None:
        yield Problem(f"{here}.until", f"{step.until!r} is no time such as 2027-03-01T09:00:00Z.")


def check_choice(step: Choice, here: str, before: Collection[str], scope: Scope) -> Iterator[Problem]:
    if not step.choices:
        yield Problem(f"{here}.choices", "There is nothing to choose from.")
    for number, rule in enumerate(step.choices):
        place = f"{here}.choices[{number}]"
        if not isinstance(rule.get("next"), str):
            yield Problem(place, "`next` is missing.")
        try:
            condition = parse_condition(rule)
        except BadPath as error:
            yield Problem(place, str(error))
            continue
        for path in variables_of(condition):
            yield from check_path(place, path, before, scope, in_map=scope.in_map)
