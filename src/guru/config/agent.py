"""What can be configured of agents: a table `[agents.NAME]` for each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from guru.config.base import Section

Strategy = Literal[
    "direct", "react", "plan-and-execute", "reflection", "tree-of-thoughts", "self-consistency", "router", "hand-off"
]
ToolCalls = Literal["auto", "native", "text", "guided"]
Few = Annotated[int, Meta(ge=1, le=20)]


class ToolExample(Section):
    """What somebody may ask that a tool answers: small models learn from it when to call the tool, and how."""

    tool: str
    """The tool's name."""
    request: str
    """What is asked, such as `What is 17 % of 230?`"""
    arguments: dict[str, Any] = {}
    """What the tool is called with then."""


class AgentSettings(Section):
    """An agent: a model with instructions, tools, and a way to go about things."""

    description: str = ""
    """What it is good for: routers and other agents choose it by this."""
    model: str = "default"
    """The model or alias that it asks."""
    instructions: str = ""
    """What it is told before everything else."""
    prompt: str | None = None
    """A [prompt](prompts.md) of the library, such as `clerk@prod`, whose text it is told before the instructions. A
    run keeps the version that it began with."""
    variables: dict[str, Any] = field(default_factory=dict)
    """What the prompt is filled in with."""
    strategy: Strategy = "direct"
    """How it goes about a task: see [agents](agents.md)."""
    tools: list[str] = field(default_factory=list)
    """Names and patterns of the tools that it may use: `calculator`, `search_*`."""
    tool_calls: ToolCalls = "auto"
    """How the model calls tools: by itself (`native`), by writing `Action:` (`text`), or led by examples and a schema
    (`guided`). `auto`: `guided` for small models, else `native`."""
    mark_answer: bool = True
    """Whether a model that calls tools by itself is told to mark where its answer begins. Without a mark, the answer is
    sent in one piece, as a call of a tool might follow."""
    memory: bool = False
    """Whether its model is shown what is [remembered](memory.md) of the person who asks it, and it has the tools
    `remember`, `recall` and `forget`."""
    agents: list[str] = field(default_factory=list)
    """Other agents, which a `router` chooses among, or a `hand-off` may hand over to."""
    examples: list[ToolExample] = field(default_factory=list)
    """Requests that tools answer, for `guided` calls; built-in tools bring some."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """None: as the strategy and the model have it."""
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    """Of each answer of the model."""
    samples: Few = 5
    """Answers that `self-consistency` lets vote."""
    breadth: Few = 3
    """Thoughts that `tree-of-thoughts` makes of each that it keeps."""
    beam: Few = 2
    """Thoughts that `tree-of-thoughts` keeps at each depth."""
    depth: Few = 3
    """How deep `tree-of-thoughts` thinks."""
    prune: Annotated[float, Meta(ge=0, le=10)] = 3.0
    """A thought that is rated lower, of 10, is not followed by `tree-of-thoughts`."""
    rounds: Few = 2
    """How often `reflection` looks at its answer again, and `plan-and-execute` may change its plan."""
    max_steps: Annotated[int, Meta(ge=1, le=1000)] = 30
    """Steps after which a run stops: a step is one call of the model, or some calls of tools at the same time."""
    max_seconds: Annotated[float, Meta(gt=0)] = 600.0
    """Of work, without the time that a person takes to answer."""
    max_usd: Annotated[float, Meta(ge=0)] | None = None
    """US dollars that all calls of the model may cost together."""
    max_repeats: Annotated[int, Meta(ge=1)] = 3
    """How often a tool may be called with the same arguments."""
    retries: Annotated[int, Meta(ge=0, le=10)] = 1
    """Further attempts of a tool's call that failed for a reason that may pass."""
    alternatives: dict[str, list[str]] = field(default_factory=dict)
    """Of a tool, those that are called in its place, with the same arguments, when it fails."""
    approve: list[str] = field(default_factory=list)
    """Names and patterns of tools whose every call waits for a person, besides those that always do."""
    untrusted: Literal["ask", "strict", "allow"] = "ask"
    """What holds once a tool has read something from outside, or where an MCP server that is not trusted describes one:
    both may carry instructions of strangers. `ask`: calls that change something wait for a person. `strict`: so do
    those of tools that have not been used before, and of those that ask any address that they are given."""
    schedule: str | None = None
    """When it runs by itself, as cron has it: `0 7 * * 1-5`."""
    timezone: str = "UTC"
    """Of the schedule, such as `Europe/Berlin`."""
    on_document: str | None = None
    """A collection: it runs for every document that comes into it or changes."""
    webhook_key: str | None = None
    """What a webhook that starts it must know. Write `"env:NAME"`."""
    input: str = ""
    """What it is asked when it runs by itself."""
