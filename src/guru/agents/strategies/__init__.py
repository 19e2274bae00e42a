"""How an agent goes about a task: one file for each way, all on the loop in `guru.agents.loop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from guru.agents.loop import Steps
from guru.agents.strategies.direct import direct
from guru.agents.strategies.hand_off import hand_off
from guru.agents.strategies.plan_and_execute import plan_and_execute
from guru.agents.strategies.react import react
from guru.agents.strategies.reflection import reflection
from guru.agents.strategies.router import router
from guru.agents.strategies.self_consistency import self_consistency
from guru.agents.strategies.talk import Work
from guru.agents.strategies.tree_of_thoughts import tree_of_thoughts
from guru.config.agent import Strategy

STRATEGIES: Final[Mapping[Strategy, Callable[[Work], Steps]]] = {
    "direct": direct,
    "react": react,
    "plan-and-execute": plan_and_execute,
    "reflection": reflection,
    "tree-of-thoughts": tree_of_thoughts,
    "self-consistency": self_consistency,
    "router": router,
    "hand-off": hand_off,
}
