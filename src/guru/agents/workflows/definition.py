"""What a workflow is: steps with names, each of one kind. TOML, YAML, Python and Amazon States Language give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct

Positive = Annotated[float, Meta(gt=0, le=3.2e7)]
"""Seconds, a year at most."""
MAX_STEPS: Final = 500
"""Of one definition."""
MAX_WAYS: Final = 2000
"""Between steps: a drawing has a line for each."""
MAX_NESTING: Final = 6
DOES: Final = ("tool", "prompt", "agent", "question")
"""What a task may do: one of these."""


class Part(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The base of everything in a definition."""


class Retry(Part, kw_only=True):
    """Try again after some errors."""

    errors: list[str]
    """Such as `RateLimited`, `States.Timeout`, `States.TaskFailed` (any but a time-out) or `States.ALL`."""
    attempts: Annotated[int, Meta(ge=0, le=100)] = 3
    """How often it is tried again."""
    interval: Positive = 1.0
    """Seconds before the first time."""
    backoff: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """By which the pause grows each time."""
    max_delay: Positive | None = None
    """Seconds that a pause has at most."""
    jitter: Literal["none", "full"] = "none"
    """`full`: the pause is a random part of itself, so that many do not come back together."""


class Catch(Part, kw_only=True):
    """Where to go on after some errors."""

    errors: list[str]
    next: str
    result_path: str | None = "$"
    """Where `{"Error", "Cause"}` is put into the input of the step that failed."""


class Step(Part, tag_field="kind", kw_only=True):
    comment: str = ""
    input_path: str | None = "$"
    """What of its input a step sees; `""` or null: nothing."""
    output_path: str | None = "$"
    """What of its output the next step gets."""


class Going(Step, tag="going", kw_only=True):
    """A step after which another one comes, or the end."""

    next: str | None = None
    end: bool = False


class Working(Going, tag="working", kw_only=True):
    """A step with a result."""

    parameters: Any = UNSET
    """What is made of the input before the work: a payload with templates."""
    result_selector: Any = UNSET
    """What is made of the result: `$` is the result here."""
    result_path: str | None = "$"
    """Where the result is put into the input; `$`: in its place; `""` or null: the result is thrown away."""
    retry: list[Retry] = []
    catch: list[Catch] = []


class Task(Working, tag="task", kw_only=True):
    """Does one thing: `tool`, `prompt` (a model), `agent` or `question` (to a collection)."""

    tool: str | None = None
    """The arguments are `parameters`, or the input where there are none."""
    prompt: str | None = None
    """What a model, or an agent, is asked; a template."""
    system: str | None = None
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: float | None = None
    schema: dict[str, Any] | None = None
    """The JSON Schema of what the model answers: then the result has `data`."""
    agent: str | None = None
    question: str | None = None
    collection: str | None = None
    timeout: Positive | None = None
    """Seconds that one attempt may take."""

    @property
    def does(self) -> str:
        """`tool`, `prompt`, `agent` or `question`."""
        return "agent" if self.agent else next((name for name in DOES if getattr(self, name) is not None), "tool")


class Human(Working, tag="human", kw_only=True):
    """Asks a person, who decides, fills a form, or both."""

    title: str
    text: str = ""
    """What the person reads; a template."""
    decisions: list[str] = []
    """What can be decided, such as `["approve", "reject"]`."""
    form: dict[str, Any] | None = None
    """The JSON Schema of an object: its properties are the fields."""
    people: list[str] = []
    """Who may answer, besides who began the run and administrators: `user:ann`, `team:legal`."""
    timeout: Positive | None = None
    """Seconds until nobody is waited for any more."""


class Block(Part, kw_only=True):
    """Steps with a beginning."""

    start: str
    steps: dict[str, Step_]
    name: str = ""


class Map(Working, tag="map", kw_only=True):
    """The same steps for every item of a list."""

    start: str
    steps: dict[str, Step_]
    items: str = "{{ $ }}"
    """What gives the list."""
    item: Any = UNSET
    """What the steps get for an item: a payload with `item` and `index`. Without it, the item itself."""
    concurrency: Annotated[int, Meta(ge=0)] = 0
    """Items at the same time; 0: as many as the server allows."""
    tolerated: Annotated[int, Meta(ge=0)] = 0
    """Items that may fail: in their place the result has `{"Error", "Cause"}`."""
    tolerated_percent: Annotated[float, Meta(ge=0, le=100)] = 0.0


class Parallel(Working, tag="parallel", kw_only=True):
    """Several blocks of steps at the same time; the result has theirs, in order."""

    branches: list[Block]
    concurrency: Annotated[int, Meta(ge=0)] = 0
    tolerated: Annotated[int, Meta(ge=0)] = 0
    """Branches that may fail."""


class Pass(Going, tag="pass", kw_only=True):
    """Does nothing but shape data."""

    parameters: Any = UNSET
    result: Any = UNSET
    """A constant."""
    result_path: str | None = "$"


class Wait(Going, tag="wait", kw_only=True):
    """Waits, and holds nothing meanwhile."""

    seconds: float | str | None = None
    """A number, or a template that gives one."""
    until: str | None = None
    """A time as RFC 3339 has it, or a template that gives one."""


class Choice(Step, tag="choice", kw_only=True):
    """Goes on where the first rule that holds says."""

    choices: list[dict[str, Any]]
    default: str | None = None


class Succeed(Step, tag="succeed", kw_only=True):
    """Ends the steps it is in, well."""


class Fail(Part, tag_field="kind", tag="fail", kw_only=True):
    """Ends the steps it is in, with an error; both are templates."""

    comment: str = ""
    error: str = "Failed"
    cause: str = ""


Step_ = Task | Human | Map | Parallel | Pass | Wait | Choice | Succeed | Fail
AnyStep = Step_
KINDS: Final[dict[str, type[Any]]] = {
    "task": Task, "human": Human, "map": Map, "parallel": Parallel, "pass": Pass, "wait": Wait, "choice": Choice,
    "succeed": Succeed, "fail": Fail,
}  # fmt: skip


class Workflow(Part, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    start: str
    steps: dict[str, Step_]
    description: str = ""
    input: dict[str, Any] | None = None
    """The JSON Schema of what a run is given."""
    deadline: Positive | None = None
    """Seconds that a run may take, waits and people included."""
    max_steps: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Steps that a run may take; None: as the configuration says."""


def blocks_of(step: AnyStep) -> list[tuple[str, dict[str, AnyStep], str]]:
    """The blocks within a step: their place in it, their steps and their start."""
    if isinstance(step, Map):
        return [("", step.steps, step.start)]
    if isinstance(step, Parallel):
        return [(f"branches[{number}]", branch.steps, branch.start) for number, branch in enumerate(step.branches)]
    return []


def exits_of(step: AnyStep) -> Iterator[tuple[str, str, str]]:
    """Where a step may go on: the place that says so, the name of the step there, and what leads there."""
    if isinstance(step, Choice):
        for number, rule in enumerate(step.choices):
            if isinstance(target := rule.get("next"), str):
                yield f"choices[{number}].next", target, "choice"
        if step.default is not None:
            yield "default", step.default, "default"
    elif isinstance(step, Going) and step.next is not None:
        yield "next", step.next, "next"
    if isinstance(step, Working):
        for number, catch in enumerate(step.catch):
            yield f"catch[{number}].next", catch.next, "catch"


def to_plain(workflow: Workflow) -> dict[str, Any]:
    """The definition as JSON has it."""
    plain: dict[str, Any] = msgspec.to_builtins(workflow)
    return plain


def from_plain(plain: dict[str, Any]) -> Workflow:
    """A definition that was checked when it was kept."""
    return msgspec.convert(plain, Workflow)
