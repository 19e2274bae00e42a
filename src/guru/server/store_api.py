"""The store of the running server."""

from __future__ import annotations

from guru.server.endpoint import Call, get
from guru.store.status import StoreStatus, read_status


@get("/api/v1/store")
async def show_store(call: Call) -> StoreStatus:
    """Where rows and original files live, and how many there are, of every organisation."""
    call.require_operator()
    database, blobs = call.services.database, call.services.blobs
    return await database.read(lambda connection: read_status(connection, database, blobs))


DOORS = [show_store]
