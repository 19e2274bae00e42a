"""Amazon States Language (JSONPath) made into a workflow. What has no counterpart is refused by name, with its place.

Its resources are mapped to tools, or to other steps, by whoever imports: `{"arn:...:Charge": "charge"}` or
`{"arn:...:Review": {"kind": "human", "title": "Review", "decisions": ["ok"]}}`.

Source: Amazon States Language, https://states-language.net/spec.html, and the AWS Step Functions Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from guru.agents.workflows.conditions import OPERATORS
from guru.agents.workflows.expressions import parse_expression
from guru.agents.workflows.paths import BadPath
from guru.agents.workflows.reading import Problem
from guru.types import JSON

TOP: Final = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"}
COMMON: Final = {"Type", "Comment", "QueryLanguage"}
FLOW: Final = {"InputPath", "OutputPath"}
GOING: Final = FLOW | {"Next", "End"}
WORKING: Final = GOING | {"Parameters", "ResultSelector", "ResultPath", "Retry", "Catch"}
FIELDS: Final[dict[str, set[str]]] = {
    "Task": WORKING | {"Resource", "TimeoutSeconds"},
    "Parallel": WORKING | {"Branches"},
    "Map": WORKING
    | {"Iterator", "ItemProcessor", "ItemsPath", "ItemSelector", "MaxConcurrency", "ToleratedFailureCount",
       "ToleratedFailurePercentage"},
    "Pass": GOING | {"Parameters", "Result", "ResultPath"},
    "Wait": GOING | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Choice": FLOW | {"Choices", "Default"},
    "Succeed": FLOW,
    "Fail": {"Error", "Cause", "ErrorPath", "CausePath"},
}  # fmt: skip
RETRY: Final = {"ErrorEquals": "errors", "IntervalSeconds": "interval", "MaxAttempts": "attempts",
                "BackoffRate": "backoff", "MaxDelaySeconds": "max_delay"}  # fmt: skip
PLAIN: Final = {"Comment": "comment", "InputPath": "input_path", "OutputPath": "output_path", "Next": "next",
                "End": "end", "ResultPath": "result_path"}  # fmt: skip


def import_asl(machine: JSON, name: str, resources: Mapping[str, Any]) -> tuple[JSON, list[Problem]]:
    """The definition that a state machine stands for, and everything in it that cannot be imported."""
    importer = Importer(resources)
    importer.refuse_others(machine, TOP, "")
    importer.refuse_jsonata(machine, "")
    steps, start = importer.block(machine, "")
    found: JSON = {"name": name, "start": start, "steps": steps}
    if machine.get("Comment"):
        found["description"] = machine["Comment"]
    if "TimeoutSeconds" in machine:
        found["deadline"] = machine["TimeoutSeconds"]
    return found, importer.problems


class Importer:
    """One import: what is made, and what is wrong."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._resources = resources

    def wrong(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def refuse_others(self, found: JSON, known: set[str], place: str) -> None:
        for name in found:
            if name not in known:
                self.wrong(f"{place}.{name}" if place else name, f"`{name}` is not supported.")

    def refuse_jsonata(self, found: JSON, place: str) -> None:
        if found.get("QueryLanguage", "JSONPath") != "JSONPath":
            where = f"{place}.QueryLanguage" if place else "QueryLanguage"
            self.wrong(where, f"{found['QueryLanguage']!r} is not supported: JSONPath is.")

    def block(self, found: Any, place: str) -> tuple[JSON, str]:
        """`States` and `StartAt`."""
        prefix = f"{place}." if place else ""
        if not isinstance(found, dict) or not isinstance(found.get("States"), dict) or "StartAt" not in found:
            self.wrong(place or "States", "`StartAt` and `States` are missing.")
            return {}, ""
        steps = {}
        for name, state in found["States"].items():
            here = f"{prefix}States.{name}"
            kind = state.get("Type") if isinstance(state, dict) else None
            if not isinstance(kind, str) or kind not in FIELDS:
                self.wrong(f"{here}.Type", f"There is no type {kind!r}; there are {', '.join(FIELDS)}.")
                continue
            self.refuse_others(state, COMMON | FIELDS[kind], here)
            self.refuse_jsonata(state, here)
            steps[name] = self.state(state, here)
        return steps, str(found["StartAt"])

    def state(self, state: JSON, here: str) -> JSON:
        step: JSON = {"kind": state["Type"].lower()}
        step |= {ours: state[theirs] for theirs, ours in PLAIN.items() if theirs in state}
        for theirs, ours in (("ResultSelector", "result_selector"), ("Parameters", "parameters")):
            if theirs in state and not (theirs == "Parameters" and state["Type"] == "Map"):
                step[ours] = self.payload(state[theirs], f"{here}.{theirs}")
        for theirs, read in (("Retry", self.retry), ("Catch", self.catch)):
            if theirs in state:
                rules = self.objects(state[theirs], f"{here}.{theirs}")
                step[theirs.lower()] = [read(rule, f"{here}.{theirs}[{n}]") for n, rule in enumerate(rules)]
        special: Callable[[JSON, JSON, str], None] | None = getattr(self, f"{state['Type'].lower()}_", None)
        if special is not None:
            special(step, state, here)
        return step

    # ------------------------------------------------------------------ one method for each type of state

    def task_(self, step: JSON, state: JSON, here: str) -> None:
        resource = state.get("Resource")
        mapped = self._resources.get(resource) if isinstance(resource, str) else None
        if isinstance(mapped, str):
            step["tool"] = mapped
        elif isinstance(mapped, Mapping):
            step |= dict(mapped)
        else:
            hint = "Map it to a tool, in the import or in [workflows] resources."
            self.wrong(f"{here}.Resource", f"Nothing is mapped to {resource!r}. {hint}")
        if "TimeoutSeconds" in state:
            step["timeout"] = state["TimeoutSeconds"]

    def parallel_(self, step: JSON, state: JSON, here: str) -> None:
        step["branches"] = []
        for number, branch in enumerate(self.objects(state.get("Branches"), f"{here}.Branches")):
            place = f"{here}.Branches[{number}]"
            self.refuse_others(branch, {"StartAt", "States", "Comment"}, place)
            steps, start = self.block(branch, place)
            step["branches"].append({"start": start, "steps": steps})

    def map_(self, step: JSON, state: JSON, here: str) -> None:
        name = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
        inner, place = state.get(name), f"{here}.{name}"
        if isinstance(inner, dict):
            self.refuse_others(inner, {"StartAt", "States", "Comment", "ProcessorConfig"}, place)
            config = inner.get("ProcessorConfig", {})
            if not isinstance(config, dict) or config.get("Mode", "INLINE") != "INLINE":
                self.wrong(f"{place}.ProcessorConfig.Mode", "Only INLINE is supported.")
        step["steps"], step["start"] = self.block(inner, place)
        if "ItemsPath" in state:
            step["items"] = self.path(state["ItemsPath"], f"{here}.ItemsPath")
        selector = next((field for field in ("ItemSelector", "Parameters") if field in state), None)
        if selector is not None:
            step["item"] = self.payload(state[selector], f"{here}.{selector}")
        for theirs, ours in (("MaxConcurrency", "concurrency"), ("ToleratedFailureCount", "tolerated"),
                             ("ToleratedFailurePercentage", "tolerated_percent")):  # fmt: skip
            if theirs in state:
                step[ours] = state[theirs]

    def pass_(self, step: JSON, state: JSON, here: str) -> None:
        if "Result" in state:
            step["result"] = state["Result"]

    def wait_(self, step: JSON, state: JSON, here: str) -> None:
        for theirs, ours in (("Seconds", "seconds"), ("Timestamp", "until")):
            if theirs in state:
                step[ours] = state[theirs]
            if f"{theirs}Path" in state:
                step[ours] = self.path(state[f"{theirs}Path"], f"{here}.{theirs}Path")

    def choice_(self, step: JSON, state: JSON, here: str) -> None:
        step["choices"] = [
            self.rule(rule, f"{here}.Choices[{n}]")
            for n, rule in enumerate(self.objects(state.get("Choices"), f"{here}.Choices"))
        ]
        if "Default" in state:
            step["default"] = state["Default"]

    def fail_(self, step: JSON, state: JSON, here: str) -> None:
        for theirs, ours in (("Error", "error"), ("Cause", "cause")):
            if theirs in state:
                step[ours] = literal(state[theirs])
            if f"{theirs}Path" in state:
                step[ours] = self.path(state[f"{theirs}Path"], f"{here}.{theirs}Path")

    # ------------------------------------------------------------------ parts

    def objects(self, found: Any, here: str) -> list[JSON]:
        """A list of objects; anything else is wrong."""
        if isinstance(found, list) and all(isinstance(item, dict) for item in found):
            return found
        self.wrong(here, "It is a list of objects.")
        return []

    def rule(self, rule: Any, here: str) -> JSON:
        if not isinstance(rule, dict):
            self.wrong(here, "A rule is an object.")
            return {}
        found: JSON = {}
        for name, value in rule.items():
            ours = snake(name)
            if name in ("And", "Or") and isinstance(value, list):
                found[ours] = [self.rule(part, f"{here}.{name}[{number}]") for number, part in enumerate(value)]
            elif name == "Not":
                found[ours] = self.rule(value, f"{here}.{name}")
            elif name in ("Variable", "Next", "Comment") or ours in OPERATORS:
                found[ours] = value
            else:
                self.wrong(f"{here}.{name}", f"`{name}` is not supported.")
        return found

    def retry(self, rule: JSON, here: str) -> JSON:
        self.refuse_others(rule, {*RETRY, "JitterStrategy", "Comment"}, here)
        found = {ours: rule[theirs] for theirs, ours in RETRY.items() if theirs in rule}
        if "JitterStrategy" in rule:
            found["jitter"] = str(rule["JitterStrategy"]).lower()
        return found

    def catch(self, rule: JSON, here: str) -> JSON:
        self.refuse_others(rule, {"ErrorEquals", "Next", "ResultPath", "Comment"}, here)
        names = {"ErrorEquals": "errors", "Next": "next", "ResultPath": "result_path"}
        return {ours: rule[theirs] for theirs, ours in names.items() if theirs in rule}

    def path(self, text: Any, here: str) -> str:
        """A path, or a call of a function, as a template."""
        self.check_expression(text, here)
        return f"{{{{ {text} }}}}"

    def payload(self, value: Any, here: str) -> Any:
        """A payload template; texts stay what they are, also where they look like a template of ours."""
        if isinstance(value, str):
            return literal(value)
        if isinstance(value, list):
            return [self.payload(item, f"{here}[{number}]") for number, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        for name, item in value.items():
            if name.endswith(".$"):
                self.check_expression(item, f"{here}.{name}")
        return {
            name: item if name.endswith(".$") else self.payload(item, f"{here}.{name}") for name, item in value.items()
        }

    def check_expression(self, text: Any, here: str) -> None:
        try:
            if not isinstance(text, str):
                raise BadPath("A path is a text.")
            parse_expression(text)
        except BadPath as error:
            self.wrong(here, str(error))


def literal(text: Any) -> Any:
    """A text that a template gives unchanged."""
    return text.replace("{{", '{{ "{{" }}') if isinstance(text, str) else text


def snake(name: str) -> str:
    """`NumericGreaterThanEqualsPath` as `numeric_greater_than_equals_path`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
