"""A request for Gemini's generateContent.

Spec: https://ai.google.dev/api/generate-content. Parameters that the API does not have are refused before, by the
provider's table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from guru.errors import InvalidParameter
from guru.models.wire.gemini_parts import content_parts, function_response
from guru.models.wire.gemini_thoughts import UNSIGNED, signatures, text_signature
from guru.models.wire.shared import arguments, refuse_name
from guru.types import JSON, ChatRequest, ImagePart, Message, NativeTool

__all__ = ["encode_request", "thinks_in_levels"]

GENERATION: Final[dict[str, str]] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
}

OF_GENERATION: Final = frozenset({
    "audioTimestamp", "audioTranscriptionConfig", "continuationToken", "enableAffectiveDialog",
    "enableEnhancedCivicAnswers", "imageConfig", "mediaResolution", "responseJsonSchema", "responseMimeType",
    "responseModalities", "responseSchema", "routingConfig", "speechConfig", "thinkingConfig",
})  # fmt: skip
"""Fields of a request's `extra` that Gemini takes inside `generationConfig`."""

BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Tokens to think with, for models before Gemini 3: https://ai.google.dev/gemini-api/docs/openai."""

LEVELS: Final = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
WEB_SEARCH: Final = "googleSearch"
OWN_TOOLS: Final = frozenset({
    WEB_SEARCH, "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps",
})  # fmt: skip
"""Tools that Gemini runs itself: https://ai.google.dev/api/caching#Tool."""

OTHER_TOOLS: Final = frozenset({"fileSearch", "computerUse"})
"""Those whose names mean something else in other APIs: taken in Gemini's shape alone."""

MODES: Final = {"none": "NONE", "auto": "AUTO", "required": "ANY"}
RESOLUTIONS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def encode_request(request: ChatRequest, model: str, drop: Collection[str] = (), files: str = "") -> JSON:
    """The body. `model` is Gemini's own name, `files` the address under which files of its API are.

    Raises `InvalidParameter` for what the API does not have.
    """
    system, contents = encode_messages(request.messages, model, drop, files)
    body: JSON = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if tools := _tools(request):
        body["tools"] = tools
    if config := _tool_config(request):
        body["toolConfig"] = {"functionCallingConfig": config}
    generation = _generation(request, model)
    for name, value in request.extra.items():
        camel = _camel(name)
        if camel == "generationConfig" and isinstance(value, dict):
            generation |= value
        elif camel in OF_GENERATION:
            generation[camel] = value
        elif isinstance(value, dict) and isinstance(body.get(camel), dict):
            body[camel] = body[camel] | value
        else:
            body[camel] = value
    if generation:
        body["generationConfig"] = generation
    return body


def thinks_in_levels(model: str) -> bool:
    """Since Gemini 3 thinking has levels, and calls of functions must come back with their signatures."""
    return re.search(r"gemini-[12]|gemma|learnlm", model) is None


def _generation(request: ChatRequest, model: str) -> JSON:
    config = {theirs: getattr(request, ours) for ours, theirs in GENERATION.items()}
    config = {name: value for name, value in config.items() if value is not None}
    if request.stop:
        config["stopSequences"] = request.stop
    if request.n > 1:
        config["candidateCount"] = request.n
    if request.logprobs:
        config["responseLogprobs"] = True
        if request.top_logprobs:
            config["logprobs"] = request.top_logprobs
    shape = request.response_format or {}
    if shape.get("type") in ("json_object", "json_schema"):
        config["responseMimeType"] = "application/json"
    if shape.get("type") == "json_schema":
        config["responseJsonSchema"] = shape["json_schema"]["schema"]
    if thinking := _thinking(request, model):
        config["thinkingConfig"] = thinking
    if resolution := _resolution(request):
        config["mediaResolution"] = resolution
    return config


def _thinking(request: ChatRequest, model: str) -> JSON:
    """How much to think: by budget before Gemini 3, and by level since. Thoughts are shown when they are asked for."""
    asked = request.thinking or {}
    kind, budget = asked.get("type"), asked.get("budget_tokens")
    if kind == "disabled":
        effort: str | None = "none"
    elif isinstance(budget, int):
        return {"thinkingBudget": budget, "includeThoughts": True}
    else:
        effort = request.reasoning_effort
    if effort is None:
        return {"includeThoughts": True} if kind else {}
    effort = effort if effort in LEVELS else "high"  # xhigh, max
    amount = {"thinkingLevel": LEVELS[effort]} if thinks_in_levels(model) else {"thinkingBudget": BUDGETS[effort]}
    return amount | ({"includeThoughts": True} if effort != "none" else {})


def _resolution(request: ChatRequest) -> str | None:
    """Gemini takes one resolution for all pictures: the highest `detail` that was asked for."""
    details = {
        part.image_url.detail
        for message in request.messages
        if isinstance(message.content, list)
        for part in message.content
        if isinstance(part, ImagePart)
    }
    return next((RESOLUTIONS[detail] for detail in ("high", "low") if detail in details), None)


# --------------------------------------------------------------------------- tools


def _tools(request: ChatRequest) -> list[JSON]:
    tools: list[JSON] = []
    if request.tools:
        declarations = []
        for tool in request.tools:
            declared: JSON = {"name": tool.function.name}
            if tool.function.description:
                declared["description"] = tool.function.description
            if tool.function.parameters:
                declared["parametersJsonSchema"] = tool.function.parameters
            declarations.append(declared)
        tools.append({"functionDeclarations": declarations})
    return tools + [_native(native) for native in request.native_tools]


def _native(native: NativeTool) -> JSON:
    """A tool that Gemini runs: in its own shape, or named by `type` as other APIs do, `{"type": "google_search"}`."""
    tool = dict(native.tool)
    kind = str(tool.pop("type", ""))
    name = WEB_SEARCH if kind.startswith("web_search") and not set(tool) - {"name"} else _camel(kind)
    if native.format == "gemini" or (not kind and tool and {_camel(each) for each in tool} <= OWN_TOOLS | OTHER_TOOLS):
        return native.tool
    if name in OWN_TOOLS:
        return {name: {} if name == WEB_SEARCH and kind.startswith("web_search") else tool}
    message = f"Gemini has no tool {kind!r} of the format {native.format}."
    raise InvalidParameter(message, param="tools", hint='Its own are such as {"type": "google_search"}.')


def _tool_config(request: ChatRequest) -> JSON:
    choice = request.tool_choice
    strict = any(tool.function.strict for tool in request.tools)
    if choice is None or choice == "auto":
        # VALIDATED is AUTO, held to the schemas.
        return {"mode": "VALIDATED"} if strict else {"mode": "AUTO"} if choice and request.tools else {}
    if isinstance(choice, str) and choice in MODES:
        return {"mode": MODES[choice]}
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return {"mode": "ANY", "allowedFunctionNames": [function["name"]]}
    message = "`tool_choice` must be none, auto, required or a function."
    raise InvalidParameter(message, param="tool_choice")


# --------------------------------------------------------------------------- messages


def encode_messages(
    messages: list[Message], model: str, drop: Collection[str] = (), files: str = ""
) -> tuple[list[JSON], list[JSON]]:
    """The parts of the system instruction, and the contents. Results of tools that belong together are one content."""
    system: list[JSON] = []
    contents: list[JSON] = []
    names: dict[str, str] = {}
    signed, required = signatures(messages), thinks_in_levels(model)
    for place, message in enumerate(messages):
        path = f"messages[{place}]"
        refuse_name(message, path, "Gemini", drop)
        if message.role in ("system", "developer"):
            system += content_parts(message.content, f"{path}.content", files)
        elif message.role == "tool":
            name = names.get(message.tool_call_id or "") or message.name
            if name is None:
                hint = "Send the assistant's message with its `tool_calls` before it."
                raise InvalidParameter(f"`{path}` answers a call that was not made.", param=path, hint=hint)
            response = function_response(message, name, f"{path}.content", files)
            if contents and messages[place - 1].role == "tool":
                contents[-1]["parts"].append(response)
            else:
                contents.append({"role": "user", "parts": [response]})
        elif message.role == "assistant":
            names |= {call.id: call.function.name for call in message.tool_calls or ()}
            before = contents[-1]["parts"] if contents and contents[-1]["role"] == "model" else []
            added = _said(message, path, files, before)
            added += _called(message, path, signed, first=required and not _calls(before))
            if added and before:
                before += added
            elif added:
                contents.append({"role": "model", "parts": added})
        elif parts := content_parts(message.content, f"{path}.content", files):
            contents.append({"role": "user", "parts": parts})
    if not contents:
        text = "There is no message besides the system's."
        raise InvalidParameter(text, param="messages", hint="Send a message of the user.")
    return system, contents


def _said(message: Message, path: str, files: str, before: list[JSON]) -> list[JSON]:
    """What the assistant said. A signature without a text is that of the part before."""
    parts = content_parts(message.content, f"{path}.content", files)
    if message.refusal:
        parts.append({"text": message.refusal})
    if signature := text_signature(message):
        if not parts and not before:
            parts.append({"text": ""})
        (parts or before)[-1].setdefault("thoughtSignature", signature)
    return parts


def _called(message: Message, path: str, signed: dict[str, str], *, first: bool) -> list[JSON]:
    """The calls. The first one of a turn must have a signature: `first` says whether that is to be cared for."""
    parts = []
    for number, call in enumerate(message.tool_calls or ()):
        args = arguments(call, f"{path}.tool_calls[{number}]")
        part: JSON = {"functionCall": {"id": call.id, "name": call.function.name, "args": args}}
        if signature := signed.get(call.id) or (UNSIGNED if first and number == 0 else None):
            part["thoughtSignature"] = signature
        parts.append(part)
    return parts


def _calls(parts: list[JSON]) -> bool:
    return any("functionCall" in part for part in parts)


def _camel(name: str) -> str:
    """The API takes both spellings; we need one."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
