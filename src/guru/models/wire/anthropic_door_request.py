"""What a client of Anthropic's API sends, as our request.

Spec: https://platform.claude.com/docs/en/api/messages. Members that we do not know travel in `extra`, blocks in
`NativePart`s, tools in `NativeTool`s: a model of Anthropic's gets them as they were, others carry or refuse them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from msgspec import Meta

from guru.errors import InvalidParameter
from guru.models.wire.anthropic_door_parts import assistant_messages, system_content, user_messages
from guru.models.wire.fields import JSON, NonEmpty, convert, decode_object, require, rest, take
from guru.types import ChatRequest, FunctionDefinition, Grounding, Message, NativeTool, Tool

CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
OUR_TOOL: Final = {"type", "name", "description", "input_schema", "strict", "cache_control"}


def decode_messages_request(body: bytes, betas: Iterable[str] = (), *, counting: bool = False) -> ChatRequest:
    """Read the body of `POST /v1/messages`, or of `count_tokens` when `counting`.

    `betas` is what the header `anthropic-beta` opts in to. Raises `InvalidParameter` with the place of the mistake.
    """
    raw = decode_object(body)
    model = require(raw, "model", NonEmpty)
    max_tokens = None if counting else require(raw, "max_tokens", Annotated[int, Meta(ge=0)])
    metadata = take(raw, "metadata", dict[str, Any], {})
    user = take(metadata, "user_id", str)
    output = take(raw, "output_config", dict[str, Any], {})
    schema = take(output, "format", dict[str, Any]) or take(raw, "output_format", dict[str, Any])
    effort = take(output, "effort", str)
    if left := rest(output):
        raw["output_config"] = left
    guru = take(raw, "guru", Grounding)
    tools, native = _take_tools(raw)
    choice, parallel = _take_choice(raw)
    return ChatRequest(
        model=model,
        messages=_take_messages(raw, prompted=guru is not None and guru.prompt is not None),
        max_tokens=max_tokens,
        tools=tools,
        native_tools=native,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        temperature=take(raw, "temperature", Annotated[float, Meta(ge=0, le=1)]),
        top_p=take(raw, "top_p", Annotated[float, Meta(ge=0, le=1)]),
        top_k=take(raw, "top_k", Annotated[int, Meta(ge=0)]),
        stop=take(raw, "stop_sequences", list[NonEmpty], []),
        thinking=take(raw, "thinking", dict[str, Any]),
        reasoning_effort=effort,
        response_format=_response_format(schema),
        user=user,
        metadata=rest(metadata) or None,
        betas=[name for name in betas if name],
        stream=take(raw, "stream", bool, False),
        guru=guru,
        extra=rest(raw),
    )


def _take_messages(raw: JSON, *, prompted: bool) -> list[Message]:
    """`prompted`: whether a prompt of the library has messages of its own, so that none need follow."""
    messages: list[Message] = []
    if system := raw.pop("system", None):
        messages.append(Message("system", system_content(system, "system")))
    turns = require(raw, "messages", list[dict[str, Any]])
    if not turns and not prompted:
        raise InvalidParameter("`messages` is empty.", param="messages", hint="Send at least one message.")
    for index, turn in enumerate(turns):
        path = f"messages[{index}]"
        role, content = turn.get("role"), turn.get("content")
        if not isinstance(content, str | list):
            raise InvalidParameter(f"`{path}.content` must be a text or a list of blocks.", param=f"{path}.content")
        if unknown := [name for name in turn if name not in ("role", "content")]:
            raise InvalidParameter(f"`{path}.{unknown[0]}` is unknown.", param=f"{path}.{unknown[0]}")
        match role:
            case "user":
                messages += user_messages(content, f"{path}.content")
            case "assistant":
                messages += assistant_messages(content, f"{path}.content")
            case "system":
                messages.append(Message("system", system_content(content, f"{path}.content")))
            case _:
                message = f"`{path}.role` is {role!r}: it must be user, assistant or system."
                raise InvalidParameter(message, param=f"{path}.role")
    return messages


def _take_tools(raw: JSON) -> tuple[list[Tool], list[NativeTool]]:
    """Tools of the caller's own, and those that only Anthropic knows: by their type, or by what they ask for."""
    tools: list[Tool] = []
    native: list[NativeTool] = []
    for index, given in enumerate(take(raw, "tools", list[dict[str, Any]], [])):
        said = rest(given)
        if said.get("type", "custom") != "custom" or set(said) - OUR_TOOL:
            native.append(NativeTool("anthropic", given))
            continue
        path = f"tools[{index}]"
        function = FunctionDefinition(
            require(said, "name", NonEmpty),
            take(said, "description", str),
            convert(said.get("input_schema", {}), dict[str, Any], f"{path}.input_schema"),
            take(said, "strict", bool),
        )
        tools.append(Tool(function, take(said, "cache_control", dict[str, Any])))
    return tools, native


def _take_choice(raw: JSON) -> tuple[str | JSON | None, bool | None]:
    """`tool_choice` and whether several tools may be called at once, as OpenAI has them."""
    choice = take(raw, "tool_choice", dict[str, Any])
    if choice is None:
        return None, None
    single = take(choice, "disable_parallel_tool_use", bool)
    parallel = None if single is None else not single
    kind = choice.get("type")
    if isinstance(kind, str) and kind in CHOICES:
        return CHOICES[kind], parallel
    if kind == "tool" and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}, parallel
    message = "`tool_choice.type` must be auto, any, none, or tool with a name."
    raise InvalidParameter(message, param="tool_choice.type")


def _response_format(given: JSON | None) -> JSON | None:
    """Anthropic's format has a schema and no name; OpenAI's wants one."""
    if given is None:
        return None
    if given.get("type") != "json_schema" or not isinstance(given.get("schema"), dict):
        message = "`output_config.format` must be of type json_schema, with a schema."
        raise InvalidParameter(message, param="output_config.format")
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": given["schema"], "strict": True}}
