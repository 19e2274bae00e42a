"""The store of the running server."""

from __future__ import annotations

from guru.knowledge.index.own import IndexStatus, read_index_status
from guru.server.endpoint import Call, get
from guru.store.status import StoreStatus, read_status


class StoreReport(StoreStatus, kw_only=True):
    """Rows, files, and what collections are searched in."""

    index: IndexStatus


@get("/api/v1/store")
async def show_store(call: Call) -> StoreReport:
    """Where rows and original files live, how many there are, and what is searched, of every organisation."""
    call.require_operator()
    services = call.services
    database, blobs = services.database, services.blobs
    found = await database.read(lambda connection: read_status(connection, database, blobs))
    index = await read_index_status(database, services.knowledge.index.own, services.settings.store)
    return StoreReport(**{name: getattr(found, name) for name in found.__struct_fields__}, index=index)


DOORS = [show_store]
