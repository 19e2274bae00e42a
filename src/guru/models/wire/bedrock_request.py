"""A request for Bedrock's Converse API.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. What Converse itself has no
place for goes to the model in `additionalModelRequestFields`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from guru.errors import InvalidParameter
from guru.models.wire.anthropic_parts import Place
from guru.models.wire.bedrock_parts import cache_point, content_blocks, message_blocks, tell_apart
from guru.models.wire.claude import claude, thinking_fields
from guru.models.wire.shared import refuse_name
from guru.types import JSON, ChatRequest, Message

WHO: Final = "Bedrock's models"
MEMBERS: Final = frozenset({
    "guardrailConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier",
    "additionalModelResponseFieldPaths", "toolConfig", "outputConfig",
})  # fmt: skip
"""Of Converse itself; every other unknown field is the model's."""
MODEL_FIELDS: Final = "additionalModelRequestFields"
CHOICES: Final[dict[str, JSON]] = {"auto": {"auto": {}}, "required": {"any": {}}}


def encode_request(request: ChatRequest, model: str, drop: Collection[str] = ()) -> JSON:
    """The body of `POST /model/MODEL/converse`, where `model` stands in the path.

    Raises `InvalidParameter` for what Converse does not have.
    """
    system, messages = encode_messages(request.messages, model, drop)
    body: JSON = {"messages": messages}
    if system:
        body["system"] = system
    inference = {
        "maxTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": request.stop or None,
    }
    if inference := {name: value for name, value in inference.items() if value is not None}:
        body["inferenceConfig"] = inference
    if tools := _tool_config(request, drop):
        body["toolConfig"] = tools
    if metadata := _metadata(request):
        body["requestMetadata"] = metadata
    fields, output = _model_fields(request, model)
    if schema := _output_format(request.response_format, drop):
        output["textFormat"] = schema
    if output:
        body["outputConfig"] = output
    for name, value in request.extra.items():
        if name in MEMBERS:
            body[name] = body[name] | value if isinstance(value, dict) and name in body else value
        elif name == MODEL_FIELDS and isinstance(value, dict):
            fields |= value
        else:
            fields[name] = value
    if fields:
        body[MODEL_FIELDS] = fields
    return body


def encode_messages(messages: list[Message], model: str, drop: Collection[str]) -> tuple[list[JSON], list[JSON]]:
    """The blocks of `system`, and the turns. Consecutive messages of one side become one turn."""
    system: list[JSON] = []
    turns: list[JSON] = []
    later_system = "claude" in model and claude(model).later_system
    documents: set[str] = set()
    for index, message in enumerate(messages):
        place = Place(f"messages[{index}]", drop)
        refuse_name(message, place.path, "Bedrock", drop)
        if message.role in ("system", "developer"):
            blocks = content_blocks(message.content, place.inside("content"), text_only=True)
            if later_system and turns and turns[-1]["role"] == "user":
                turns.append({"role": "system", "content": blocks})
            else:
                system += blocks
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = message_blocks(message, place)
        tell_apart(blocks, documents)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        text = "There is no message besides the system's."
        raise InvalidParameter(text, param="messages", hint="Send a message of the user.")
    return system, turns


def _tool_config(request: ChatRequest, drop: Collection[str]) -> JSON:
    if not request.tools:
        return {}
    choice = request.tool_choice
    if choice == "none":
        called = any(message.tool_calls or message.role == "tool" for message in request.messages)
        if not called:
            return {}  # tools that must not be called need not be told
        if "tool_choice" not in drop:
            text = f"{WHO} cannot be kept from calling tools in a conversation that has calls."
            raise InvalidParameter(text, param="tool_choice", hint="Leave out the tools and the calls.")
        choice = None
    tools: list[JSON] = []
    for tool in request.tools:
        function = tool.function
        spec: JSON = {"name": function.name}
        if function.description:
            spec["description"] = function.description
        spec["inputSchema"] = {"json": {"type": "object"} | (function.parameters or {"properties": {}})}
        if function.strict is not None:
            spec["strict"] = function.strict
        tools += [{"toolSpec": spec}, *cache_point(tool.cache_control)]
    return {"tools": tools} | ({} if choice is None else {"toolChoice": _tool_choice(choice)})


def _tool_choice(choice: str | JSON) -> JSON:
    if isinstance(choice, str):
        if choice in CHOICES:
            return CHOICES[choice]
    elif isinstance(function := choice.get("function"), dict) and function.get("name"):
        return {"tool": {"name": function["name"]}}
    text = f"{WHO} take auto, none, required or one function as `tool_choice`."
    raise InvalidParameter(text, param="tool_choice", hint="Use one of them.")


def _metadata(request: ChatRequest) -> JSON:
    """Texts alone, which Amazon keeps in its logs of calls."""
    given = {name: str(value) for name, value in (request.metadata or {}).items()}
    return given | ({"user": request.user} if request.user else {})


def _model_fields(request: ChatRequest, model: str) -> tuple[JSON, JSON]:
    """What is the model's own: `additionalModelRequestFields`, and `outputConfig`."""
    fields: JSON = {}
    output: JSON = {}
    if "claude" in model:
        known = claude(model)
        asked = thinking_fields(
            request.reasoning_effort, request.thinking, known, request.max_tokens or known.max_output
        )
        if "effort" in asked:
            output["effort"] = asked.pop("effort")
        fields |= asked
        if request.betas:
            fields["anthropic_beta"] = request.betas
    else:
        if request.reasoning_effort is not None:
            fields["reasoning_effort"] = request.reasoning_effort
        if request.thinking is not None:
            fields["thinking"] = request.thinking
    if request.top_k is not None:
        fields |= {"inferenceConfig": {"topK": request.top_k}} if "nova" in model else {"top_k": request.top_k}
    return fields, output


def _output_format(response_format: JSON | None, drop: Collection[str]) -> JSON | None:
    kind = (response_format or {}).get("type", "text")
    if response_format is None or kind == "text":
        return None
    if kind != "json_schema":
        if "response_format" in drop:
            return None
        text = f"{WHO} cannot be held to the format {kind!r}."
        raise InvalidParameter(text, param="response_format.type", hint="Send a json_schema.")
    given: Any = response_format.get("json_schema") or {}
    schema: JSON = {"schema": msgspec.json.encode(given.get("schema") or {}).decode()}
    schema |= {name: given[name] for name in ("name", "description") if given.get(name)}
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}
