"""The lines of a batch's input: read, checked, and what is said about them in the output.

Spec: https://platform.openai.com/docs/api-reference/batch/request-input.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.store.ids import new_id
from guru.types import Usage

JSON = dict[str, Any]
ENDPOINTS: Final = (
    "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/v1/embeddings", "/v1/moderations",
    "/v1/rerank", "/v1/images/generations",
)  # fmt: skip
"""What a batch can ask: OpenAI's and, with `/v1/messages`, Anthropic's requests."""
MAX_LINE: Final = 16 << 20
encode = msgspec.json.Encoder().encode


class Line(Struct):
    """One request of a batch. `error` says why it cannot be asked."""

    number: int
    """From 0 on, empty lines not counted."""
    custom_id: str | None
    body: JSON
    error: JSON | None = None


class Answered(Struct):
    """How a request came out."""

    status: int
    body: Any
    trace_id: str
    retry_after: float | None = None
    """Seconds after which asking again makes sense; None: it does not."""
    usage: Usage | None = None
    """What a provider's own batch says of it; None: `body` says it, or the road has counted it."""


def read_lines(path: Path, endpoint: str) -> Iterator[Line]:
    """The requests in a file, each checked. Blocks."""
    seen: set[str] = set()
    number = 0
    with path.open("rb") as file:
        while text := file.readline(MAX_LINE + 1):
            if len(text) > MAX_LINE:
                yield Line(number, None, {}, problem("line_too_long", f"The line is longer than {MAX_LINE} bytes."))
                while text and not text.endswith(b"\n"):
                    text = file.readline(MAX_LINE)
                number += 1
                continue
            if text.strip():
                yield read_line(number, text, endpoint, seen)
                number += 1


def read_line(number: int, text: bytes, endpoint: str, seen: set[str]) -> Line:
    try:
        raw = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf") if number == 0 else text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Line(number, None, {}, problem("invalid_json_line", f"The line is not valid JSON: {error}."))
    if not isinstance(raw, dict):
        return Line(number, None, {}, problem("invalid_json_line", "The line is not a JSON object."))
    custom_id = raw.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        return Line(number, None, {}, problem("missing_required_parameter", "`custom_id` is missing.", "custom_id"))
    found = check_line(raw, endpoint, seen)
    seen.add(custom_id)
    body = raw.get("body")
    return Line(number, custom_id, body if isinstance(body, dict) else {}, found)


def check_line(raw: JSON, endpoint: str, seen: set[str]) -> JSON | None:
    if raw["custom_id"] in seen:
        return problem("duplicate_custom_id", "Another line has this `custom_id`.", "custom_id")
    if raw.get("method") != "POST":
        return problem("invalid_method", f"`method` is {raw.get('method')!r}: it must be POST.", "method")
    if raw.get("url") != endpoint:
        message = f"`url` is {raw.get('url')!r}; the batch is of {endpoint}."
        return problem("invalid_url", message, "url")
    if not isinstance(raw.get("body"), dict):
        return problem("missing_required_parameter", "`body` is missing.", "body")
    if raw["body"].get("stream"):
        return problem("invalid_parameter", "`stream` makes no sense in a batch.", "body.stream")
    return None


def problem(code: str, message: str, param: str | None = None) -> JSON:
    return {"code": code, "message": message, "param": param}


def answered_line(line: Line, answer: Answered) -> bytes:
    """The line of the output for a request that was asked, well or not."""
    response = {"status_code": answer.status, "request_id": answer.trace_id, "body": answer.body}
    return encode({"id": new_id("breq"), "custom_id": line.custom_id, "response": response, "error": None})


def unasked_line(line: Line, error: JSON) -> bytes:
    """The line of the error file for a request that was not asked."""
    error = {**error, "line": line.number + 1}
    return encode({"id": new_id("breq"), "custom_id": line.custom_id, "response": None, "error": error})
