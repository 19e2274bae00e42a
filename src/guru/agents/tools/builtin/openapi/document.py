"""Reads OpenAPI documents 3.0 and 3.1 (https://spec.openapis.org/oas/v3.1.1.html): their operations, made plain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal
from urllib.parse import urljoin

from msgspec import Struct

from guru.errors import ConfigurationError

METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options")
IGNORED_HEADERS: Final = ("accept", "content-type", "authorization", "host", "content-length", "cookie")
"""The specification has the first three ignored; the others are not for a model to set."""
BODIES: Final = ("application/json", "application/x-www-form-urlencoded", "text/plain")
MAX_BYTES: Final = 10 << 20
_SCHEMA_REF = re.compile(r"#/components/schemas/(.+)")


class Parameter(Struct, kw_only=True):
    name: str
    where: Literal["path", "query", "header", "cookie"]
    schema: dict[str, Any]
    required: bool
    description: str
    style: str
    explode: bool


class Body(Struct):
    media_type: str
    schema: dict[str, Any]
    required: bool
    description: str


class Operation(Struct, kw_only=True):
    id: str
    method: str
    path: str
    description: str
    parameters: list[Parameter]
    body: Body | None


def read_document(content: bytes, where: str) -> dict[str, Any]:
    """The document, of JSON or YAML. Raises `ConfigurationError`."""
    if len(content) > MAX_BYTES:
        raise unusable(where, f"it has more than {MAX_BYTES >> 20} MB")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = read_yaml(content, where)
    version = str(document.get("openapi", "")) if isinstance(document, dict) else ""
    if not version.startswith(("3.0", "3.1")):
        raise unusable(where, f"its version is {version or 'none'!r}, and 3.0 and 3.1 can be read")
    found: dict[str, Any] = document
    return found


def read_yaml(content: bytes, where: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigurationError(
            f"The OpenAPI document {where} is no JSON, and for YAML PyYAML is missing.",
            hint="pip install 'guru[openapi]'",
        ) from error
    try:
        return json.loads(json.dumps(yaml.safe_load(content), default=str))  # as JSON has it: status codes are names
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise unusable(where, f"it is neither JSON nor YAML ({type(error).__name__})") from error


def unusable(where: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The OpenAPI document {where} cannot be used: {why}.", hint="Name another document.")


class Document:
    """One document. What it refers to within itself is looked up; nothing outside of it is."""

    def __init__(self, tree: dict[str, Any], where: str) -> None:
        self._tree = tree
        self._where = where

    def server(self, fallback: str) -> str:
        """The address of the first server, with the defaults of its variables; a relative one is that of `fallback`."""
        servers = self._tree.get("servers") or [{"url": "/"}]
        url = str(servers[0].get("url", "/"))
        for name, variable in (servers[0].get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
        return urljoin(fallback, url)

    def operations(self) -> Iterator[Operation | str]:
        """The operations; a string for one that cannot be a tool, which says why."""
        for path, item in (self._tree.get("paths") or {}).items():
            shared = self._resolved(item)
            for method in METHODS:
                if isinstance(shared.get(method), dict):
                    try:
                        yield self._operation(method, str(path), shared, shared[method])
                    except (KeyError, TypeError, AttributeError, ValueError) as error:
                        yield f"{method.upper()} {path} cannot be read ({type(error).__name__}: {error})"

    def _operation(self, method: str, path: str, shared: dict[str, Any], item: dict[str, Any]) -> Operation | str:
        listed = [self._resolved(entry) for entry in (*shared.get("parameters", ()), *item.get("parameters", ()))]
        parameters = {(entry["in"], entry["name"]): entry for entry in listed}  # an operation's own come last and win
        body = self._body(item.get("requestBody"))
        if isinstance(body, str):
            return f"{method.upper()} {path} takes {body}"
        texts = [str(item.get(key) or "").strip() for key in ("summary", "description")]
        return Operation(
            id=str(item.get("operationId") or f"{method}_{path}"), method=method.upper(), path=path,
            description="\n".join(dict.fromkeys(text for text in texts if text)) or f"{method.upper()} {path}",
            parameters=[
                self._parameter(entry) for entry in parameters.values()
                if entry["in"] != "header" or str(entry["name"]).lower() not in IGNORED_HEADERS
            ],
            body=body,
        )  # fmt: skip

    def _parameter(self, entry: dict[str, Any]) -> Parameter:
        where = entry["in"]
        if where not in ("path", "query", "header", "cookie"):
            raise ValueError(f"a parameter in {where!r}")
        schema = entry.get("schema")
        if schema is None:  # a parameter that is itself JSON, or another kind of text
            contents: list[dict[str, Any]] = list((entry.get("content") or {}).values())
            schema = contents[0].get("schema", {}) if contents else {}
        style = str(entry.get("style") or ("form" if where in ("query", "cookie") else "simple"))
        return Parameter(
            name=str(entry["name"]), where=where, schema=self.schema(schema),
            required=where == "path" or bool(entry.get("required")), description=str(entry.get("description") or ""),
            style=style, explode=bool(entry.get("explode", style == "form")),
        )  # fmt: skip

    def _body(self, entry: Any) -> Body | str | None:
        """The body that is sent; a string for one of a kind that cannot be."""
        if entry is None:
            return None
        body = self._resolved(entry)
        kinds = body.get("content") or {}
        for kind, content in kinds.items():
            media_type = str(kind).partition(";")[0].strip().lower()
            if media_type in BODIES or media_type.endswith("+json"):
                schema = self.schema(content.get("schema") or {})
                return Body(media_type, schema, bool(body.get("required")), str(body.get("description") or ""))
        return f"a body of {', '.join(map(str, kinds)) or 'no kind'}, which is not supported"

    def _resolved(self, entry: Any) -> dict[str, Any]:
        """What an entry refers to, where it does. Raises `ValueError` for what is not in the document."""
        for _ in range(20):
            reference = entry.get("$ref") if isinstance(entry, dict) else None
            if reference is None:
                break
            entry = self._at(str(reference))
        if not isinstance(entry, dict):
            raise ValueError("an entry that is no table")
        return entry

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise ValueError(f"a reference to another document, {reference[:100]}")
        place: Any = self._tree
        for part in reference[2:].split("/"):
            place = place[part.replace("~1", "/").replace("~0", "~")]
        return place

    def schema(self, schema: Any) -> dict[str, Any]:
        """A schema of the document as one of JSON Schema 2020-12, with what it refers to in `$defs`."""
        used: dict[str, Any] = {}
        found = self._plain(schema, used)
        return {**found, "$defs": used} if used else found

    def _plain(self, value: Any, used: dict[str, Any]) -> Any:
        if isinstance(value, list):
            return [self._plain(item, used) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(reference := value.get("$ref"), str):
            return self._reference(reference, value, used)
        plain = {
            key: item if key in ("enum", "const", "default", "required") else
            {name: self._plain(inner, used) for name, inner in item.items()}
            if key in ("properties", "patternProperties") and isinstance(item, dict) else self._plain(item, used)
            for key, item in value.items() if key not in ("example", "examples", "xml", "discriminator", "externalDocs")
        }  # fmt: skip
        return as_2020(plain)

    def _reference(self, reference: str, value: dict[str, Any], used: dict[str, Any]) -> dict[str, Any]:
        found = _SCHEMA_REF.fullmatch(reference)
        if found is None or "/" in found[1]:
            plain: dict[str, Any] = self._plain(self._at(reference), used)
            return plain
        if found[1] not in used:
            used[found[1]] = {}  # before it is read: it may refer to itself
            used[found[1]] = self._plain(self._at(reference), used)
        rest = {"description": value["description"]} if "description" in value else {}
        return {**rest, "$ref": f"#/$defs/{found[1]}"}


def as_2020(schema: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 says otherwise than JSON Schema 2020-12."""
    if schema.pop("nullable", False) is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
    return schema
