"""What the requests to several providers have in common: names, arguments of calls, and bytes inside of addresses."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter
from guru.models.wire.fields import NOT_JSON
from guru.types import JSON, Message, ToolCall

DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,(.*)", re.DOTALL)


class DataURL(Struct, frozen=True):
    """What a `data:` URL holds."""

    media_type: str
    data: str
    """In base64."""

    @property
    def bytes(self) -> bytes:
        """Raises `ValueError` when it is not base64."""
        return base64.b64decode(self.data, validate=True)


def parse_data_url(url: str) -> DataURL | None:
    """None for what is not a data URL in base64."""
    found = DATA_URL.fullmatch(url)
    return DataURL(found[1] or "text/plain", found[4]) if found and found[3] else None


def arguments(call: ToolCall, path: str) -> JSON:
    """The arguments of a call as an object; `path` is that of the call. Raises `InvalidParameter`."""
    param = f"{path}.function.arguments"
    hint = "Send them as the model wrote them."
    try:
        value = msgspec.json.decode(call.function.arguments or "{}")
    except NOT_JSON:
        raise InvalidParameter(f"`{param}` is not JSON that can be read.", param=param, hint=hint) from None
    if not isinstance(value, dict):
        raise InvalidParameter(f"`{param}` is not a JSON object.", param=param, hint=hint)
    return value


def refuse_name(message: Message, path: str, who: str, drop: Collection[str]) -> None:
    """Raises `InvalidParameter` for the name of a speaker, which few providers take; that of a tool is another."""
    if message.name and message.role != "tool" and "name" not in drop:
        hint = 'Leave it out, or set drop_params = ["name"] for the provider to have it left out.'
        raise InvalidParameter(f"{who} does not take `{path}.name`.", param=f"{path}.name", hint=hint)
