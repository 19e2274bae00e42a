"""OpenAI's moderations: whether a text is harmful, and how."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter
from guru.server.bodies import decode_known
from guru.server.endpoint import Call, post
from guru.server.road import perform, told
from guru.store.ids import new_id
from guru.tasks import Moderation, ModerationRequest, Moderations


class ModerationBody(Struct, kw_only=True):
    input: str | list[Any]
    """A text, a list of texts, or one input made of parts: `{"type": "text"}` and `{"type": "image_url"}`."""
    model: str = "moderation"


class ModerationAnswer(Struct):
    id: str
    model: str
    results: list[Moderation]


@post("/v1/moderations", body=ModerationBody, answer=ModerationAnswer)
async def moderations(call: Call) -> Any:
    """Which categories of harm each text falls into, and how surely."""
    body, extra = decode_known(await call.body(), ModerationBody)
    request = ModerationRequest(model=body.model, input=inputs(body.input), extra=extra)
    found: Moderations = await perform(call, "moderations", request, "moderations")
    answer = {"id": new_id("modr"), "model": found.model, "results": [shown(result) for result in found.results]}
    return told(call, answer, found)


def inputs(value: str | list[Any]) -> list[Any]:
    """The list of texts or parts. Raises `InvalidParameter`."""
    items = [value] if isinstance(value, str) else value
    if not items:
        raise InvalidParameter("`input` is empty.", param="input", hint="Send a text.")
    kinds = {type(item) for item in items}
    if kinds not in ({str}, {dict}):
        message = "`input` must be a text, a list of texts, or a list of parts."
        raise InvalidParameter(message, param="input", hint="Do not mix texts and parts.")
    return items


def shown(result: Moderation) -> dict[str, Any]:
    types = result.category_applied_input_types or {name: ["text"] for name in result.categories}
    return msgspec.to_builtins(result) | {"category_applied_input_types": types}  # type: ignore[no-any-return]


DOORS = [moderations]
