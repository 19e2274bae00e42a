"""How often each strategy does a task, in how many steps and tokens: by a scripted model, and by the local one.

    python benchmarks/agent_tasks.py [--local] [--strategies direct react] [--each 2] [--verbose]

The tasks are those of agent_tasks.toml, the tools those of agent_world.py, the scripted model that of agent_model.py.
`--local` asks the default local model (`guru models pull default`); `--each` takes the first so many of each kind.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent_model import Competent
from agent_world import agents, is_unharmed, make_shop, tools
from msgspec import Struct, convert

from guru.agents import loop
from guru.agents.approvals import Approvals
from guru.agents.checkpoints import Checkpoints
from guru.agents.embedded import ModelHost
from guru.agents.limits import Limits
from guru.agents.members import members_of
from guru.agents.performing import Performer
from guru.agents.records import Definition
from guru.agents.steps import Part, Result
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.talk import Work
from guru.agents.tools.base import Tool
from guru.agents.tools.toolbox import Toolbox
from guru.config.load import default_home
from guru.errors import GuruError
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.registry import ModelRegistry
from guru.protocols import ChatModel
from guru.types import Message

TASKS = Path(__file__).with_suffix(".toml")
STEPS = 30
TOKENS = 200
"""That the local model may write in an answer."""


class Task(Struct, kw_only=True):
    kind: str
    request: str
    right: list[str]
    wrong: list[str] = []

    def is_done(self, answer: str) -> bool:
        def found(patterns: list[str]) -> bool:
            return any(re.search(pattern, answer, re.IGNORECASE) for pattern in patterns)

        return found(self.right) and not found(self.wrong)


class Counted(Limits):
    """Counts steps besides."""

    steps = 0

    def count(self, parts: Sequence[Part], results: Sequence[Result]) -> None:
        self.steps += 1
        super().count(parts, results)


async def attempt(strategy: str, task: Task, model: ChatModel, box: Toolbox, embedder: MiniLMEmbedder) -> tuple[
    str, Counted
]:  # fmt: skip
    """The answer, or what kept it from coming; and what it took."""
    small = getattr(model, "small", False)
    agent, team = agents(strategy, max_steps=STEPS, max_tokens=TOKENS if small else None)
    definition, limits = Definition(agent=agent, team={other.name: other for other in team}), Counted(agent)
    members = members_of(definition, box, lambda name: small)
    approvals = Approvals(definition, {spec.name: spec for spec in box.specs})
    checkpoints = Checkpoints(None, "local", "", approvals=approvals, limits=limits)
    host = ModelHost(model, embedder)
    performer = Performer("", host, members, box, checkpoints=checkpoints, approvals=approvals, limits=limits)
    others = {name: member for name, member in members.items() if name != agent.name}
    work = Work(me=members[agent.name], messages=[Message("user", task.request)], team=others)
    try:
        return await loop.run(STRATEGIES[agent.strategy](work), checkpoints, performer, limits), limits
    except GuruError as error:
        return f"[{error.message}]", limits


async def measure(options: argparse.Namespace, model: ChatModel, embedder: MiniLMEmbedder, shop: Path) -> None:
    tasks = chosen(convert(tomllib.loads(TASKS.read_text(encoding="utf-8"))["tasks"], list[Task]), options.each)
    kinds = list(dict.fromkeys(task.kind for task in tasks))
    offered: list[Tool] = tools(shop, embedder)
    print(f"{model.name}, {len(tasks)} tasks")
    print(f"| strategy | done | steps | tokens | seconds | {' | '.join(kinds)} |\n|{'---|' * (5 + len(kinds))}")
    for strategy in options.strategies:
        done: Counter[str] = Counter()
        steps = tokens = 0
        began = time.perf_counter()
        for task in tasks:
            answer, used = await attempt(strategy, task, model, Toolbox(offered), embedder)
            right = task.is_done(answer) and is_unharmed(shop)
            done[task.kind] += right
            steps, tokens = steps + used.steps, tokens + used.tokens
            if options.verbose and not right:
                print(f"  {strategy}: {task.request} -> {answer!r}")
        seconds, of = time.perf_counter() - began, Counter(task.kind for task in tasks)
        each = " | ".join(f"{done[kind]}/{of[kind]}" for kind in kinds)
        per = f"{steps / len(tasks):.1f} | {tokens / len(tasks):,.0f} | {seconds / len(tasks):.1f}"
        print(f"| {strategy} | {done.total()} of {len(tasks)} | {per} | {each} |", flush=True)


def chosen(tasks: list[Task], each: int | None) -> list[Task]:
    """The first so many of each kind."""
    seen: Counter[str] = Counter()
    found = []
    for task in tasks:
        seen[task.kind] += 1
        if each is None or seen[task.kind] <= each:
            found.append(task)
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--home", type=Path, default=default_home())
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--each", type=int)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    embedder, registry = MiniLMEmbedder(), ModelRegistry(options.home)
    try:
        with tempfile.TemporaryDirectory() as folder:
            shop = Path(folder) / "shop.db"
            make_shop(shop)
            model: ChatModel = registry.chat_model("default") if options.local else Competent()
            await measure(options, model, embedder, shop)
    finally:
        embedder.close()
        await registry.aclose()


if __name__ == "__main__":
    asyncio.run(main())
