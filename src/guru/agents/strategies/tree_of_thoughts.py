"""Think several ways at once, rate each, follow the best (Yao et al., 2023): a breadth-first beam search.

At each depth every thought that was kept gets `breadth` continuations; all are rated at the same time; those under
`prune` go, and of the others the best `beam` are kept. Tools are called when the best is carried out: calls of thoughts
that are not followed would be for nothing, and could do harm.
"""

from __future__ import annotations

from typing import Final

from guru.agents.loop import Steps
from guru.agents.strategies.talk import Work, ask, read_object, talk
from guru.types import Message

EXPAND: Final = (
    "So far:\n{path}\n\nWrite the next thought towards the answer, in one to three sentences. Only that.{tools}"
)
RATE: Final = (
    "So far:\n{path}\n\nHow likely does this lead to the right answer? Rate it from 0 (wrong) to 10 (surely right)."
)
CONCLUDE: Final = "So far:\n{path}\n\nAnswer the request from it."
TOOLS: Final = " Tools can be called later: {names}."
START: Final = "Nothing yet."
WARM: Final = 0.8
"""The temperature of thoughts, which are to differ."""
SCHEMA: Final = {
    "type": "object",
    "properties": {"rating": {"type": "integer", "minimum": 0, "maximum": 10}},
    "required": ["rating"],
    "additionalProperties": False,
}
Path = tuple[str, ...]


def tree_of_thoughts(work: Work) -> Steps:
    agent, prompt = work.agent, work.prompt()
    names = ", ".join(tool.name for tool in work.me.tools)
    tools = TOOLS.format(names=names) if names else ""

    def told(template: str, path: Path) -> list[Message]:
        return [*prompt, Message("user", template.format(path="\n".join(path) or START, tools=tools))]

    kept: list[Path] = [()]
    for depth in range(agent.depth):
        origins = [path for path in kept for _ in range(agent.breadth)]
        thoughts = yield [
            ask(work, told(EXPAND, path), "expand", temperature=WARM, seed=depth * 1000 + place)
            for place, path in enumerate(origins)
        ]
        paths = list(dict.fromkeys(
            (*path, thought.text.strip()) for path, thought in zip(origins, thoughts, strict=True)  # type: ignore[union-attr]
        ))  # fmt: skip
        ratings = yield [ask(work, told(RATE, path), "rate", schema=SCHEMA, temperature=0.0) for path in paths]
        rated = [(rating_of(said.text), path) for said, path in zip(ratings, paths, strict=True)]  # type: ignore[union-attr]
        promising = [(rating, path) for rating, path in rated if rating >= agent.prune]
        if not promising:
            break  # a dead end: what was kept before is the best that there is
        promising.sort(key=lambda item: -item[0])
        kept = [path for _, path in promising[: agent.beam]]
    return (yield from talk(work, told(CONCLUDE, kept[0])))


def rating_of(said: str) -> float:
    """0 where a model gave no number."""
    rating = read_object(said).get("rating")
    return float(rating) if isinstance(rating, int | float) and not isinstance(rating, bool) else 0.0
