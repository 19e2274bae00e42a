"""What clients of `/mcp` do leaves what the same leaves at the other doors: a trace, and a line in the audit log.

Each call of a tool, reading of a document and getting of a prompt has one trace, that of its HTTP request. What it asks
the road for has traces of its own. A call that changes something is in the audit log before it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import structs

from guru.agents.mcp.serving.provider import Access, Asked
from guru.gateway.identity import Audit, Caller
from guru.gateway.pipeline import Road
from guru.observe import names
from guru.observe.spans import Span, Trace
from guru.server.mcp_resources import read_uri
from guru.server.tools_api import TOOL, brief, describe
from guru.store.ids import new_id
from guru.types import JSON

MOST: Final = 500
"""Characters of a name or an address in a trace."""


class RoadRecorder:
    """`guru.agents.mcp.serving.provider.Recorder`: by the road's own traces."""

    def __init__(self, road: Road, audit: Audit) -> None:
        self._road = road
        self._audit = audit

    @contextmanager
    def record(self, asked: Asked, access: Access) -> Iterator[RoadRecord]:
        caller: Caller = access.caller
        trace = self._road.begin(asked.kind, caller)
        try:
            with trace.span(caller.route) as root:
                root.set(names.MCP_METHOD, asked.method)
                root.set(names.MCP_CLIENT, access.client)
                with trace.span(asked.kind) as span:
                    record = RoadRecord(trace, span, asked, access, content=self._road.keeps_content)
                    yield record
        except BaseException as error:
            trace.failed(error)
            raise
        finally:
            self._road.end(trace)

    async def change(self, name: str, arguments: JSON, access: Access) -> None:
        """Write down that a tool is about to change something."""
        after = {"arguments": brief(arguments), "trace": access.trace, "client": access.client}
        await self._audit(access.caller, "tools.call", name, after=after)


class RoadRecord:
    """One request, while it is worked on."""

    def __init__(self, trace: Trace, span: Span, asked: Asked, access: Access, *, content: bool) -> None:
        self.access = structs.replace(access, caller=structs.replace(access.caller, trace_id=new_id("tr")))
        """To work with: of the road's own traces, each has an id of its own."""
        self._trace = trace
        self._span = span
        self._asked = asked
        self._content = content
        if asked.kind == "tool":
            describe(span, asked.name[:MOST], asked.arguments if content else None)
            return
        span.set(names.MCP_RESOURCE if asked.kind == "resource" else names.PROMPT_NAME, asked.name[:MOST])
        if asked.arguments and content:
            span.set(names.TOOL_ARGUMENTS, msgspec.json.encode(asked.arguments).decode())

    def questions(self, asked: Sequence[str]) -> None:
        """The client has to answer before the work goes on."""
        self._trace.requested = label(self._asked)
        self._span.set(names.MCP_ASKED, list(asked))

    def result(self, result: JSON) -> None:
        self._trace.requested = label(self._asked)
        if self._asked.kind == "resource":
            read = sum(len(part.get("text") or part.get("blob") or "") for part in result["contents"])
            self._span.set(names.MCP_CHARACTERS, read)
        elif self._asked.kind == "prompt":
            if self._content:
                self._span.set(names.OUTPUT_MESSAGES, result["messages"])
        else:
            self._called(result)

    def _called(self, result: JSON) -> None:
        failed = result.get("isError") is True
        self._span.set(names.TOOL_FAILED, failed)
        if self._content:
            self._span.set(names.TOOL_RESULT, "\n".join(texts_of(result)))
        if failed:
            self._trace.status, self._trace.error = "error", f"{self._asked.name} failed."


def label(asked: Asked) -> str:
    """What a trace, and the accounts, call what was asked for: one name for all documents of a collection."""
    if asked.kind == "resource":
        place = read_uri(asked.name)
        return f"resource/{place[0]}" if place else "resource"
    return TOOL + asked.name if asked.kind == "tool" else f"prompt/{asked.name}"


def texts_of(result: JSON) -> list[Any]:
    return [part["text"] for part in result.get("content", ()) if part.get("type") == "text"]
