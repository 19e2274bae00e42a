"""The work of a task: a tool, a model, a question. What came of it as JSON, or a failure with a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from guru.agents.workflows.definition import Task
from guru.agents.workflows.errors import PARAMETER_PATH, StepFailed
from guru.agents.workflows.expressions import written
from guru.agents.workflows.schemas import problems_of
from guru.agents.workflows.shaping import fill
from guru.agents.workflows.work import Place, Work
from guru.types import JSON

TOOL_FAILED: Final = "ToolFailed"
BAD_ANSWER: Final = "BadAnswer"
"""A model answered with what does not hold to the schema."""


async def perform(task: Task, effective: Any, roots: Mapping[str, Any], work: Work, place: Place) -> Any:
    """The result. Raises `StepFailed` and `GuruError`."""
    match task.does:
        case "tool":
            return await call_tool(task, effective, work, place)
        case "question":
            question, collection = text_of(task.question, roots), text_of(task.collection, roots)
            return await work.answer(question, collection, text_of(task.model or "default", roots))
        case _:
            return await ask_model(task, roots, work)


async def call_tool(task: Task, effective: Any, work: Work, place: Place) -> Any:
    if not isinstance(effective, dict):
        raise StepFailed(PARAMETER_PATH, "The arguments of a tool are an object: give `parameters`.")
    result = await work.call(task.tool or "", effective, place)
    if result.failed:
        raise StepFailed(TOOL_FAILED, result.text)
    return result.text if result.data is None else result.data


async def ask_model(task: Task, roots: Mapping[str, Any], work: Work) -> JSON:
    answer = await work.ask(
        text_of(task.prompt, roots), system=None if task.system is None else text_of(task.system, roots),
        model=text_of(task.model or "default", roots), schema=task.schema, max_tokens=task.max_tokens,
        temperature=task.temperature,
    )  # fmt: skip
    if task.schema is None:
        return answer
    try:
        data = json.loads(answer["text"])
    except (ValueError, RecursionError):
        raise StepFailed(BAD_ANSWER, f"The model answered with what is not JSON: {answer['text'][:200]}") from None
    if problems := problems_of(data, task.schema):
        raise StepFailed(BAD_ANSWER, f"The model's answer is not right: {'; '.join(problems)}")
    return answer | {"data": data}


def text_of(template: str | None, roots: Mapping[str, Any]) -> str:
    return written(fill(template or "", roots))
