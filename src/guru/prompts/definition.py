"""What a version of a prompt is: messages with variables, examples, an output schema, techniques, hints."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from guru.types import JSON, SelfConsistency

VariableType = Literal["string", "number", "integer", "boolean", "list", "object"]
Text = Annotated[str, Meta(max_length=100_000)]
Short = Annotated[str, Meta(max_length=2_000)]
Notes = Annotated[str, Meta(max_length=2_000, pattern=r"^[^\x00]*$")]
"""What a version says of itself: a column of its own, in which PostgreSQL takes no null character."""
MAX_EXAMPLES: Final = 1_000


class MessageTemplate(Struct, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text
    """A template: see `guru.prompts.template`."""


class Variable(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What may be filled in under a name."""

    type: VariableType = "string"
    description: Short = ""
    required: bool = True
    """An optional one that is not given is empty: it prints nothing, and is false."""
    default: Any | UnsetType = UNSET
    choices: list[Any] = []
    """The values that it may have; empty: any of its type."""


class Example(Struct, forbid_unknown_fields=True):
    """A question and the answer that is wished for."""

    input: Text | JSON
    """The text of the user's message; or variables, to be filled into the prompt's own last message of the user."""
    output: Text
    """Sent as it is, as is a text of `input`."""


class Examples(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Few-shot examples, shown as turns before the last message of the user."""

    items: Annotated[list[Example], Meta(min_length=1, max_length=MAX_EXAMPLES)]
    choose: Literal["all", "first", "random", "similar"] = "all"
    """`similar`: those nearest in meaning to what is asked, the nearest one last."""
    count: Annotated[int, Meta(ge=1, le=MAX_EXAMPLES)] = 3
    """How many are shown, unless it is all of them."""
    seed: int = 0
    """Of `random`: the same seed shows the same ones."""
    by: str | None = None
    """Of `similar`: the variable that is compared; None: the whole message."""


class SamplingHints(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """For what a request leaves open."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: list[Annotated[str, Meta(min_length=1)]] = []
    seed: int | None = None


class PromptDefinition(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The content of a version."""

    description: Short = ""
    messages: Annotated[list[MessageTemplate], Meta(min_length=1, max_length=100)]
    variables: dict[str, Variable] = {}
    role: Short | None = None
    """Who the model is to be, such as "a patient tutor": a sentence in front of the system message."""
    constraints: Annotated[list[Short], Meta(max_length=50)] = []
    """Rules for the answer, listed at the end of the system message."""
    examples: Examples | None = None
    chain_of_thought: bool | Short = False
    """Whether the model is asked to think step by step before it answers; or the words that ask for it."""
    self_consistency: SelfConsistency | None = None
    output_schema: JSON | None = None
    """A JSON schema, which becomes the request's `response_format`."""
    model: Annotated[str, Meta(min_length=1)] | None = None
    """The model that it is meant for: taken where whoever uses the prompt names none."""
    sampling: SamplingHints | None = None
