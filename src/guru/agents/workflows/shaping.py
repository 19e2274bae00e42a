"""How data goes through a step: what it sees, what becomes of its result, what the next one gets.

    input -> input_path -> parameters -> (the work) -> result_selector -> result_path -> output_path -> output

As in Amazon States Language, "Input and Output Processing".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from guru.agents.workflows.definition import Step
from guru.agents.workflows.errors import INTRINSIC, PARAMETER_PATH, RESULT_PATH, RUNTIME, StepFailed
from guru.agents.workflows.expressions import render
from guru.agents.workflows.intrinsics import IntrinsicError
from guru.agents.workflows.paths import BadPath, MissingPath, parse_path, put


def seen(step: Step, document: Any, roots: Mapping[str, Any]) -> Any:
    """What the step sees of its input."""
    return select(step.input_path, document, roots)


def passed_on(step: Step, output: Any, roots: Mapping[str, Any]) -> Any:
    """What the next step gets."""
    return select(step.output_path, output, roots)


def select(path: str | None, document: Any, roots: Mapping[str, Any]) -> Any:
    if not path:
        return {}
    try:
        return document if path == "$" else parse_path(path).find({**roots, "$": document})
    except (MissingPath, BadPath) as error:
        raise StepFailed(RUNTIME, str(error)) from None


def fill(payload: Any, roots: Mapping[str, Any], error: str = PARAMETER_PATH) -> Any:
    """A payload filled in. `error` is what a path that finds nothing is called."""
    try:
        return render(payload, roots)
    except MissingPath as missing:
        raise StepFailed(error, str(missing)) from None
    except (IntrinsicError, TypeError) as wrong:  # TypeError: a function with too many or too few arguments
        raise StepFailed(INTRINSIC, str(wrong)) from None
    except (BadPath, RecursionError) as wrong:
        raise StepFailed(RUNTIME, str(wrong)) from None


def combined(step: Any, document: Any, result: Any, roots: Mapping[str, Any]) -> Any:
    """The output: the result, shaped by `result_selector`, put into the input where `result_path` says."""
    if (selector := getattr(step, "result_selector", UNSET)) is not UNSET:
        result = fill(selector, {**roots, "$": result})
    return passed_on(step, placed(step.result_path, document, result), roots)


def placed(path: str | None, document: Any, result: Any) -> Any:
    if not path:
        return document
    try:
        return put(parse_path(path), document, result)
    except (MissingPath, BadPath) as error:
        raise StepFailed(RESULT_PATH, str(error)) from None
