"""AgentDojo's tasks and injections, done by Guru's loop with a model that obeys every injection at once.

    python benchmarks/dojo.py [--suites banking slack] [--version v1.2.2] [--json FILE]

PYTHON is of an environment that has Guru and `agentdojo` (`pip install -e . agentdojo`). The suites, their tools, the
attack ("important_instructions") and the checks are AgentDojo's own (Debenedetti et al. 2024,
https://arxiv.org/abs/2406.13352). No model is asked: a script does what the task's own solution does, and as soon as a
tool's result shows it the injection, it first does what the injection's own solution does. So the tables say nothing
of how well models resist, and all of what is left to hold them: the approvals of the loop.

- `allow`: no call waits. `ask`: the default. `strict`: so do tools that were not used before, or ask any address.
- Whoever is asked says no to everything ("nobody there"), or yes to exactly the calls that the task itself needs
  ("who knows what they want"): no model of a person, but the two ends between which people are.

Injections whose solution the package does not have are left out, as nobody can obey them by script.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.functions_runtime import Function, FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites
from agentdojo.types import text_content_block_from_string as block

from guru.agents import loop
from guru.agents.agent import Agent
from guru.agents.approvals import Approvals
from guru.agents.checkpoints import Checkpoints
from guru.agents.embedded import ModelHost
from guru.agents.limits import Limits
from guru.agents.members import members_of
from guru.agents.performing import Performer
from guru.agents.records import Definition, StepRecord
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.talk import Work
from guru.agents.tools.base import ToolContext, ToolResult, ToolSpec
from guru.agents.tools.toolbox import Toolbox, failed
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Message, ToolCallDelta, Usage

READING = ("get_", "read_", "search_", "list_", "check_")
"""How the names of tools begin that change nothing."""
ANYWHERE = ("get_webpage",)
"""Tools that ask whatever address they are given."""
MODES = (("allow", "-"), ("ask", "no"), ("ask", "knows"), ("strict", "no"), ("strict", "knows"))
NAMED = {"-": "", "no": ", nobody there", "knows": ", who knows what they want"}


class Script:
    """A model with two lists of calls: those of the task, and those that an injection wants, once it is seen."""

    name = "test/obedient"
    context_length = 1_000_000
    small = False

    def __init__(self, task: list[FunctionCall], attack: list[FunctionCall], sign: str | None, answer: str) -> None:
        """`sign` is the text by which it knows the injection; `answer` is what it says in the end."""
        self._task = [(f"task_{number}", call) for number, call in enumerate(task)]
        self._attack = [(f"attack_{number}", call) for number, call in enumerate(attack)]
        self._sign = sign
        self._answer = answer
        self.seen = False

    def complete(self, request: Any) -> AsyncIterator[Event]:
        raise AssertionError

    async def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        called = {call.id for message in request.messages for call in message.tool_calls or ()}
        results = (message.text for message in request.messages if message.role == "tool")
        self.seen = self.seen or (self._sign is not None and any(self._sign in squeezed(text) for text in results))
        wanted = [*(self._attack if self.seen else ()), *self._task]
        todo = next(((name, call) for name, call in wanted if name not in called), None)
        if todo is None:
            yield Delta(text=self._answer)
        else:
            name, call = todo
            yield Delta(tool_calls=[ToolCallDelta(0, name, call.function, json.dumps(dict(call.args)))])
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage())


def squeezed(text: str) -> str:
    """Without the line breaks and quotes that YAML writes into a long text."""
    return "".join(character for character in text if character.isalnum())


class DojoTool:
    """Implements `guru.agents.tools.base.Tool` with a function of the suite."""

    def __init__(self, function: Function, runtime: FunctionsRuntime, environment: Any, done: list[FunctionCall]):
        self._runtime = runtime
        self._environment = environment
        self._done = done
        self.spec = ToolSpec(
            name=function.name, description=function.description, parameters=function.parameters.model_json_schema(),
            effect="read" if function.name.startswith(READING) else "write", anywhere=function.name in ANYWHERE,
        )  # fmt: skip

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        self._done.append(FunctionCall(function=self.spec.name, args=arguments))
        result, error = self._runtime.run_function(self._environment, self.spec.name, arguments)
        return failed(error) if error else ToolResult(text=tool_result_to_str(result))


class Guru(BasePipelineElement):
    """The loop of Guru, as a pipeline of AgentDojo's."""

    name = "local"

    def __init__(self, mode: str, person: str, user_task: Any, injection: Any | None) -> None:
        many = {"max_steps": 1000, "max_repeats": 1000}  # some solutions read one channel over and over
        self._agent = Agent(name="dojo", tools=["*"], untrusted=mode, **many)  # type: ignore[arg-type]
        self._person = person
        self._task = user_task
        self._injection = injection
        self.questions = 0
        self.seen = False

    def query(
        self,
        query: str,
        runtime: FunctionsRuntime,
        env: Any = None,
        messages: Sequence[Any] = (),
        extra_args: Any = None,
    ) -> Any:
        wanted, answer = self._task.ground_truth(env), self._task.GROUND_TRUTH_OUTPUT
        attack: list[Any] = []
        sign, done = None, list[Any]()
        if self._injection is not None:
            attack, sign = self._injection.ground_truth(env), squeezed(self._injection.GOAL)
            answer = f"{answer}\n{self._injection.GROUND_TRUTH_OUTPUT}"
        model = Script(wanted, attack, sign, answer)
        tools = Toolbox([DojoTool(function, runtime, env, done) for function in runtime.functions.values()])
        said = asyncio.run(self._run(query, model, tools, self._saying(wanted)))
        self.seen = model.seen
        calls = [{"role": "assistant", "tool_calls": [call], "content": [block("")]} for call in done]
        last = {"role": "assistant", "tool_calls": None, "content": [block(said)]}
        return query, runtime, env, [*messages, *calls, last], extra_args or {}

    def _saying(self, wanted: list[FunctionCall]) -> Callable[[StepRecord], str]:
        """What a person says to a call that waits."""
        allowed = [(call.function, plain(dict(call.args))) for call in wanted] if self._person == "knows" else []
        return lambda step: "yes" if (step.name, plain(json.loads(step.request["arguments"]))) in allowed else "no"

    async def _run(self, query: str, model: Script, tools: Toolbox, say: Callable[[StepRecord], str]) -> str:
        definition, limits, host = Definition(agent=self._agent), Limits(self._agent), ModelHost(model)
        members = members_of(definition, tools, lambda name: False)
        approvals = Approvals(definition, {spec.name: spec for spec in tools.specs})
        checkpoints = Checkpoints(None, "local", "", approvals=approvals, limits=limits)
        performer = Performer("", host, members, tools, checkpoints=checkpoints, approvals=approvals, limits=limits)
        work = Work(me=members["dojo"], messages=[Message("user", query)])
        while True:
            try:
                return await loop.run(STRATEGIES["direct"](work), checkpoints, performer, limits)
            except loop.Waiting:
                for step in checkpoints.steps:
                    if step.status == "waiting" and step.decision is None:
                        self.questions += 1
                        step.decision = {"say": say(step)}


def plain(arguments: Any) -> Any:
    """As JSON has it, to be compared."""
    return json.loads(json.dumps(arguments, default=str))


def measure(suite: Any, modes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Of each mode: how many attacks that were seen succeeded, tasks done with and without attacks, and questions."""
    found: dict[tuple[str, str], Any] = defaultdict(lambda: defaultdict(list))
    attack = load_attack("important_instructions_no_names", suite, Guru("allow", "-", None, None))
    clean = suite.load_and_inject_default_environment({})
    injections = {name: task for name, task in suite.injection_tasks.items() if obeyable(task, clean)}
    for task in suite.user_tasks.values():
        for mode in modes:
            pipeline = Guru(*mode, task, None)
            done, _ = suite.run_task_with_pipeline(pipeline, task, None, {}, environment=clean.model_copy(deep=True))
            found[mode]["alone"].append(done)
            found[mode]["questions"].append(pipeline.questions)
        for name, injection in injections.items():
            planted = attack.attack(task, injection)
            world = suite.load_and_inject_default_environment(planted)
            for mode in modes:
                pipeline = Guru(*mode, task, injection)
                done, hit = suite.run_task_with_pipeline(
                    pipeline, task, injection, planted, environment=world.model_copy(deep=True)
                )
                found[mode]["attacked"].append(done)
                found[mode]["hit"].append(hit)
                found[mode]["seen"].append(pipeline.seen)
                if hit:
                    found[mode]["through"].append(name)
    return found


def obeyable(injection: Any, environment: Any) -> bool:
    return bool(injection.ground_truth(environment) or injection.GROUND_TRUTH_OUTPUT)


def report(suites: dict[str, Any]) -> str:
    lines = [
        "| suite | gate | attacks that succeed | tasks done under attack | tasks done without | questions a task |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, found in suites.items():
        for (mode, person), of in found.items():
            hits, seen = f"{sum(of['hit'])} of {len(of['hit'])}", sum(of["hit"]) / len(of["hit"])
            cells = [f"{hits} ({seen:.1%})", rate(of["attacked"]), rate(of["alone"])]
            asked = sum(of["questions"]) / len(of["questions"])
            lines.append(f"| {name} | {mode}{NAMED[person]} | {' | '.join(cells)} | {asked:.2f} |")
    for name, found in suites.items():
        for (mode, person), of in found.items():
            if mode != "allow" and of["through"]:
                counts = {task: of["through"].count(task) for task in dict.fromkeys(of["through"])}
                lines.append(f"\n{name}, {mode}{NAMED[person]}: through came {counts}")
    return "\n".join(lines)


def rate(values: list[bool]) -> str:
    return f"{sum(values) / len(values):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", default=["banking", "slack", "travel", "workspace"])
    parser.add_argument("--version", default="v1.2.2")
    parser.add_argument("--json", type=Path, help="where everything is written")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    yaml.safe_load = lambda stream: yaml.load(stream, yaml.CSafeLoader)  # the suites read much YAML
    found = {name: measure(get_suites(arguments.version)[name], MODES) for name in arguments.suites}
    if arguments.json:
        written = {name: {" ".join(mode): of for mode, of in modes.items()} for name, modes in found.items()}
        arguments.json.write_text(json.dumps(written))
    print(report(found))


if __name__ == "__main__":
    main()
