"""What a step of an agent costs, beside pydantic-ai, LangGraph, the OpenAI Agents SDK and smolagents.

    python benchmarks/agents.py [--pydantic-ai PYTHON] [--langgraph PYTHON] [--openai-agents PYTHON]
        [--smolagents PYTHON] [--langgraph-sqlite PYTHON] [--runs 50] [--calls 10] [--rounds 3]

A run asks the model, calls a tool, asks again ... and answers after so many calls: the same task on the same scripted
model, which takes no time, so that what is left is the frameworks' own. PYTHON is the interpreter of an environment
that has the other: `pydantic-ai-slim`, `langgraph langchain-core langgraph-checkpoint-sqlite`, `openai-agents`,
`smolagents`. Guru is measured without rows, as the others are, and with every step written to SQLite before and after
it is done, as its server does; LangGraph's checkpoints in SQLite are the nearest to that.
Rounds take turns, and the best of each counts: neighbours only slow things down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

from agent_peers import PEERS, measure

from guru.agents import loop
from guru.agents.agent import Agent
from guru.agents.approvals import Approvals
from guru.agents.checkpoints import Checkpoints
from guru.agents.embedded import ModelHost, ask
from guru.agents.limits import Limits
from guru.agents.members import members_of
from guru.agents.performing import Performer
from guru.agents.records import Definition
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.talk import Work
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.toolbox import Toolbox
from guru.store.database import Database
from guru.store.tables import agent_runs
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Message, ToolCallDelta, Usage

PEER = Path(__file__).with_name("agent_peers.py")


class Model:
    """Calls `add` so often, then answers."""

    name = "test/scripted"
    context_length = 100_000
    small = False

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def complete(self, request: Any) -> AsyncIterator[Event]:
        raise AssertionError

    async def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        done = sum(message.role == "tool" for message in request.messages)
        if done == self._calls:
            yield Delta(text="done")
        else:
            call = ToolCallDelta(0, f"call_{done}", "add", json.dumps({"a": done, "b": 1}))
            yield Delta(tool_calls=[call])
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage())


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def in_memory(model: Model, agent: Agent) -> None:
    assert await ask(agent, "go", model=model, tools=[FunctionTool(add)]) == "done"


async def with_rows(model: Model, agent: Agent, database: Database, run_id: str) -> None:
    box, limits = Toolbox([FunctionTool(add)]), Limits(agent)
    row = {
        "id": run_id, "tenant": "local", "owner": "owner", "agent": "adder", "definition": {}, "caller": {},
        "messages": [], "status": "running", "cause": "person", "created_at": time.time(), "steps": 0, "tokens": 0,
        "cost": 0.0, "seconds": 0.0, "traces": [],
    }  # fmt: skip
    await database.write(lambda connection: connection.execute(agent_runs.insert().values(row)))
    members = members_of(Definition(agent=agent), box, lambda name: False)
    approvals = Approvals(Definition(agent=agent), {spec.name: spec for spec in box.specs})
    checkpoints = Checkpoints(database, "local", run_id, approvals=approvals, limits=limits)
    performer = Performer(
        run_id, ModelHost(model), members, box, checkpoints=checkpoints, approvals=approvals, limits=limits
    )
    work = Work(me=members["adder"], messages=[Message("user", "go")])
    assert await loop.run(STRATEGIES[agent.strategy](work), checkpoints, performer, limits) == "done"


async def guru(runs: int, calls: int) -> dict[str, dict[str, Any]]:
    model, agent = Model(calls), Agent(name="adder", tools=["add"], max_steps=1000)
    found = {"Guru, in memory": await measure(lambda: in_memory(model, agent), runs)}
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/guru.db")
        await database.open()
        names = (f"run_{number}" for number in count())
        rows = await measure(lambda: with_rows(model, agent, database, next(names)), runs)
        found["Guru, every step in SQLite"] = rows
        await database.close()
    return found


def other(name: str, python: Path, runs: int, calls: int) -> dict[str, Any]:
    """What `agent_peers.py` measures; away from this folder, where a file bears the name of somebody's package."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-P", str(PEER), name, str(runs), str(calls)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in PEERS:
        parser.add_argument(f"--{name}", metavar="PYTHON", type=Path)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    pythons = {name: python for name in PEERS if (python := getattr(options, name.replace("-", "_"))) is not None}
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        measured = asyncio.run(guru(options.runs, options.calls))
        measured |= {name: other(name, python, options.runs, options.calls) for name, python in pythons.items()}
        for name, each in measured.items():
            found.setdefault(name, []).append(each)
    steps = 2 * options.calls + 1
    print(
        f"{options.runs} runs of {steps} steps each: {options.calls} calls of a tool, {options.calls + 1} of the model"
    )
    print("| | microseconds per step, median run | CPU microseconds per step |\n|---|---|---|")
    for name, rounds in found.items():
        median = min(statistics.median(each["took"]) for each in rounds) / steps * 1e6
        cpu = min(each["cpu"] for each in rounds) / options.runs / steps * 1e6
        print(f"| {name} | {median:,.0f} | {cpu:,.0f} |")


if __name__ == "__main__":
    main()
