"""OpenAI's files: uploaded for batches, and what batches have written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta, Struct
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from guru.errors import BadRequest, InvalidParameter, NotFound
from guru.gateway.batches.files import File, Order
from guru.gateway.identity import Caller
from guru.server.bodies import form_number
from guru.server.endpoint import Call, delete, get, post
from guru.server.errors import speaks_anthropic
from guru.server.sse import ClientGone

PURPOSES = ("batch", "assistants", "fine-tune", "vision", "user_data", "evals")
BLOCK = 1 << 20
SHORTEST, LONGEST = 3600, 30 * 86400
"""Seconds that a file may be asked to be kept."""


class FileBody(Struct, kw_only=True):
    """A multipart form."""

    file: bytes
    purpose: str


class FileQuery(Struct, forbid_unknown_fields=True):
    purpose: str | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    order: Order = "desc"
    after: str | None = None
    """Id of the last file seen."""


class FileObject(Struct, kw_only=True):
    id: str
    object: str = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: str = "processed"


class FileList(Struct):
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


class FileDeleted(Struct):
    id: str
    object: str = "file"
    deleted: bool = True


def owner(call: Call) -> Caller:
    """Who asks. Raises `NotFound` for Anthropic's clients, which would read these files as something else."""
    if speaks_anthropic(call.request.scope):
        raise NotFound("These are OpenAI's files; Guru has none of Anthropic's.", hint="Put files into the messages.")
    return call.caller("files")


@post("/v1/files", body=FileBody)
async def upload_file(call: Call) -> FileObject:
    """Keep a file: multipart, with `file`, `purpose`, and `expires_after[seconds]` if it should go by itself."""
    caller = owner(call)
    if not call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("The body is not multipart/form-data.", hint="Send the fields `file` and `purpose`.")
    try:
        async with call.request.form(max_files=1, max_fields=10) as form:
            file, purpose, seconds = read_form(form)
            name = (file.filename or "file").replace("\\", "/").rpartition("/")[2][:255]
            added = await call.services.files.add(caller, name, purpose, blocks(file), seconds=seconds)
    except ClientDisconnect:
        raise ClientGone from None
    return to_object(added)


@get("/v1/files")
async def list_files(call: Call, query: FileQuery) -> FileList:
    """The files, the newest first."""
    page = await call.services.files.list(
        owner(call).visible, purpose=query.purpose, limit=query.limit, order=query.order, after=query.after
    )
    data = [to_object(file) for file in page.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data, first, last, page.more)


@get("/v1/files/{file_id}")
async def show_file(call: Call, file_id: str) -> FileObject:
    """What is known of a file."""
    return to_object(await call.services.files.get(owner(call).visible, file_id))


@get("/v1/files/{file_id}/content", media_type="application/octet-stream")
async def file_content(call: Call, file_id: str) -> Any:
    """The content of a file, or a part of it (`Range`)."""
    file = await call.services.files.get(owner(call).visible, file_id)
    path = await call.services.files.path(owner(call).visible, file_id)
    # Never shown by a browser as a page of this server.
    headers = {"content-disposition": f"attachment; filename*=utf-8''{quote(file.filename)}"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


@delete("/v1/files/{file_id}")
async def delete_file(call: Call, file_id: str) -> FileDeleted:
    """Forget a file."""
    await call.services.files.delete(owner(call).visible, file_id)
    return FileDeleted(file_id)


def read_form(form: FormData) -> tuple[UploadFile, str, float | None]:
    """The file, its purpose, and for how many seconds it is kept. Raises `InvalidParameter`."""
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile):
        raise InvalidParameter("The file `file` is missing.", param="file", hint="Send it as the field `file`.")
    if purpose not in PURPOSES:
        raise InvalidParameter(f"`purpose` is {purpose!r}.", param="purpose", hint=f"Use one of {', '.join(PURPOSES)}.")
    value = form.get("expires_after[seconds]")
    if value is None:
        return file, str(purpose), None
    seconds = form_number(str(value))
    if seconds is None or not SHORTEST <= seconds <= LONGEST:
        message = f"`expires_after[seconds]` is {str(value)[:40]!r}: it must be {SHORTEST} to {LONGEST}."
        raise InvalidParameter(message, param="expires_after[seconds]")
    return file, str(purpose), seconds


async def blocks(file: UploadFile) -> AsyncIterator[bytes]:
    while block := await file.read(BLOCK):
        yield block


def to_object(file: File) -> FileObject:
    return FileObject(
        id=file.id, bytes=file.bytes, created_at=int(file.created_at), filename=file.filename, purpose=file.purpose,
        expires_at=None if file.expires_at is None else int(file.expires_at),
    )  # fmt: skip


DOORS = [upload_file, list_files, show_file, file_content, delete_file]
