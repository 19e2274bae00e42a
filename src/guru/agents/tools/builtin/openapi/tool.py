"""The tools of one service."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from guru.agents.tools.base import ToolContext, ToolResult, ToolSpec
from guru.agents.tools.builtin.openapi.document import MAX_BYTES, Document, Operation, read_document
from guru.agents.tools.builtin.openapi.request import make_request, parameters_schema
from guru.agents.tools.web import USER_AGENT, Reply, Web
from guru.config import OpenApiToolSettings
from guru.errors import ConfigurationError

MAX_DESCRIPTION: Final = 1000
READS: Final = ("GET", "HEAD", "OPTIONS")
ONCE: Final = ("POST", "PATCH")
"""What does more when it is sent twice: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2"""
_ODD = re.compile(r"[^A-Za-z0-9-]+")
log = logging.getLogger(__name__)


async def openapi_tools(name: str, settings: OpenApiToolSettings, web: Web) -> list[OperationTool]:
    """A tool for each operation. Raises `ConfigurationError` and `DownloadError`."""
    content, where = await load(settings, web)
    document = Document(await asyncio.to_thread(read_document, content, settings.document), settings.document)
    base = settings.url or document.server(where)
    if urlsplit(base).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"[tools.openapi.{name}] The document does not say where the service is.", hint="Write url."
        )
    missing, tools = set(settings.operations), dict[str, OperationTool]()
    for operation in document.operations():
        if isinstance(operation, str):
            log.warning("[tools.openapi.%s] %s.", name, operation)
        elif not settings.operations or operation.id in settings.operations:
            missing.discard(operation.id)
            tool = OperationTool(name, operation, settings, web, base)
            if tools.setdefault(tool.spec.name, tool) is not tool:
                log.warning("[tools.openapi.%s] %s is left out: another is called so.", name, operation.id)
    if missing:
        raise ConfigurationError(
            f"[tools.openapi.{name}] The document has no operation {', '.join(sorted(missing))}.",
            hint="Correct operations.",
        )
    found = list(tools.values())
    if len(found) > settings.max_operations:
        log.warning("[tools.openapi.%s] %d of %d operations are left out.", name, len(found) - settings.max_operations,
                    len(found))  # fmt: skip
    return found[: settings.max_operations]


async def load(settings: OpenApiToolSettings, web: Web) -> tuple[bytes, str]:
    """The document, and the address that its own are relative to."""
    where = settings.document
    if not where.startswith(("http://", "https://")):
        try:
            return await asyncio.to_thread(lambda: Path(where).expanduser().read_bytes()), ""
        except OSError as error:
            raise ConfigurationError(
                f"The OpenAPI document {where} cannot be read: {error.strerror}.", hint="Correct document."
            ) from error
    headers = {"user-agent": USER_AGENT, "accept": "application/json, application/yaml, */*;q=0.5"}
    reply = await web.send("GET", where, headers=headers, limit=MAX_BYTES, private=settings.private)
    if reply.status != 200 or not reply.complete:
        raise ConfigurationError(
            f"The OpenAPI document {where} cannot be read (status {reply.status}).", hint="Correct document."
        )
    return reply.body, where


class OperationTool:
    """One operation of a service."""

    def __init__(self, service: str, operation: Operation, settings: OpenApiToolSettings, web: Web, base: str) -> None:
        self._operation = operation
        self._settings = settings
        self._web = web
        self._base = base
        reads = operation.method in READS
        self.spec = ToolSpec(
            name=f"{service}_{_ODD.sub('_', operation.id).strip('_')}"[:64],
            description=operation.description[:MAX_DESCRIPTION],
            parameters=parameters_schema(operation),
            effect="read" if reads else "write",
            approval=settings.approve == "all" or (settings.approve == "writes" and not reads),
            repeatable=operation.method not in ONCE,
            timeout=settings.timeout_seconds,
        )

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        """What the service answers. Raises `InvalidParameter` and `DownloadError`."""
        request = make_request(
            self._operation, arguments, base=self._base, headers=self._settings.headers, query=self._settings.query
        )
        headers = {"accept": "application/json, text/*;q=0.9, */*;q=0.5", "user-agent": USER_AGENT, **request.headers}
        reply = await self._web.send(
            self._operation.method, request.url, headers=headers, body=request.body,
            limit=self._settings.max_kb << 10, private=self._settings.private,
        )  # fmt: skip
        return answered(reply)


def answered(reply: Reply) -> ToolResult:
    """An answer for models: its JSON or text; its status where it is no success."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    data: Any = None
    if reply.complete and (kind.endswith("json") or not kind):
        try:
            data = msgspec.json.decode(reply.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "yaml", "urlencoded")) or not kind
    text = reply.body.decode("utf-8", "replace") if is_text else f"{len(reply.body):,} bytes of {kind}."
    if not reply.complete:
        text += "\n[The answer is longer; it was cut here.]"
    ok = 200 <= reply.status < 300
    if not ok:
        where = f", to {reply.headers['location']}" if "location" in reply.headers else ""
        text = f"The service answered with status {reply.status}{where}.\n{text}".strip()
    return ToolResult(text=text or f"Done (status {reply.status}).", data=data, failed=not ok)
