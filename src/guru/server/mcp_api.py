"""The Model Context Protocol, over streamable HTTP: what Guru can do, for any client that speaks it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from guru.agents.mcp.protocol import IMPLEMENTATION
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.reply import Reply
from guru.agents.mcp.serving.streamable import MOST_BYTES
from guru.errors import NotFound, TooLarge
from guru.server.endpoint import Call, delete, encode, get, post
from guru.server.errors import public_url
from guru.server.sse import EventStream, while_connected
from guru.types import JSON

METADATA = "/.well-known/oauth-protected-resource"


class ResourceMetadata(Struct, kw_only=True, omit_defaults=True):
    """RFC 9728: which resource it is, and who hands out tokens for it."""

    resource: str
    authorization_servers: list[str] = []
    bearer_methods_supported: list[str]
    resource_name: str


@post("/mcp", body=dict[str, Any], answer=dict[str, Any], reads=True)
async def mcp_post(call: Call) -> Any:
    """Send one JSON-RPC message. The answer is JSON, or server-sent events."""
    access = admitted(call)
    body = await call.request.body()
    if len(body) > MOST_BYTES:
        raise TooLarge(f"A message has at most {MOST_BYTES >> 20} MiB.", hint="Send less at once.")
    work = call.services.mcp.served.post(body, headers_of(call), access)
    return respond(await while_connected(call.receive, work), call)


@get("/mcp", media_type="text/event-stream")
async def mcp_listen(call: Call) -> Any:
    """Of clients with a session: what the server has to tell, or the rest of an answer (`last-event-id`)."""
    access = admitted(call)
    return respond(await call.services.mcp.served.get(headers_of(call), access), call)


@delete("/mcp", reads=True)
async def mcp_end(call: Call) -> Any:
    """End a session."""
    access = admitted(call)
    return respond(await call.services.mcp.served.delete(headers_of(call), access), call)


@get(METADATA, public=True)
async def mcp_metadata(call: Call) -> ResourceMetadata:
    """Who hands out tokens for `/mcp` (RFC 9728). Keys of Guru are such tokens."""
    served(call)
    return ResourceMetadata(
        resource=f"{public_url(call.scope)}/mcp",
        authorization_servers=call.services.reloader.settings.mcp.authorization_servers,
        bearer_methods_supported=["header"],
        resource_name=str(IMPLEMENTATION["title"]),
    )


@get(METADATA + "/mcp", public=True)
async def mcp_metadata_of_path(call: Call) -> ResourceMetadata:
    """The same, at the place that the path of the resource gives it."""
    result: ResourceMetadata = await mcp_metadata.handler(call)
    return result


def served(call: Call) -> None:
    """Raises `NotFound` where MCP is not served."""
    if not call.services.reloader.settings.mcp.serve:
        raise NotFound("This server does not serve MCP.", hint="Set [mcp] serve = true.")


def admitted(call: Call) -> Access:
    served(call)
    caller = call.caller("mcp")
    return Access(
        scope=caller.visible, caller=caller, person=caller.person, key=caller.key or "", trace=call.trace_id,
        may_change=caller.role != "viewer",
    )  # fmt: skip


def headers_of(call: Call) -> JSON:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in call.scope["headers"]}


def respond(reply: Reply, call: Call) -> Any:
    headers = {"x-guru-trace-id": call.trace_id, **call.headers, **reply.headers}
    if reply.events is not None:
        return EventStream(reply.events, headers)
    if reply.message is None:
        return Response(status_code=reply.status, headers=headers)
    return Response(encode(reply.message), reply.status, headers, "application/json")


DOORS = [mcp_post, mcp_listen, mcp_end, mcp_metadata, mcp_metadata_of_path]
