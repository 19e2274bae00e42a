"""OpenAI's batches, over any model: many requests as a file, answered when there is time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from guru.gateway.batches.batches import Batch
from guru.gateway.batches.lines import ENDPOINTS
from guru.server.endpoint import Call, door_name, get, post

Key = Annotated[str, Meta(max_length=64)]
Value = Annotated[str, Meta(max_length=512)]


class OutputExpiry(Struct, forbid_unknown_fields=True):
    anchor: str
    seconds: Annotated[int, Meta(ge=3600, le=2592000)]


class NewBatch(Struct, kw_only=True, forbid_unknown_fields=True):
    input_file_id: str
    endpoint: str
    """Such as `/v1/chat/completions`; every line names it too."""
    completion_window: str = "24h"
    """What is not answered by then is given back unasked."""
    metadata: dict[Key, Value] | None = None
    """`provider_batch` = "true" or "false" says whether the provider's own batch endpoint is used."""
    output_expires_after: OutputExpiry | None = None


class BatchQuery(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: str | None = None
    """Id of the last batch seen."""


class BatchList(Struct):
    data: list[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


@post("/v1/batches")
async def create_batch(call: Call, body: NewBatch) -> Batch:
    """Hand in a batch. The key must be one for the lines' endpoint too."""
    if body.endpoint in ENDPOINTS:
        call.services.directory.check(call.caller("batches"), door_name(body.endpoint))
    expiry = body.output_expires_after
    return await call.services.batches.create(
        call.caller("batches"), body.endpoint, body.input_file_id, window=body.completion_window,
        metadata=body.metadata, output_seconds=expiry.seconds if expiry else None,
    )  # fmt: skip


@get("/v1/batches")
async def list_batches(call: Call, query: BatchQuery) -> BatchList:
    """The batches, the newest first."""
    page = await call.services.batches.list(call.caller("batches").visible, limit=query.limit, after=query.after)
    first, last = (page.items[0].id, page.items[-1].id) if page.items else (None, None)
    return BatchList(page.items, first, last, page.more)


@get("/v1/batches/{batch_id}")
async def show_batch(call: Call, batch_id: str) -> Batch:
    """How far a batch is."""
    return await call.services.batches.get(call.caller("batches").visible, batch_id)


@post("/v1/batches/{batch_id}/cancel")
async def cancel_batch(call: Call, batch_id: str) -> Batch:
    """Ask no more of its lines; what is answered can be fetched."""
    return await call.services.batches.cancel(call.caller("batches").visible, batch_id)


DOORS = [create_batch, list_batches, show_batch, cancel_batch]
