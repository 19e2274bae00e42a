"""The OpenAPI document, made from the doors' own declarations, and the page that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from starlette.responses import HTMLResponse, Response

import guru
from guru.server.endpoint import PATH_PARAMETER, Call, Endpoint, get

REFERENCE = "#/components/schemas/{name}"


class ErrorDetail(msgspec.Struct, kw_only=True):
    type: str
    code: str | None
    message: str
    hint: str | None
    """What to do about it."""
    param: str | None
    trace_id: str


class Error(msgspec.Struct):
    """Guru's error shape; under `/v1` it is OpenAI's."""

    error: ErrorDetail


@get("/openapi.json", public=True)
async def openapi_json(call: Call) -> Any:
    """This document."""
    return Response(document(tuple(call.request.app.state.doors)), media_type="application/json")


@get("/docs", media_type="text/html", public=True)
async def docs(call: Call) -> Any:
    """A page that shows this document."""
    from guru.server.pages import templates

    return HTMLResponse(templates().get_template("docs.html").render(title="API", section="docs", params={}))


@cache
def document(doors: tuple[Endpoint, ...]) -> bytes:
    return msgspec.json.encode(describe(doors))


def describe(doors: Sequence[Endpoint]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of `doors`."""
    shapes = [shape for door in doors for shape in (door.body, door.answer) if is_shape(shape)]
    schemas, components = msgspec.json.schema_components([*shapes, Error], ref_template=REFERENCE)
    refs = {id(shape): schema for shape, schema in zip([*shapes, Error], schemas, strict=True)}
    paths: dict[str, Any] = {}
    for door in doors:
        paths.setdefault(PATH_PARAMETER.sub(r"{\1}", door.path), {})[door.method.lower()] = operation(door, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Guru",
            "version": guru.__version__,
            "description": "OpenAI's API under `/v1`, Guru's own under `/api/v1`. Every answer that a model had a part "
            "in carries `x-guru-trace-id`, `x-guru-model`, `x-guru-cost` and `x-guru-cache`.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def operation(door: Endpoint, refs: dict[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": door.handler.__name__,
        "tags": [door.tag],
        "summary": door.summary,
        "parameters": [*path_parameters(door), *query_parameters(door)],
        "responses": {
            str(door.status): {"description": "The answer.", **content(door.media_type, refs.get(id(door.answer)))},
            "default": {"description": "An error.", **content("application/json", refs[id(Error)])},
        },
    }
    if door.description:
        described["description"] = door.description
    if door.body is not None:
        described["requestBody"] = {"required": True, **content("application/json", refs[id(door.body)])}
    if door.status == 204:
        described["responses"]["204"].pop("content", None)
    return described


def content(media_type: str, schema: Any) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema} if schema else {}}}


def path_parameters(door: Endpoint) -> list[dict[str, Any]]:
    hints = {"int": "integer"}
    kinds = dict(part.strip("{}").partition(":")[::2] for part in door.path.split("/") if part.startswith("{"))
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": hints.get(kinds.get(name, ""), "string")}}
        for name in door.path_parameters
    ]


def query_parameters(door: Endpoint) -> list[dict[str, Any]]:
    if door.query is None:
        return []
    (_,), components = msgspec.json.schema_components([door.query], ref_template=REFERENCE)
    schema = components[door.query.__name__]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema["properties"].items()
    ]


def is_shape(value: Any) -> bool:
    return value is not None and value is not type(None) and value is not Any


DOORS = [openapi_json, docs]
