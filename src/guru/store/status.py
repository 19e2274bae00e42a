"""Where rows live, and how many there are."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, func, select

from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.migrations import applied
from guru.store.tables import metadata


class StoreStatus(Struct, kw_only=True):
    place: str
    """The file, or the server and the database on it."""
    server: str
    """What keeps the rows, with its version."""
    bytes: int
    """What the rows take."""
    schema: int
    """The last step that brought the tables to their present form."""
    rows: dict[str, int]
    """By table."""
    blobs: str
    """The folder of the original files."""
    blob_files: int
    blob_bytes: int


def read_status(connection: Connection, database: Database, blobs: BlobStore) -> StoreStatus:
    """Counts everything, so it takes a while where there is much."""
    server, size = database.dialect.describe(connection)
    sizes = [path.stat().st_size for path in files_of(blobs.root)]
    return StoreStatus(
        place=database.place,
        server=server,
        bytes=size,
        schema=connection.scalar(select(func.max(applied.c.version))) or 0,
        rows={
            str(table.name): connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        },
        blobs=str(blobs.root),
        blob_files=len(sizes),
        blob_bytes=sum(sizes),
    )


def files_of(folder: Path) -> list[Path]:
    """The blobs that are whole."""
    return [path for path in folder.glob("??/*") if not path.name.startswith(".")]
