"""OpenAI's Responses API: the request. The answer is in `openai_responses_answer`, the items in `..._items`.

Spec: https://platform.openai.com/docs/api-reference/responses. What Guru adds stands under `"guru"`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.models.wire.fields import JSON, NonEmpty, convert, decode_object, require, take, take_stream_options
from guru.models.wire.openai_responses_items import to_messages
from guru.types import ChatRequest, FunctionDefinition, Grounding, Message, NativeTool, Tool

__all__ = ["ResponsesRequest", "decode_responses_request", "with_history"]

REFUSED: Final = {
    "background": "Stream the answer, or send it as a batch: POST /v1/batches.",
    "conversation": "Use previous_response_id, or Guru's own conversations: /api/v1/conversations.",
    "max_tool_calls": "It counts the tools that OpenAI runs itself; leave it out.",
    "context_management": "Leave it out; [models.NAME.context] sets what is done with long prompts.",
}
"""Fields that mean something OpenAI does on its own machines, and what to do instead."""
INCLUDED: Final = {"reasoning.encrypted_content", "message.output_text.logprobs"}
SHARED: Final = (
    "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    "moderation",
)  # fmt: skip
"""Fields that chat completions have by the same name."""


class Reasoning(Struct, omit_defaults=True):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    """The old name of `summary`."""


class StoredPrompt(Struct, forbid_unknown_fields=True):
    """A prompt of the library, as OpenAI's clients name one of theirs."""

    id: NonEmpty
    """Its name, also with a label or a version, as `name@prod`."""
    version: str | None = None
    """A version or a label."""
    variables: JSON | None = None


class Text(Struct, omit_defaults=True):
    format: JSON | None = None
    verbosity: str | None = None


class NamedTool(Struct):
    type: Literal["function"]
    name: str


class AllowedTools(Struct):
    """A choice among some of the tools."""

    type: str
    tools: list[NamedTool]
    mode: Literal["auto", "required"] = "auto"


class ResponsesRequest(Struct, kw_only=True):
    """A request as the door needs it: `chat` for the road, the rest for the answer and for what is stored."""

    chat: ChatRequest
    items: list[JSON]
    """The input, as items."""
    instructions: str | None
    previous_response_id: str | None
    store: bool
    summary: bool
    """Whether reasoning is shown as a summary, which the caller asked for, or as it is."""
    encrypted: bool
    """Whether signed thinking is handed to the caller."""
    logprobs: bool
    shown: JSON
    """What the answer repeats of the request."""


def decode_responses_request(body: bytes) -> ResponsesRequest:
    """Read the body of `POST /v1/responses`. Raises `InvalidParameter` with the place of the mistake in `param`."""
    raw = decode_object(body)
    refuse(raw)
    options = take_stream_options(raw)
    items = take_items(raw)
    reasoning = take(raw, "reasoning", Reasoning, Reasoning())
    text = take(raw, "text", Text, Text())
    tools = take(raw, "tools", list[JSON], [])
    choice = take(raw, "tool_choice", str | dict[str, Any])
    included = take(raw, "include", list[str], [])
    check_included(included)
    functions, natives = split_tools(tools)
    functions, native_choice = choose_tools(functions, natives, choice)
    instructions = take(raw, "instructions", str)
    top_logprobs = take(raw, "top_logprobs", Annotated[int, Meta(ge=0, le=20)])
    logprobs = "message.output_text.logprobs" in included or bool(top_logprobs)
    store = take(raw, "store", bool, True)
    extra = {name: value for name in SHARED if (value := raw.pop(name, None)) is not None}
    if text.verbosity is not None:
        extra["verbosity"] = text.verbosity
    chat = ChatRequest(
        model=require(raw, "model", NonEmpty),
        messages=[],
        tools=functions,
        native_tools=natives,
        tool_choice=native_choice,
        parallel_tool_calls=take(raw, "parallel_tool_calls", bool),
        response_format=to_response_format(text.format),
        reasoning_effort=reasoning.effort,
        metadata=take(raw, "metadata", dict[str, str]),
        max_tokens=take(raw, "max_output_tokens", Annotated[int, Meta(ge=1)]),
        temperature=take(raw, "temperature", Annotated[float, Meta(ge=0, le=2)]),
        top_p=take(raw, "top_p", Annotated[float, Meta(ge=0, le=1)]),
        user=take(raw, "user", str),
        logprobs=logprobs,
        top_logprobs=top_logprobs if logprobs else None,
        stream=options.stream,
        guru=take_guru(raw),
    )
    previous = take(raw, "previous_response_id", NonEmpty)
    take_truncation(raw)
    chat.extra = extra | {name: value for name, value in raw.items() if value is not None}
    if not items and previous is None and (chat.guru is None or chat.guru.prompt is None):
        raise InvalidParameter("`input` is missing.", param="input", hint="Send a text or a list of items.")
    request = ResponsesRequest(
        chat=chat, items=items, instructions=instructions, previous_response_id=previous, store=store,
        summary=bool(reasoning.summary or reasoning.generate_summary),
        encrypted="reasoning.encrypted_content" in included, logprobs=logprobs,
        shown=shown_members(
            chat, instructions=instructions, previous=previous, store=store, reasoning=reasoning, text=text,
            tools=tools, choice=choice,
        ),
    )  # fmt: skip
    chat.messages = with_history(request, [])
    return request


def with_history(request: ResponsesRequest, history: list[JSON]) -> list[Message]:
    """The messages of a request: instructions, the items of the answers before, and its own input.

    Instructions are those of this request only: OpenAI does not carry them over either.
    """
    system = [Message(role="system", content=request.instructions)] if request.instructions else []
    return [*system, *to_messages(history, "previous_response_id"), *to_messages(request.items)]


def refuse(raw: JSON) -> None:
    for name, hint in REFUSED.items():
        value = raw.pop(name, None)
        if value not in (None, False):
            raise InvalidParameter(f"`{name}` is not supported here.", param=name, hint=hint)


def take_guru(raw: JSON) -> Grounding | None:
    """What is Guru's own; a `prompt`, as OpenAI has it, is one of Guru's library."""
    guru: Grounding | None = take(raw, "guru", Grounding)
    prompt: StoredPrompt | None = take(raw, "prompt", StoredPrompt)
    if prompt is None:
        return guru
    if guru is not None and guru.prompt is not None:
        raise InvalidParameter("`prompt` and `guru.prompt` are both there.", param="prompt", hint="Send one of them.")
    reference = f"{prompt.id}@{prompt.version}" if prompt.version else prompt.id
    variables = {name: text_of(value) for name, value in (prompt.variables or {}).items()}
    if guru is None:
        return Grounding(prompt=reference, variables=variables)
    guru.prompt, guru.variables = reference, variables
    return guru


def text_of(value: Any) -> Any:
    """The value of a variable: of an item of input its text."""
    if isinstance(value, dict) and value.get("type") == "input_text" and isinstance(value.get("text"), str):
        return value["text"]
    return value


def take_items(raw: JSON) -> list[JSON]:
    value: str | list[JSON] = take(raw, "input", str | list[Any], [])
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]}]
    return value


def take_truncation(raw: JSON) -> None:
    truncation = take(raw, "truncation", Literal["auto", "disabled"], "disabled")
    if truncation == "auto":
        message = '`truncation` is "auto": what is left out of a long prompt is set for each model here.'
        hint = 'Leave it out, and set [models.NAME.context] policy = "window".'
        raise InvalidParameter(message, param="truncation", hint=hint)


def check_included(included: list[str]) -> None:
    for name in included:
        if name not in INCLUDED:
            hint = f"Known here: {', '.join(sorted(INCLUDED))}."
            raise InvalidParameter(f"`include` names {name!r}, which is not here.", param="include", hint=hint)


def split_tools(tools: list[JSON]) -> tuple[list[Tool], list[NativeTool]]:
    """Functions, and the tools that a provider runs itself."""
    functions: list[Tool] = []
    natives: list[NativeTool] = []
    for index, tool in enumerate(tools):
        if tool.get("type") == "function":
            definition = {name: value for name, value in tool.items() if name != "type"}
            functions.append(Tool(convert(definition, FunctionDefinition, f"tools[{index}]")))
        else:
            natives.append(NativeTool("responses", tool))
    return functions, natives


def choose_tools(
    functions: list[Tool], natives: list[NativeTool], choice: str | JSON | None
) -> tuple[list[Tool], str | JSON | None]:
    """The functions that may be called, and the choice as chat completions write it."""
    if choice is None:
        return functions, None
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            message = f"`tool_choice` is {choice!r}: it must be none, auto, required or a tool."
            raise InvalidParameter(message, param="tool_choice")
        if choice == "required" and not (functions or natives):
            raise InvalidParameter("`tool_choice` needs `tools`.", param="tool_choice")
        return functions, choice if functions or natives else None
    match choice.get("type"):
        case "function":
            check_known(functions, choice.get("name"))
            return functions, {"type": "function", "function": {"name": choice["name"]}}
        case "allowed_tools":
            allowed = convert(choice, AllowedTools, "tool_choice")
            for tool in allowed.tools:
                check_known(functions, tool.name)
            names = {tool.name for tool in allowed.tools}
            return [tool for tool in functions if tool.function.name in names], allowed.mode
        case kind if natives:
            return functions, choice
        case kind:
            message = f"`tool_choice` asks for a tool of type {kind!r}, which is not in `tools`."
            raise InvalidParameter(message, param="tool_choice")


def check_known(functions: list[Tool], name: Any) -> None:
    names = [tool.function.name for tool in functions]
    if name not in names:
        message = f"`tool_choice` names the function {name!r}, which is not in `tools`."
        raise InvalidParameter(message, param="tool_choice", hint=f"Known: {', '.join(names)}.")


def to_response_format(value: JSON | None) -> JSON | None:
    """`text.format` as chat completions write it."""
    kind = "text" if value is None else value.get("type")
    if value is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        message = f"`text.format.type` is {kind!r}: it must be text, json_object or json_schema."
        raise InvalidParameter(message, param="text.format.type")
    if not isinstance(value.get("schema"), dict):
        raise InvalidParameter("`text.format.schema` is missing.", param="text.format.schema", hint="Send a schema.")
    members = {name: part for name, part in value.items() if name != "type" and part is not None}
    convert(members.get("name"), str | None, "text.format.name")
    return {"type": "json_schema", "json_schema": {"name": "answer", **members}}


def shown_members(
    chat: ChatRequest,
    *,
    instructions: str | None,
    previous: str | None,
    store: bool,
    reasoning: Reasoning,
    text: Text,
    tools: list[JSON],
    choice: str | JSON | None,
) -> JSON:
    """What OpenAI's answer repeats of the request."""
    return {
        "background": False,
        "instructions": instructions,
        "max_output_tokens": chat.max_tokens,
        "max_tool_calls": None,
        "metadata": chat.metadata or {},
        "parallel_tool_calls": chat.parallel_tool_calls is not False,
        "previous_response_id": previous,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary or reasoning.generate_summary},
        "service_tier": chat.extra.get("service_tier", "default"),
        "store": store,
        "temperature": chat.temperature,
        "text": {
            "format": text.format or {"type": "text"},
            **({"verbosity": text.verbosity} if text.verbosity else {}),
        },
        "tool_choice": choice or "auto",
        "tools": tools,
        "top_logprobs": chat.top_logprobs or 0,
        "top_p": chat.top_p,
        "truncation": "disabled",
        "user": chat.user,
    }
