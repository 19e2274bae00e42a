"""How a batch ends: its lines become an output file and an error file, in the transaction that says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from guru.errors import NotFound
from guru.gateway.batches.files import Files, file_row
from guru.gateway.batches.lines import problem, read_lines, unasked_line
from guru.store.tables import batch_lines, batches, files

JSON = dict[str, Any]
REASONS: Final = {
    "expired": ("batch_expired", "The batch ended before this line was asked."),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this line was asked."),
}
ENDED: Final = ("completed", "failed", "expired", "cancelled")
PORTION: Final = 500


async def end_batch(store: Files, row: Row[Any], status: str, errors: list[JSON] | None = None) -> None:
    """Write the files of a batch and end it. Doing it twice is doing it once."""

    def write_files(connection: Connection) -> list[tuple[str, int] | None]:
        failures = chain(
            stored_lines(connection, row.id, succeeded=False), unasked_lines(store, connection, row, status)
        )
        output = store.write_lines(stored_lines(connection, row.id, succeeded=True))
        return [output, store.write_lines(failures)]

    written = await store.database.read(write_files)

    def end(connection: Connection) -> None:
        values: JSON = {"status": status, f"{status}_at": time.time(), "errors": errors}
        for (name, suffix), blob in zip((("output", "output"), ("error", "errors")), written, strict=True):
            if blob is not None:
                digest, size = blob
                filename = f"{row.id}_{suffix}.jsonl"
                made = file_row(
                    row.tenant, row.owner, filename, "batch_output", digest=digest, size=size,
                    seconds=row.output_seconds,
                )  # fmt: skip
                connection.execute(insert(files).values(made))
                values[f"{name}_file_id"] = made["id"]
        mine = batch_lines.c.batch_id == row.id
        count = select(func.count(), func.coalesce(func.sum(batch_lines.c.succeeded), 0)).where(mine)
        lines, completed = connection.execute(count).one()
        values |= {"completed": completed, "failed": lines - completed}
        still = (batches.c.id == row.id, batches.c.status.not_in(ENDED))
        if connection.execute(update(batches).where(*still).values(values)).rowcount:
            connection.execute(delete(batch_lines).where(mine))
        else:
            raise AlreadyEnded

    try:
        await store.database.write(end)
    except AlreadyEnded:
        pass  # somebody else was quicker; the files of this attempt were undone with it


class AlreadyEnded(Exception):
    """Undoes the second end of a batch."""


def stored_lines(connection: Connection, batch_id: str, *, succeeded: bool) -> Iterator[bytes]:
    """The results, in the order of the input, a portion at a time."""
    last = -1
    while True:
        query = (
            select(batch_lines.c.number, batch_lines.c.result)
            .where(batch_lines.c.batch_id == batch_id, batch_lines.c.number > last)
            .where(batch_lines.c.succeeded == int(succeeded))
            .order_by(batch_lines.c.number)
            .limit(PORTION)
        )
        rows = connection.execute(query).all()
        for row in rows:
            yield row.result.encode()
        if len(rows) < PORTION:
            return
        last = rows[-1].number


def unasked_lines(store: Files, connection: Connection, row: Row[Any], status: str) -> Iterator[bytes]:
    """What the error file says of the lines that nobody got to."""
    if status not in REASONS:
        return
    done = set(connection.scalars(select(batch_lines.c.number).where(batch_lines.c.batch_id == row.id)))
    digest = connection.scalar(select(files.c.digest).where(files.c.id == row.input_file_id))
    try:
        path = store.blobs.path(digest or "0" * 64)
    except NotFound:
        return
    code, message = REASONS[status]
    for line in read_lines(path, row.endpoint):
        if line.number not in done:
            yield unasked_line(line, line.error or problem(code, message))
