"""A request for Cohere's Chat API, version 2.

Spec: https://docs.cohere.com/reference/chat. Parameters that the API does not have are refused before, by the
provider's table. What only Cohere has (`documents`, `citation_options`, `safety_mode` ...) comes in `extra`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from guru.errors import InvalidParameter
from guru.models.wire.shared import refuse_name
from guru.types import JSON, ChatRequest, ImagePart, Message, NativePart, Part, RefusalPart, TextPart, Tool

__all__ = ["encode_request"]

SAMPLING: Final[dict[str, str]] = {
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "max_tokens": "max_tokens",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
}


def encode_request(request: ChatRequest, model: str, drop: Collection[str] = ()) -> JSON:
    """The body of `POST /v2/chat`. `model` is Cohere's own name; `drop` names what may be left out.

    Raises `InvalidParameter` for what the API does not have.
    """
    body: JSON = {"model": model, "stream": request.stream}
    body["messages"] = [
        _message(message, f"messages[{place}]", drop) for place, message in enumerate(request.messages)
    ]  # fmt: skip
    for ours, theirs in SAMPLING.items():
        if (value := getattr(request, ours)) is not None:
            body[theirs] = value
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.logprobs:
        body["logprobs"] = True
    kind = (request.response_format or {}).get("type", "text")
    if kind != "text":
        body["response_format"] = {"type": "json_object"}
    if kind == "json_schema" and request.response_format is not None:
        body["response_format"]["json_schema"] = request.response_format["json_schema"]["schema"]
    return body | _tools(request) | _thinking(request) | request.extra


def _tools(request: ChatRequest) -> JSON:
    """Cohere can be told to call some tool or none: a certain one is asked for by offering no other."""
    tools, choice = request.tools, request.tool_choice
    if not tools:
        return {}
    fields: JSON = {}
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        tools = [tool for tool in tools if tool.function.name == name]
        if not tools:
            raise InvalidParameter("`tool_choice` names no function of `tools`.", param="tool_choice")
        fields["tool_choice"] = "REQUIRED"
    elif choice in ("required", "none"):
        fields["tool_choice"] = str(choice).upper()
    if any(tool.function.strict for tool in tools):
        fields["strict_tools"] = True
    return fields | {"tools": [_tool(tool) for tool in tools]}


def _tool(tool: Tool) -> JSON:
    function: JSON = {"name": tool.function.name}
    if tool.function.description:
        function["description"] = tool.function.description
    function["parameters"] = tool.function.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _thinking(request: ChatRequest) -> JSON:
    if request.thinking is not None:
        if request.thinking.get("type") == "disabled":
            return {"thinking": {"type": "disabled"}}
        budget = request.thinking.get("budget_tokens")
        return {"thinking": {"type": "enabled"} | ({} if budget is None else {"token_budget": budget})}
    if request.reasoning_effort is not None:
        return {"thinking": {"type": "disabled" if request.reasoning_effort == "none" else "enabled"}}
    return {}


# --------------------------------------------------------------------------- messages


def _message(message: Message, path: str, drop: Collection[str]) -> JSON:
    refuse_name(message, path, "Cohere", drop)
    content = _content(message, f"{path}.content")
    raw: JSON = {"role": "system" if message.role == "developer" else message.role}
    if message.role == "tool":
        raw["tool_call_id"] = message.tool_call_id
    if message.reasoning_content and message.tool_calls:
        raw["tool_plan"] = message.reasoning_content
    elif message.reasoning_content:
        said = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
        content = [{"type": "thinking", "thinking": message.reasoning_content}, *said]
    if content or not message.tool_calls:
        raw["content"] = content
    if message.tool_calls:
        raw["tool_calls"] = [
            {"id": call.id, "type": "function",
             "function": {"name": call.function.name, "arguments": call.function.arguments or "{}"}}
            for call in message.tool_calls
        ]  # fmt: skip
    return raw


def _content(message: Message, path: str) -> str | list[JSON]:
    if message.content is None or isinstance(message.content, str):
        return message.content or message.refusal or ""
    return [_part(part, f"{path}[{place}]") for place, part in enumerate(message.content)]


def _part(part: Part, path: str) -> JSON:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"type": "text", "text": text}
        case NativePart(text=str(text)):
            return {"type": "text", "text": text}
        case ImagePart(image_url=image):
            return {"type": "image_url", "image_url": {"url": image.url} | _detail(image.detail)}
        case _:
            kind = part.__struct_config__.tag
            message = f"`{path}`: Cohere does not take parts of the kind {kind}."
            raise InvalidParameter(message, param=path, hint="Send text or images; documents go into `documents`.")


def _detail(detail: str | None) -> JSON:
    return {} if detail is None else {"detail": detail}
