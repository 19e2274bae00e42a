"""One framework for agents, driven as its own documentation says, on a scripted model: `agents.py` runs it.

    PYTHON agent_peers.py NAME RUNS CALLS      PYTHON: of an environment with that framework

A run asks the model, calls `add`, asks again ... and answers after so many calls. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[], Any]
"""One run of the agent, synchronous or not; raises `AssertionError` where it did not end as it should."""


def pydantic_ai(calls: int) -> Run:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def said(messages: Any, info: Any) -> Any:
        done = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
        return ModelResponse(parts=[TextPart("done") if done == calls else ToolCallPart("add", {"a": done, "b": 1})])

    agent = Agent(FunctionModel(said))

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    async def run() -> None:
        assert (await agent.run("go")).output == "done"

    return run


def state_graph(calls: int) -> Any:
    """LangGraph's graph of a model and its tools."""
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.tools import tool
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    def model(state: Any) -> Any:
        done = sum(isinstance(message, ToolMessage) for message in state["messages"])
        call = {"name": "add", "args": {"a": done, "b": 1}, "id": f"call_{done}"}
        return {"messages": [AIMessage("done") if done == calls else AIMessage("", tool_calls=[call])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END, ["tools", END]
    )
    graph.add_edge("tools", "model")
    return graph


async def ask_graph(app: Any, calls: int, **more: Any) -> None:
    from langchain_core.messages import HumanMessage

    config = {"recursion_limit": 4 * calls + 10, "configurable": {"thread_id": str(uuid.uuid4())}}
    found = await app.ainvoke({"messages": [HumanMessage("go")]}, config, **more)
    assert found["messages"][-1].content == "done"


def langgraph(calls: int) -> Run:
    app = state_graph(calls).compile()
    return lambda: ask_graph(app, calls)


def langgraph_sqlite(calls: int) -> Run:
    """With each step in SQLite before the next begins, as a run that must survive a crash has it."""
    graph, opened = state_graph(calls), contextlib.AsyncExitStack()
    apps: list[Any] = []

    async def run() -> None:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        if not apps:
            saver = AsyncSqliteSaver.from_conn_string(str(Path(tempfile.mkdtemp(), "checkpoints.db")))
            apps.append(graph.compile(checkpointer=await opened.enter_async_context(saver)))
        await ask_graph(apps[0], calls, durability="sync")

    return run


def openai_agents(calls: int) -> Run:
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled

    class Scripted(Model):
        async def get_response(self, system_instructions: Any, input: Any, *rest: Any, **named: Any) -> Any:
            items = [] if isinstance(input, str) else input
            done = sum(item.get("type") == "function_call_output" for item in items)
            said: Any = ResponseFunctionToolCall(
                type="function_call", name="add", call_id=f"call_{done}", arguments=json.dumps({"a": done, "b": 1})
            )
            if done == calls:
                text = ResponseOutputText(type="output_text", text="done", annotations=[])
                said = ResponseOutputMessage(
                    id="1", type="message", role="assistant", status="completed", content=[text]
                )
            return ModelResponse(output=[said], usage=Usage(), response_id=None)

        def stream_response(self, *rest: Any, **named: Any) -> Any:
            raise AssertionError

    @function_tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    set_tracing_disabled(True)  # it would send every run to the provider
    agent = Agent(name="adder", model=Scripted(), tools=[add])

    async def run() -> None:
        assert (await Runner.run(agent, "go", max_turns=2 * calls)).final_output == "done"

    return run


def smolagents(calls: int) -> Run:
    from smolagents import LogLevel, Model, ToolCallingAgent, tool
    from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, MessageRole

    class Scripted(Model):
        def generate(self, messages: Any, *rest: Any, **named: Any) -> Any:
            done = sum(message.role == MessageRole.TOOL_RESPONSE for message in messages)
            name, arguments = ("final_answer", {"answer": "done"}) if done == calls else ("add", {"a": done, "b": 1})
            call = ChatMessageToolCall(ChatMessageToolCallFunction(arguments, name), f"call_{done}", "function")
            return ChatMessage(MessageRole.ASSISTANT, "", [call])

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: One.
            b: The other.
        """
        return a + b

    agent = ToolCallingAgent([add], Scripted(), verbosity_level=LogLevel.OFF, max_steps=2 * calls)

    def run() -> None:
        assert agent.run("go") == "done"

    return run


PEERS = {
    "pydantic-ai": pydantic_ai, "langgraph": langgraph, "openai-agents": openai_agents, "smolagents": smolagents,
    "langgraph-sqlite": langgraph_sqlite,
}  # fmt: skip


async def measure(run: Run, runs: int) -> dict[str, Any]:
    """Seconds of each run, after three that do not count, and those of the processor for all of them."""
    took: list[float] = []
    cpu = 0.0
    for number in range(-3, runs):
        if number == 0:
            cpu = time.process_time()
        began = time.perf_counter()
        ended = run()
        if inspect.isawaitable(ended):
            await ended
        if number >= 0:
            took.append(time.perf_counter() - began)
    return {"took": took, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    name, runs, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    async def main() -> None:
        sys.stdout.write("\n" + json.dumps(await measure(PEERS[name](calls), runs)) + "\n")
        sys.stdout.flush()
        os._exit(0)  # what is still open need not be closed

    asyncio.run(main())
