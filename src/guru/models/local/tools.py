"""Tool calls for local models: constrained by a grammar, so that they are always well formed.

A model whose own template knows tools and may choose freely is left to llama.cpp. In every other case the tools are
described in the system message, in the `<tool_call>` format on which most small models were trained, and the output is
constrained: to one call when a call is required, to a call or to text when the model may choose.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter
from guru.types import ChatRequest, Tool, ToolCallDelta

JSON = dict[str, Any]

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
HEAD: Final = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*')

PROMPT: Final = """You can call functions. Their signatures:
<tools>
{tools}
</tools>
To call one, answer with its name and arguments as JSON, and nothing else:
{example}"""

CALL_OR_TEXT: Final = """%llguidance {{}}
start: "<tool_call>" call "</tool_call>" | text
call: %json {schema}
text: /[^<](.|\\n)*/
"""


class ToolPlan(Struct, frozen=True, kw_only=True):
    """How the tools of a request are carried out."""

    kind: Literal["none", "native", "call", "choice"]
    """No tools; llama.cpp's own way; one call, constrained; a call or text, constrained."""
    fields: JSON = {}
    """What is added to the request's body."""
    prompt: str | None = None
    """What is added to the system message."""


def plan_tools(request: ChatRequest, *, native: bool) -> ToolPlan:
    """`native` says whether the model's template knows tools."""
    choice = request.tool_choice
    if not request.tools or choice == "none":
        return ToolPlan(kind="none")
    if choice in (None, "auto"):
        if native:
            fields = {"tools": msgspec.to_builtins(request.tools), "tool_choice": "auto"}
            if request.parallel_tool_calls is not None:
                fields["parallel_tool_calls"] = request.parallel_tool_calls
            return ToolPlan(kind="native", fields=fields)
        schema = call_schema(request.tools)
        grammar = CALL_OR_TEXT.format(schema=json.dumps(schema))
        # A wrong schema inside a grammar is ignored in silence: the worker checks it apart.
        fields = {"grammar": grammar, "validate_schema": schema}
        return ToolPlan(kind="choice", fields=fields, prompt=_describe(request.tools, marked=True))
    tools = [tool for tool in request.tools if choice == "required" or tool.function.name == _name(choice)]
    response_format = {"type": "json_schema", "json_schema": {"schema": call_schema(tools)}}
    return ToolPlan(kind="call", fields={"response_format": response_format}, prompt=_describe(tools, marked=False))


def call_schema(tools: list[Tool]) -> JSON:
    """The JSON schema of one call to one of `tools`."""
    definitions: JSON = {}
    calls = [_one_call(tool, f"tool{index}", definitions) for index, tool in enumerate(tools)]
    schema = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return schema | ({"$defs": definitions} if definitions else {})


def _one_call(tool: Tool, key: str, definitions: JSON) -> JSON:
    arguments = tool.function.parameters or {"type": "object", "properties": {}}
    if "$ref" in json.dumps(arguments):
        # References are absolute: the schema moves to a place of its own, and its references with it.
        definitions[key] = arguments = _move_references(arguments, f"#/$defs/{key}")
    if "properties" in arguments:
        # Left open, small models invent members without end.
        arguments = {"additionalProperties": False} | arguments
    properties = {"name": {"const": tool.function.name}, "arguments": arguments}
    required = ["name", "arguments"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _move_references(schema: Any, to: str) -> Any:
    if isinstance(schema, list):
        return [_move_references(item, to) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: to + value[1:] if name == "$ref" and isinstance(value, str) and value.startswith("#")
        else _move_references(value, to)
        for name, value in schema.items()
    }  # fmt: skip


def _describe(tools: list[Tool], *, marked: bool) -> str:
    lines = "\n".join(json.dumps(msgspec.to_builtins(tool), ensure_ascii=False) for tool in tools)
    example = '{"name": <function-name>, "arguments": <arguments-object>}'
    return PROMPT.format(tools=lines, example=f"{OPEN}{example}{CLOSE}" if marked else example)


def _name(choice: str | JSON | None) -> str:
    if isinstance(choice, dict):
        return str(choice.get("function", {}).get("name"))
    raise InvalidParameter(f"`tool_choice` is {choice!r}.", param="tool_choice", hint="none, auto or required.")


class ToolCallParser:
    """Turns the constrained output of one choice into text and parts of a tool call, as it arrives."""

    def __init__(self, *, marked: bool) -> None:
        """`marked` says whether the output may be text, and a call stands between its marks."""
        self._state: Literal["start", "text", "head", "arguments", "done"] = "start" if marked else "head"
        self._buffer = ""
        self._depth = 0
        self._quoted = self._escaped = False

    @property
    def called(self) -> bool:
        """Whether a tool call has begun."""
        return self._state in ("arguments", "done")

    def feed(self, text: str) -> tuple[str, list[ToolCallDelta]]:
        """The text and the tool call parts that `text` adds."""
        self._buffer += text
        calls: list[ToolCallDelta] = []
        if self._state == "start":
            self._decide()
        if self._state == "head":
            calls += self._read_head()
        if self._state == "arguments" and (part := self._read_arguments()):
            calls.append(ToolCallDelta(0, arguments=part))
        if self._state == "text":
            text, self._buffer = self._buffer, ""
            return text, calls
        return "", calls

    def rest(self) -> str:
        """At the end: text that was held back because it could have been the mark of a call."""
        return self._buffer if self._state == "start" else ""

    def _decide(self) -> None:
        if self._buffer.startswith(OPEN):
            self._buffer = self._buffer[len(OPEN) :]
            self._state = "head"
        elif not OPEN.startswith(self._buffer):
            self._state = "text"

    def _read_head(self) -> list[ToolCallDelta]:
        match = HEAD.match(self._buffer)
        if match is None or match.end() == len(self._buffer):
            return []
        self._buffer = self._buffer[match.end() :]
        self._state = "arguments"
        return [ToolCallDelta(0, id=f"call_{secrets.token_hex(12)}", name=json.loads(match[1]))]

    def _read_arguments(self) -> str:
        """The buffer up to the end of the arguments' JSON value, which is an object."""
        part, self._buffer = self._buffer, ""
        for position, character in enumerate(part):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._state = "done"
                    return part[: position + 1]
        return part
