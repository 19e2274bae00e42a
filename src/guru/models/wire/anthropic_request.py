"""A request for Anthropic's Messages API.

Spec: https://platform.claude.com/docs/en/api/messages. Parameters that the API does not have are refused before, by the
provider's table; what it does not have inside a message is refused here, or left out where `drop_params` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from msgspec import UNSET

from guru.errors import InvalidParameter
from guru.models.wire.anthropic_parts import Place, content_blocks, tool_id, tool_result_block
from guru.models.wire.claude import Claude, claude, thinking_fields
from guru.models.wire.gemini_thoughts import is_sealed
from guru.models.wire.shared import arguments, refuse_name
from guru.types import JSON, ChatRequest, Message, NativeTool, Tool, ToolCall

CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}


def encode_request(request: ChatRequest, model: str, drop: Collection[str] = ()) -> JSON:
    """The body of `POST /v1/messages`. `model` is the provider's own name; `drop` names what may be left out.

    Raises `InvalidParameter` for what the API does not have.
    """
    known = claude(model)
    system, messages = encode_messages(request.messages, known, drop)
    max_tokens = known.max_output if request.max_tokens is None else request.max_tokens
    body: JSON = {"model": model, "max_tokens": max_tokens, "messages": messages}
    if system:
        body["system"] = system
    for name in ("temperature", "top_p", "top_k"):
        if getattr(request, name) is not None:
            body[name] = getattr(request, name)
    if request.stop:
        body["stop_sequences"] = request.stop
    if user := user_id(request):
        body["metadata"] = {"user_id": user}
    body |= encode_tools(request)
    body |= _thinking_and_output(request, known, max_tokens, drop)
    body |= {name: value for name, value in request.extra.items() if name not in drop and name != "output_config"}
    if request.stream:
        body["stream"] = True
    return body


def user_id(request: ChatRequest) -> str | None:
    """Who the end user is, by `user` or, as Anthropic's clients write it, `metadata.user_id`."""
    told = (request.metadata or {}).get("user_id")
    return request.user or (told if isinstance(told, str) else None)


# --------------------------------------------------------------------------- messages


def encode_messages(
    messages: list[Message], model: Claude, drop: Collection[str] = ()
) -> tuple[list[JSON], list[JSON]]:
    """The blocks of `system`, and the turns. Consecutive messages of one side become one turn."""
    system: list[JSON] = []
    turns: list[JSON] = []
    for index, message in enumerate(messages):
        place = Place(f"messages[{index}]", drop)
        refuse_name(message, place.path, "Anthropic", drop)
        if message.role in ("system", "developer"):
            blocks = content_blocks(message.content, place.inside("content"), text_only=True)
            if turns and turns[-1]["role"] == "user" and model.later_system:
                turns.append({"role": "system", "content": blocks})
            else:
                system += blocks
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_message_blocks(message, place))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        message_ = "There is no message besides the system's."
        raise InvalidParameter(message_, param="messages", hint="Send a message of the user.")
    return system, turns


def _message_blocks(message: Message, place: Place) -> Iterator[JSON]:
    """In the order that the API wants: thinking, what is said, calls."""
    if message.role == "tool":
        yield tool_result_block(message, place)
        return
    for block in message.thinking_blocks or ():
        if block.get("type") in ("thinking", "redacted_thinking") and not is_sealed(block):
            yield block  # others' thoughts mean nothing here, and have no signature that would be taken
    yield from content_blocks(message.content, place.inside("content"))
    if message.refusal:
        yield {"type": "text", "text": message.refusal}
    for number, call in enumerate(message.tool_calls or ()):
        yield _tool_use(call, f"{place.path}.tool_calls[{number}]")


def _tool_use(call: ToolCall, path: str) -> JSON:
    block = {"type": "tool_use", "id": tool_id(call.id), "name": call.function.name, "input": arguments(call, path)}
    return block | ({} if call.cache_control is UNSET else {"cache_control": call.cache_control})


# --------------------------------------------------------------------------- tools


def encode_tools(request: ChatRequest) -> JSON:
    """`tools` and `tool_choice`."""
    tools = [_tool(tool) for tool in request.tools]
    tools += [_native_tool(tool, index) for index, tool in enumerate(request.native_tools)]
    if not tools:
        return {}
    fields: JSON = {"tools": tools}
    choice = _tool_choice(request.tool_choice)
    if request.parallel_tool_calls is False and choice.get("type") != "none":
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return fields | ({"tool_choice": choice} if choice else {})


def _tool(tool: Tool) -> JSON:
    function = tool.function
    schema = {"type": "object"} | (function.parameters or {"properties": {}})
    encoded: JSON = {"name": function.name, "input_schema": schema}
    for name, value in (
        ("description", function.description), ("strict", function.strict), ("cache_control", tool.cache_control)
    ):  # fmt: skip
        if value is not None:
            encoded[name] = value
    return encoded


def _native_tool(tool: NativeTool, index: int) -> JSON:
    if tool.format != "anthropic":
        kind = tool.tool.get("type")
        message = f"Anthropic's models cannot run the tool {kind!r} of {tool.format}."
        raise InvalidParameter(message, param=f"tools[{index}]", hint="Use Anthropic's own form of the tool.")
    return tool.tool


def _tool_choice(choice: str | JSON | None) -> JSON:
    if choice is None:
        return {}
    if isinstance(choice, str):
        if choice in CHOICES:
            return {"type": CHOICES[choice]}
    elif isinstance(function := choice.get("function"), dict) and function.get("name"):
        return {"type": "tool", "name": function["name"]}
    message = "Anthropic's models take auto, none, required or one function as `tool_choice`."
    raise InvalidParameter(message, param="tool_choice", hint="Use one of them.")


# --------------------------------------------------------------------------- thinking and format


def _thinking_and_output(request: ChatRequest, model: Claude, max_tokens: int, drop: Collection[str]) -> JSON:
    fields = thinking_fields(request.reasoning_effort, request.thinking, model, max_tokens)
    given = {} if "output_config" in drop else request.extra.get("output_config") or {}
    output: JSON = dict(given) if isinstance(given, dict) else {}
    if "effort" in fields:
        output["effort"] = fields.pop("effort")
    if schema := output_schema(request.response_format, drop):
        output["format"] = {"type": "json_schema", "schema": schema}
    return fields | ({"output_config": output} if output else {})


def output_schema(response_format: JSON | None, drop: Collection[str]) -> JSON | None:
    """The schema that the answer must follow, if one is asked for."""
    kind = (response_format or {"type": "text"}).get("type")
    if kind == "text" or response_format is None:
        return None
    if kind == "json_schema":
        schema = response_format.get("json_schema", {}).get("schema")
        return schema if isinstance(schema, dict) else None
    if "response_format" in drop:
        return None
    message = f"These models cannot be held to the format {kind!r}."
    raise InvalidParameter(message, param="response_format.type", hint="Send a json_schema.")
