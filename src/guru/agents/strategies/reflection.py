"""Answer, look at the answer as a critic would, and write it anew until nothing is wrong (Shinn et al., 2023)."""

from __future__ import annotations

from typing import Final

import msgspec

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, fill, talk
from guru.types import Message

CRITICISE: Final = (
    "Look at your answer as a strict reviewer: is everything right, does it answer the whole request, is nothing made "
    "up? List what is wrong; nothing where it is good."
)
REVISE: Final = "A reviewer says of your answer:\n{problems}\n\nWrite the answer anew, without a word about the review."
SCHEMA: Final = {
    "type": "object",
    "properties": {"problems": {"type": "array", "items": {"type": "string"}, "maxItems": 5}},
    "required": ["problems"],
    "additionalProperties": False,
}


def reflection(work: Work) -> Steps:
    prompt = work.prompt()
    draft = msgspec.structs.replace(work, answers=False)
    answer = yield from talk(draft, prompt)
    for left in reversed(range(work.agent.rounds)):
        written = [*prompt, Message("assistant", answer)]
        found = yield from fill(work, [*written, Message("user", CRITICISE)], "review", SCHEMA)
        problems = [problem for problem in found.get("problems") or [] if isinstance(problem, str) and problem.strip()]
        if not problems:
            break
        asked = REVISE.format(problems="\n".join(f"- {problem}" for problem in problems))
        answer = yield from talk(draft if left else work, [*written, Message("user", asked)])
    return answer
