"""Removes original files that nothing needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from guru.errors import NotFound
from guru.store.blobs import DIGEST, BlobStore
from guru.store.jobs import ENDED
from guru.store.tables import documents, files, jobs

UPLOAD_GRACE: Final = 60.0
"""Seconds. A file that was stored a moment ago may belong to an upload whose job is not queued yet."""
SWEEP_GRACE: Final = 3600.0
"""Seconds. A file that no row knows may belong to a document that is being embedded."""
UNFINISHED_GRACE: Final = 86_400.0
"""Seconds since the last byte of a file that is being fetched."""


def remove_unused(
    connection: Connection, blobs: BlobStore, digests: Iterable[str], *, grace: float | None = None
) -> int:
    """Remove those of `digests` that no document, no file and no waiting upload needs; returns how many.

    Runs in the transaction that made them unneeded, or a later one: while it runs nobody else can write.
    """
    needed = _waiting(connection)
    removed = 0
    for digest in digests:
        in_use = connection.scalar(
            select(documents.c.id).where(documents.c.content_hash == digest)
            .union_all(select(files.c.id).where(files.c.digest == digest)).limit(1)
        )  # fmt: skip
        spared = not _is_older(blobs, digest, UPLOAD_GRACE if grace is None else grace)
        if digest not in needed and in_use is None and not spared:
            blobs.remove(digest)
            removed += 1
    return removed


def sweep(connection: Connection, blobs: BlobStore) -> int:
    """Remove every unneeded file: left by a process that was killed, or spared by the grace before."""
    blobs.remove_unfinished(UNFINISHED_GRACE)
    found = {path.name for path in blobs.root.glob("??/*") if DIGEST.fullmatch(path.name)}
    unused = found - set(connection.scalars(select(documents.c.content_hash)))
    return remove_unused(connection, blobs, unused, grace=SWEEP_GRACE)


def _waiting(connection: Connection) -> set[str]:
    query = select(jobs.c.arguments).where(jobs.c.kind == "ingest", jobs.c.status.not_in(ENDED))
    return {digest for arguments in connection.scalars(query) for _, digest in arguments.get("uploads", ())}


def _is_older(blobs: BlobStore, digest: str, seconds: float) -> bool:
    try:
        return time.time() - blobs.path(digest).stat().st_mtime > seconds
    except NotFound:
        return False
