"""What a step of an agent costs, beside pydantic-ai and LangGraph: the same task on the same scripted model.

    python benchmarks/agents.py [--pydantic-ai PYTHON] [--langgraph PYTHON] [--runs 50] [--calls 10]

A run asks the model, calls a tool, asks again ... and answers after so many calls. The model takes no time: what is
left is the frameworks' own. PYTHON is the interpreter of an environment that has the other (`pip install
pydantic-ai-slim`, `pip install langgraph langchain-core`). Guru is measured without rows, as the others are, and with
every step written to SQLite before and after it is done, as its server does.
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
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

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

PYDANTIC_AI = """
import asyncio, json, sys
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
calls = int(sys.argv[2])
def said(messages, info):
    done = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
    part = TextPart("done") if done == calls else ToolCallPart("add", {"a": done, "b": 1})
    return ModelResponse(parts=[part])
agent = Agent(FunctionModel(said))
@agent.tool_plain
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b
async def run():
    assert (await agent.run("go")).output == "done"
"""
LANGGRAPH = """
import asyncio, json, sys
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
calls = int(sys.argv[2])
@tool
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b
def model(state):
    done = sum(isinstance(message, ToolMessage) for message in state["messages"])
    if done == calls:
        return {"messages": [AIMessage("done")]}
    call = {"name": "add", "args": {"a": done, "b": 1}, "id": f"call_{done}"}
    return {"messages": [AIMessage("", tool_calls=[call])]}
def onward(state):
    return "tools" if state["messages"][-1].tool_calls else END
graph = StateGraph(MessagesState)
graph.add_node("model", model)
graph.add_node("tools", ToolNode([add]))
graph.add_edge(START, "model")
graph.add_conditional_edges("model", onward, ["tools", END])
graph.add_edge("tools", "model")
app = graph.compile()
async def run():
    found = await app.ainvoke({"messages": [HumanMessage("go")]}, {"recursion_limit": 4 * calls + 10})
    assert found["messages"][-1].content == "done"
"""
MEASURE = """
import time
async def main():
    for _ in range(3):
        await run()
    took = []
    cpu = time.process_time()
    for _ in range(int(sys.argv[1])):
        began = time.perf_counter()
        await run()
        took.append(time.perf_counter() - began)
    print(json.dumps({"took": took, "cpu": time.process_time() - cpu}))
asyncio.run(main())
"""


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


async def measure(run: Callable[[int], Awaitable[None]], runs: int) -> dict[str, Any]:
    for number in range(3):
        await run(-number - 1)
    took: list[float] = []
    cpu = time.process_time()
    for number in range(runs):
        began = time.perf_counter()
        await run(number)
        took.append(time.perf_counter() - began)
    return {"took": took, "cpu": time.process_time() - cpu}


async def guru(runs: int, calls: int) -> dict[str, dict[str, Any]]:
    model, agent = Model(calls), Agent(name="adder", tools=["add"], max_steps=1000)
    found = {"Guru, in memory": await measure(lambda number: in_memory(model, agent), runs)}
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/guru.db")
        await database.open()
        rows = await measure(lambda number: with_rows(model, agent, database, f"run_{number}"), runs)
        found["Guru, every step in SQLite"] = rows
        await database.close()
    return found


def other(python: str, program: str, runs: int, calls: int) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-c", program + MEASURE, str(runs), str(calls)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pydantic-ai", metavar="PYTHON", type=Path)
    parser.add_argument("--langgraph", metavar="PYTHON", type=Path)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10)
    options = parser.parse_args()
    found = asyncio.run(guru(options.runs, options.calls))
    for name, python, program in (
        ("pydantic-ai", options.pydantic_ai, PYDANTIC_AI), ("LangGraph", options.langgraph, LANGGRAPH),
    ):  # fmt: skip
        if python is not None:
            found[name] = other(str(python), program, options.runs, options.calls)
    steps = 2 * options.calls + 1
    print(
        f"{options.runs} runs of {steps} steps each: {options.calls} calls of a tool, {options.calls + 1} of the model"
    )
    print("| | microseconds per step, median run | CPU microseconds per step |\n|---|---|---|")
    for name, measured in found.items():
        median = statistics.median(measured["took"]) / steps * 1e6
        cpu = measured["cpu"] / options.runs / steps * 1e6
        print(f"| {name} | {median:,.0f} | {cpu:,.0f} |")


if __name__ == "__main__":
    main()
