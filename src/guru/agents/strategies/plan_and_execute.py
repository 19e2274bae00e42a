"""Make a plan, do its steps one by one, change it where a step showed that it is wrong, and sum up."""

from __future__ import annotations

from typing import Final

import msgspec

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, fill, talk, write
from guru.types import Message

MOST: Final = 10
"""Steps of a plan."""
PLAN: Final = "Make a plan: the fewest steps, each a task that can be done by itself. Do not carry it out.{tools}"
STEP: Final = "Done so far:\n{done}\n\nDo this next step, and only it:\n{step}"
REVIEW: Final = (
    "Done so far:\n{done}\n\nLeft of the plan:\n{left}\n\nWrite the steps that are still needed; none if the request "
    "can be answered now."
)
SUM_UP: Final = "What was found out:\n{done}\n\nAnswer the request from it."
SCHEMA: Final = {
    "type": "object",
    "properties": {"steps": {"type": "array", "items": {"type": "string"}, "maxItems": MOST}},
    "required": ["steps"],
    "additionalProperties": False,
}


def plan_and_execute(work: Work) -> Steps:
    prompt = work.prompt()
    names = ", ".join(tool.name for tool in work.me.tools)
    told = PLAN.format(tools=f" There are tools for it: {names}." if names else "")
    left = steps_of((yield from fill(work, [*prompt, Message("user", told)], "plan", SCHEMA)))
    done: list[str] = []
    reviews = work.agent.rounds
    while left:
        step, *left = left
        task = STEP.format(done="\n".join(done) or "Nothing.", step=step)
        now = msgspec.structs.replace(work, messages=[Message("user", step)], answers=False)
        result = yield from talk(now, [*prompt, Message("user", task)])
        done.append(f"{len(done) + 1}. {step}\n{result}")
        if left and reviews:
            reviews -= 1
            asked = REVIEW.format(done="\n".join(done), left="\n".join(left))
            left = steps_of((yield from fill(work, [*prompt, Message("user", asked)], "review", SCHEMA)), left)
    if not done:  # no plan came: the request is its only step
        return (yield from talk(work, prompt))
    asked = SUM_UP.format(done="\n".join(done))
    return (yield from write(work, [*prompt, Message("user", asked)]))


def steps_of(said: dict[str, object], otherwise: list[str] | None = None) -> list[str]:
    """The steps that a model wrote; `otherwise` where it wrote no list."""
    steps = said.get("steps")
    if not isinstance(steps, list):
        return otherwise or []
    return [step.strip() for step in steps if isinstance(step, str) and step.strip()][:MOST]
