"""Berkeley's function calling tasks: does the default local model, led by Guru, call the right function rightly?

    python benchmarks/bfcl.py [--each 50] [--home DIR] [--verbose]

The interpreter is of an environment that has Guru, and `bfcl-eval` without what it depends on (`pip install -e .`, `pip
install --no-deps bfcl-eval`). Tasks and checks are the package's own (Patil et al., https://gorilla.cs.berkeley.edu):
`multiple` gives some functions, one of which is right; `irrelevance` gives some that are not; `live` ones are of users.
No example of any function is given: only its description, and the schema of its parameters.

First the choice of the function on all tasks, which Guru makes by the nearest description, without the model that
writes; then, on the first `--each` tasks of `multiple` and `irrelevance`, the whole call, with the arguments that the
default model writes under the function's schema, and beside it the same model choosing by itself among the names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from importlib import resources
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from guru.agents import loop
from guru.agents.agent import Agent
from guru.agents.approvals import Approvals
from guru.agents.checkpoints import Checkpoints
from guru.agents.embedded import ModelHost
from guru.agents.limits import Limits
from guru.agents.members import members_of
from guru.agents.performing import Performer, choose
from guru.agents.records import Definition
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.guided import choice
from guru.agents.strategies.talk import Work, read_object
from guru.agents.tools.base import ToolContext, ToolResult, ToolSpec
from guru.agents.tools.toolbox import Toolbox
from guru.config.load import default_home
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.registry import ModelRegistry
from guru.protocols import ChatModel
from guru.types import ChatRequest, Delta, Message

TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
"""What the tasks write, and JSON Schema does not know."""
NONE = "none"
CONFIG = "bfcl_eval.constants.model_config"


class Described:
    """Implements `guru.agents.tools.base.Tool` for a function that is only described: nobody calls it here."""

    def __init__(self, function: dict[str, Any]) -> None:
        parameters = schema(function["parameters"])
        name = function["name"].replace(".", "_")
        self.spec = ToolSpec(name=name, description=function["description"], parameters=parameters)

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        raise AssertionError


def schema(written: Any) -> Any:
    """A description of parameters as JSON Schema."""
    if isinstance(written, list):
        return [schema(item) for item in written]
    if not isinstance(written, dict):
        return written
    found = {key: schema(value) for key, value in written.items() if key != "optional"}
    if isinstance(kind := found.get("type"), str):
        found["type"] = TYPES.get(kind, kind)
    return found


def read(kind: str) -> list[dict[str, Any]]:
    """Tasks, each with its answers where there are any."""
    data = resources.files("bfcl_eval") / "data"
    name = f"BFCL_v4_{kind}.json"
    tasks = [json.loads(line) for line in (data / name).read_text("utf-8").splitlines()]
    answers = data / "possible_answer" / name
    if answers.is_file():
        known = {row["id"]: row["ground_truth"] for row in map(json.loads, answers.read_text("utf-8").splitlines())}
        tasks = [task | {"answers": known[task["id"]]} for task in tasks]
    return tasks


async def guided(question: str, tools: list[Described], model: ChatModel, embedder: MiniLMEmbedder) -> Any:
    """The call that the loop would make, as name and arguments; None where it answers without."""
    agent = Agent(name="bfcl", tools=["*"], approve=["*"], max_tokens=200)
    definition, limits, box = Definition(agent=agent), Limits(agent), Toolbox(tools)
    members = members_of(definition, box, lambda name: getattr(model, "small", False))
    approvals = Approvals(definition, {spec.name: spec for spec in box.specs})
    checkpoints = Checkpoints(None, "local", "", approvals=approvals, limits=limits)
    host = ModelHost(model, embedder)
    performer = Performer("", host, members, box, checkpoints=checkpoints, approvals=approvals, limits=limits)
    work = Work(me=members["bfcl"], messages=[Message("user", question)])
    try:
        await loop.run(STRATEGIES["direct"](work), checkpoints, performer, limits)
    except loop.Waiting:  # every call waits, so that none is made
        step = next(step for step in checkpoints.steps if step.status == "waiting")
        return step.name, read_object(step.request["arguments"])
    return None


async def alone(question: str, tools: list[Described], model: ChatModel) -> str:
    """The function that the model names by itself."""
    listed = "\n".join(f"- {tool.spec.name}: {tool.spec.description}" for tool in tools)
    told = f"Which function is for the request?\n{listed}\n- {NONE}: no function fits.\nAnswer as JSON."
    names = {"enum": [*(tool.spec.name for tool in tools), NONE]}
    shape = {"type": "object", "properties": {"function": names}, "required": ["function"]}
    request = ChatRequest(
        model="default", messages=[Message("system", told), Message("user", question)], max_tokens=60, temperature=0.0,
        response_format={"type": "json_schema", "json_schema": {"name": "choice", "schema": shape, "strict": True}},
    )  # fmt: skip
    text = "".join([event.text async for event in model.chat(request) if isinstance(event, Delta)])
    try:
        return str(json.loads(text)["function"])
    except ValueError:
        return ""


def checker() -> Any:
    """The package's check of a call. Its list of models, which wants the libraries of all providers, is not needed."""
    stand_in: Any = ModuleType(CONFIG)
    stand_in.MODEL_CONFIG_MAPPING = {"guru": SimpleNamespace(underscore_to_dot=True)}
    sys.modules[CONFIG] = stand_in
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    def is_right(task: dict[str, Any], call: tuple[str, Any]) -> bool:
        said = [{call[0]: call[1]}]
        checked = ast_checker(task["function"], said, task["answers"], Language.PYTHON, "multiple", "guru")
        return bool(checked["valid"])

    return is_right


async def choices(host: ModelHost) -> None:
    """The function that is chosen, on all tasks; right is none where none fits."""
    print("| | tasks | the right choice | chance |\n|---|---|---|---|")
    for kind in ("multiple", "live_multiple", "irrelevance", "live_irrelevance"):
        tasks = [task for task in read(kind) if task["function"]]
        right, chance = 0, 0.0
        for task in tasks:
            tools = [Described(function).spec for function in task["function"]]
            chosen = await choose(choice(asked(task), tools, []), host)
            right += chosen.option == answer(task)
            chance += 1 / len(tools) if answer(task) else 0
        of_chance = share(chance, tasks) if chance else ""
        print(f"| {kind} | {len(tasks):,} | {share(right, tasks)} | {of_chance} |", flush=True)


def asked(task: dict[str, Any]) -> str:
    return str(task["question"][0][-1]["content"])


def answer(task: dict[str, Any]) -> str:
    """The right function's name; "" for none."""
    return next(iter(task["answers"][0])).replace(".", "_") if "answers" in task else ""


async def calls(model: ChatModel, embedder: MiniLMEmbedder, options: argparse.Namespace) -> None:
    """Whole calls on the first tasks, and what the model chooses by itself."""
    is_right = checker()
    print(f"\n{model.name}, the first {options.each} tasks\n\n| | guided | the model by itself |\n|---|---|---|")
    for kind in ("multiple", "irrelevance"):
        tasks = read(kind)[: options.each]
        led = filled = named = 0
        for task in tasks:
            tools = [Described(function) for function in task["function"]]
            call = await guided(asked(task), tools, model, embedder)
            led += (call[0] if call else "") == answer(task)
            done = call is not None and "answers" in task and is_right(task, call)
            filled += done
            named += await alone(asked(task), tools, model) == (answer(task) or NONE)
            if options.verbose and not done:
                print(f"  {answer(task)}: {asked(task)} -> {call}")
        print(f"| {kind}: the right choice | {share(led, tasks)} | {share(named, tasks)} |", flush=True)
        if filled:
            print(f"| {kind}: and the right arguments | {share(filled, tasks)} | |", flush=True)


def share(count: float, tasks: list[Any]) -> str:
    return f"{count / len(tasks):.1%}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--home", type=Path, default=default_home())
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    embedder, registry = MiniLMEmbedder(), ModelRegistry(options.home)
    try:
        model = registry.chat_model("default")
        await choices(ModelHost(model, embedder))
        await calls(model, embedder, options)
    finally:
        embedder.close()
        await registry.aclose()


if __name__ == "__main__":
    asyncio.run(main())
