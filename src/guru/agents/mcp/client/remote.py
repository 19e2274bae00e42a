"""A tool of a server as a tool of ours: what it says of itself is not trusted, what it answers is data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from guru.agents.mcp.client.suspicion import plain
from guru.agents.tools.base import Effect, ToolContext, ToolResult, ToolSpec
from guru.agents.tools.toolbox import as_text
from guru.config import McpServerSettings
from guru.types import JSON, ImagePart, ImageUrl

MOST_TEXT: Final = 200_000
"""Characters of one answer."""
MOST_IMAGES: Final = 8
MOST_NAME: Final = 55
"""Characters of a name that is followed by a digest."""
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")
Call = Callable[[str, JSON, JSON, ToolContext], Awaitable[JSON]]
"""Server, definition and arguments to a `CallToolResult`."""


class RemoteTool:
    def __init__(self, server: str, definition: JSON, settings: McpServerSettings, call: Call) -> None:
        self._server = server
        self._definition = definition
        self._call = call
        shown = plain(definition)
        hints = definition.get("annotations")
        hints = hints if settings.trusted and isinstance(hints, dict) else {}
        reads = hints.get("readOnlyHint") is True
        effect: Effect = "read" if reads else "write"
        self.spec = ToolSpec(
            name=tool_name(server, definition["name"]),
            description=str(shown.get("description") or shown.get("title") or shown["name"]),
            parameters=shown["inputSchema"],
            output=shown.get("outputSchema"),
            effect=effect,
            foreign=not settings.trusted,
            anywhere=hints.get("openWorldHint") is True,
            approval=settings.approval == "always" or (settings.approval == "writes" and effect == "write"),
            asks=settings.elicitation,
            repeatable=reads or hints.get("idempotentHint") is True,
            timeout=settings.timeout,
        )

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        """Raises `GuruError`, and `Suspended` where a person must answer the server first."""
        return to_tool_result(await self._call(self._server, self._definition, arguments, context))


def tool_name(server: str, tool: str) -> str:
    """A name that every provider takes, which is of this tool alone."""
    name = f"{_OTHER.sub('_', server)}__{_OTHER.sub('_', tool)}"
    if len(name) <= 64 and name == f"{server}__{tool}":
        return name
    digest = hashlib.sha256(f"{server}\n{tool}".encode()).hexdigest()[:8]
    return f"{name[:MOST_NAME]}_{digest}"


def begin(server: str) -> str:
    """What the names of a server's tools begin with."""
    return f"{_OTHER.sub('_', server)}__"[:MOST_NAME]


def to_tool_result(result: JSON) -> ToolResult:
    """The answer of a server. What cannot be shown is named, so that a model knows that it is there."""
    texts: list[str] = []
    images: list[ImagePart] = []
    content = result.get("content")
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict):
            add_part(part, texts, images)
    data = result.get("structuredContent")
    text = "\n".join(texts) or ("" if data is None else as_text(data))
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]}\n[{len(text) - MOST_TEXT:,} more characters are left out]"
    return ToolResult(text=text, data=data, images=images, failed=result.get("isError") is True)


def add_part(part: JSON, texts: list[str], images: list[ImagePart]) -> None:
    kind, inside = part.get("type"), part.get("resource")
    if kind == "text" and isinstance(part.get("text"), str):
        texts.append(part["text"])
    elif kind == "image" and isinstance(part.get("data"), str):
        if len(images) < MOST_IMAGES:
            images.append(ImagePart(ImageUrl(f"data:{part.get('mimeType', 'image/png')};base64,{part['data']}")))
        else:
            texts.append("[one more image]")
    elif kind == "resource" and isinstance(inside, dict):
        said = inside.get("text")
        texts.append(f"[{inside.get('uri')}]\n{said}" if isinstance(said, str) else f"[{inside.get('uri')}, not text]")
    elif kind == "resource_link":
        texts.append(f"[{part.get('name')}: {part.get('uri')}]")
    else:
        texts.append(f"[{kind}, {part.get('mimeType', 'of an unknown type')}, which is not shown]")
