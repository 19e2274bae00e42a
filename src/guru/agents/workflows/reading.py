"""Definitions as people write them (TOML, YAML, JSON) made into a `Workflow`; all that is wrong, with its place."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from guru.agents.workflows.definition import (
    KINDS,
    MAX_NESTING,
    MAX_STEPS,
    MAX_WAYS,
    Block,
    Workflow,
    blocks_of,
    exits_of,
)
from guru.errors import InvalidParameter

Format = Literal["toml", "yaml", "json", "asl"]
MAX_TEXT: Final = 1 << 20


class Problem(Struct, frozen=True):
    """One thing that is wrong, and where: `steps.review.next`."""

    place: str
    message: str


def parse(text: str, format: Format) -> dict[str, Any]:
    """The object that a text has. Raises `InvalidParameter`."""
    if len(text) > MAX_TEXT:
        raise InvalidParameter(f"A definition has at most {MAX_TEXT:,} characters.", hint="Make several of it.")
    try:
        found = tomllib.loads(text) if format == "toml" else parse_yaml(text) if format == "yaml" else json.loads(text)
        # Dates of TOML and YAML become text, as JSON has them.
        found = msgspec.json.decode(msgspec.json.encode(found))
    except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidParameter(
            f"The definition is no {format.upper()}: {error}", hint="Mend the text, or say which format it has."
        ) from None
    if not isinstance(found, dict):
        raise InvalidParameter("The definition is no object.", hint="Begin with `name`, `start` and `steps`.")
    return found


def parse_yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise InvalidParameter(
            "YAML needs a package that is not installed.", hint="pip install 'guru[yaml]', or write TOML."
        ) from None
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ValueError("aliases are not taken: a few lines of them can stand for gigabytes")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def read(plain: dict[str, Any]) -> tuple[Workflow | None, list[Problem]]:
    """The workflow, or what is wrong with its form: an unknown field, a wrong type, a step of no kind."""
    problems: list[Problem] = []
    steps = read_steps(plain.get("steps"), "steps", problems, depth=0)
    rest = {name: value for name, value in plain.items() if name != "steps"}
    top = convert({**rest, "steps": {}}, Workflow, "", problems)
    if top is None or problems or steps is None:
        return None, problems
    workflow: Workflow = msgspec.structs.replace(top, steps=steps)
    if (count := count_steps(workflow.steps)) > MAX_STEPS:
        problems.append(Problem("steps", f"There are {count} steps; a workflow has at most {MAX_STEPS}."))
    if (count := count_ways(workflow.steps)) > MAX_WAYS:
        problems.append(Problem("steps", f"There are {count:,} ways between steps; at most {MAX_WAYS:,} can be."))
    return (None if problems else workflow), problems


def read_steps(plain: Any, place: str, problems: list[Problem], depth: int) -> dict[str, Any] | None:
    if not isinstance(plain, dict) or not plain:
        problems.append(Problem(place, "Steps are missing: a table with a name for each."))
        return None
    if depth > MAX_NESTING:
        problems.append(Problem(place, f"Steps are within steps at most {MAX_NESTING} deep."))
        return None
    return {name: read_step(name, step, f"{place}.{name}", problems, depth) for name, step in plain.items()}


def read_step(name: str, plain: Any, place: str, problems: list[Problem], depth: int) -> Any:
    """A step, with the steps in it; each is looked at by itself, so that all that is wrong is said at once."""
    if not name or len(name) > 80 or any(not letter.isprintable() or letter in "/#~" for letter in name):
        problems.append(Problem(place, "The name of a step has 1 to 80 printable characters, and none of `/#~`."))
    if not isinstance(plain, dict):
        problems.append(Problem(place, "A step is a table."))
        return None
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(KINDS)}."
        problems.append(Problem(f"{place}.kind", f"There is no kind {kind!r}.{meant}"))
        return None
    inner: dict[str, Any] = {}
    placeholder: dict[str, Any] = {}
    if kind == "map":
        inner["steps"] = read_steps(plain.get("steps"), f"{place}.steps", problems, depth + 1)
        placeholder["steps"] = {}
    elif kind == "parallel":
        inner["branches"] = read_branches(plain.get("branches"), f"{place}.branches", problems, depth + 1)
        placeholder["branches"] = []
    step = convert({**plain, **placeholder}, KINDS[kind], place, problems)
    return step if step is None or not inner else msgspec.structs.replace(step, **inner)


def read_branches(plain: Any, place: str, problems: list[Problem], depth: int) -> list[Block]:
    if not isinstance(plain, list) or not plain:
        problems.append(Problem(place, "Branches are missing: a list of tables with `start` and `steps`."))
        return []
    found = []
    for number, branch in enumerate(plain):
        here = f"{place}[{number}]"
        if not isinstance(branch, dict):
            problems.append(Problem(here, "A branch is a table with `start` and `steps`."))
            continue
        steps = read_steps(branch.get("steps"), f"{here}.steps", problems, depth)
        if (block := convert({**branch, "steps": {}}, Block, here, problems)) is not None:
            found.append(msgspec.structs.replace(block, steps=steps or {}))
    return found


def convert(plain: dict[str, Any], shape: type[Any], place: str, problems: list[Problem]) -> Any:
    """The struct, or None with problems: `$.retry[0].attempts` of the decoder's words becomes the place."""
    fields = {*shape.__struct_fields__, *(("kind",) if "kind" in plain and shape in KINDS.values() else ())}
    for name in plain.keys() - fields:
        near = difflib.get_close_matches(name, fields, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        problems.append(Problem(join(place, name), f"There is no field {name!r} here.{meant}"))
    try:
        return msgspec.convert({name: value for name, value in plain.items() if name in fields}, shape)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        problems.append(Problem(join(place, at.rstrip("`").removeprefix(".")), f"{message}."))
    except RecursionError:
        problems.append(Problem(place, "It is nested too deep."))
    return None


def join(place: str, rest: str) -> str:
    return f"{place}.{rest}" if place and rest and not rest.startswith("[") else f"{place}{rest}"


def count_steps(steps: dict[str, Any]) -> int:
    return sum(1 + sum(count_steps(inner) for _, inner, _ in blocks_of(step)) for step in steps.values())


def count_ways(steps: dict[str, Any]) -> int:
    """From steps to others, those within steps included."""
    inner = sum(count_ways(block) for step in steps.values() for _, block, _ in blocks_of(step))
    return inner + sum(len(list(exits_of(step))) for step in steps.values())


def first_problem(problems: Iterable[Problem]) -> InvalidParameter:
    """An error that says all of it."""
    told = [f"{problem.place or 'the definition'}: {problem.message}" for problem in problems]
    more = f" (and {len(told) - 10} more)" if len(told) > 10 else ""
    return InvalidParameter(
        "The workflow is not right. " + " ".join(told[:10]) + more, hint="`guru workflow check FILE` lists all of it."
    )
