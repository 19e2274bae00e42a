"""Bodies and queries, decoded into declared shapes, with errors that name the field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from guru.errors import InvalidParameter, TooLarge
from guru.models.wire.fields import NOT_JSON, not_json
from guru.server.sse import ClientGone

Shape = TypeVar("Shape")
MAX_JSON = 64 << 20
UNKNOWN = re.compile(r"unknown field `([^`]*)`")
MISSING = re.compile(r"missing required field `([^`]*)`")
DIGITS = re.compile(r"[0-9]{1,9}")
PLACE = re.compile(r"(.*?)(?: - at `(?:key in )?\$\.?(.*)`)?$", re.DOTALL)


async def read_body(request: Request, limit: int = MAX_JSON) -> bytes:
    """The whole body. Raises `TooLarge` as soon as it is known to be, and `ClientGone`."""
    size = int(request.headers.get("content-length") or 0)
    if size > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
    except ClientDisconnect:
        raise ClientGone from None
    return b"".join(parts)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit >> 20} MiB.", hint="Send less, or raise [server] max_body_mb.")


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """JSON as `shape`. Raises `BadRequest` and `InvalidParameter`."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise explain(error, shape) from None
    except NOT_JSON as error:
        raise not_json(body, error) from None


def decode_known(body: bytes, shape: type[Shape]) -> tuple[Shape, dict[str, Any]]:
    """A JSON object as `shape`, and the members that `shape` does not know. Raises as `decode`."""
    raw = decode(body, dict[str, Any])
    fields = {field.encode_name for field in msgspec.structs.fields(shape)}  # type: ignore[arg-type]
    known = {name: value for name, value in raw.items() if name in fields and value is not None}
    try:
        found = msgspec.convert(known, shape)
    except msgspec.ValidationError as error:
        raise explain(error, shape) from None
    return found, {name: value for name, value in raw.items() if name not in fields and value is not None}


def decode_query(query: Mapping[str, str], shape: type[Shape]) -> Shape:
    """Query parameters as `shape`. Raises `InvalidParameter`."""
    try:
        return msgspec.convert(dict(query), shape, strict=False)
    except msgspec.ValidationError as error:
        raise explain(error, shape) from None


def explain(error: msgspec.ValidationError, shape: Any) -> InvalidParameter:
    """A validation error that names the parameter, what was expected, and the nearest name there is."""
    parts = PLACE.fullmatch(str(error))
    message, place = parts.groups() if parts else (str(error), None)
    if found := UNKNOWN.search(message):
        name = found[1]
        known = [field.encode_name for field in msgspec.structs.fields(shape)] if not place else []
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}." if known else None
        return InvalidParameter(f"There is no parameter `{join(place, name)}`.", param=join(place, name), hint=hint)
    if found := MISSING.search(message):
        name = join(place, found[1])
        return InvalidParameter(f"The parameter `{name}` is missing.", param=name, hint="Add it to the request.")
    where = f"`{place}`: " if place else ""
    return InvalidParameter(f"{where}{message[:1].lower()}{message[1:]}.", param=place or None, hint="Correct it.")


def form_number(text: str) -> int | None:
    """A field of a form as a number; None where it is none, or has more than nine digits."""
    return int(text) if DIGITS.fullmatch(text) else None


def join(place: str | None, name: str) -> str:
    return f"{place}.{name}" if place else name
