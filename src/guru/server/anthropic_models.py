"""The list of models as Anthropic's clients read it: a page at a time.

Spec: https://platform.claude.com/docs/en/api/models-list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.server.bodies import decode_query
from guru.types import JSON

EPOCH = "1970-01-01T00:00:00Z"
"""For models whose age nobody knows, as Anthropic writes it too."""


class PageQuery(Struct):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    after_id: str | None = None
    before_id: str | None = None


def model_page(names: list[str], query: Mapping[str, str]) -> JSON:
    """The models after or before another. Raises `InvalidParameter`."""
    asked = decode_query(query, PageQuery)
    first, last = 0, len(names)
    if asked.after_id is not None:
        first = place_of(names, "after_id", asked.after_id) + 1
    if asked.before_id is not None:
        last = place_of(names, "before_id", asked.before_id)
        first = max(first, last - asked.limit)
    shown = names[first:last][: asked.limit]
    more = first > 0 if asked.before_id is not None else first + len(shown) < last
    return {
        "data": [model_info(name) for name in shown],
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
        "has_more": more,
    }


def model_info(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": EPOCH}


def place_of(names: list[str], param: str, name: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        hint = "Use an id of the page before."
        raise InvalidParameter(f"There is no model {name!r}.", param=param, hint=hint) from None
