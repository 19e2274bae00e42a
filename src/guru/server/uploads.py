"""Uploaded files: parts of a multipart body, kept as blobs, with the relative paths that they are named by."""

from __future__ import annotations

import asyncio
import unicodedata

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from guru.errors import BadRequest, InvalidParameter
from guru.server.sse import ClientGone
from guru.store.blobs import BlobStore

FIELD = "files"
MAX_FILES = 10_000
MAX_PATH = 1024


async def receive_uploads(request: Request, blobs: BlobStore) -> list[tuple[str, str]]:
    """Keep every file of the body; gives its relative name and its digest.

    A part waits in a temporary file, not in memory. Raises `BadRequest` and `InvalidParameter`.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("The body is not multipart/form-data.", hint=f"Send the files as the field `{FIELD}`.")
    uploads: list[tuple[str, str]] = []
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            for field, part in form.multi_items():
                if field != FIELD or not isinstance(part, UploadFile):
                    raise InvalidParameter(
                        f"The field `{field}` is not a file.", param=field, hint=f"Send only files, as `{FIELD}`."
                    )
                name = relative_name(part.filename or "")
                uploads.append((name, await asyncio.to_thread(blobs.put, await part.read())))
    except ClientDisconnect:
        raise ClientGone from None
    return uploads


def relative_name(name: str, param: str = FIELD) -> str:
    """The name under which an uploaded file is stored: a relative path that stays where it is put.

    Raises `InvalidParameter`.
    """
    path = unicodedata.normalize("NFC", name.replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in ("", ".")]
    wrong = not parts or ".." in parts or len(name) > MAX_PATH or any(ord(character) < 32 for character in name)
    if wrong:
        raise InvalidParameter(
            f"{name[:80]!r} cannot name a document.", param=param, hint="Use a relative path without `..`."
        )
    return "/".join(parts)
