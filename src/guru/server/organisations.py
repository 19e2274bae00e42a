"""What the doors for keys, teams, users and the audit log share: whose they are, and how they are listed and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, UnsetType

from guru.errors import Forbidden, InvalidParameter
from guru.gateway.identity import Caller
from guru.gateway.messages import moment
from guru.server.endpoint import Call

View = TypeVar("View", bound=Struct)
Item = TypeVar("Item", bound=Struct)


class Organisation(Struct, forbid_unknown_fields=True):
    organisation: str | None = None
    """Whose; only the local owner may name another one than its own. It begins with the first thing made in it."""


class ListQuery(Organisation, kw_only=True, forbid_unknown_fields=True):
    search: str | None = None
    """A part of the name, whatever its case."""
    team: str | None = None
    """Only those that belong to this team."""
    user: str | None = None
    """Only keys of this user."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """All of them when it is left out."""
    offset: Annotated[int, Meta(ge=0)] = 0


def administrator(call: Call, about: Organisation) -> Caller:
    """The caller, in the organisation that it manages. Raises `Forbidden`."""
    caller = call.require_admin()
    if about.organisation is None or about.organisation == caller.tenant:
        return caller
    if not caller.owner:
        raise Forbidden("Another organisation's keys are none of yours.", hint="Leave `organisation` out.")
    if not about.organisation.replace("-", "").replace("_", "").isalnum() or len(about.organisation) > 64:
        raise InvalidParameter(
            f"{about.organisation!r} is no name of an organisation.", param="organisation",
            hint="Use up to 64 letters, digits, dashes and underscores.",
        )  # fmt: skip
    return msgspec.structs.replace(caller, tenant=about.organisation)


def part(items: Sequence[Item], query: ListQuery) -> tuple[Sequence[Item], int, int | None]:
    """The page that is asked for, how many there are in all, and where the next page begins."""
    text = (query.search or "").casefold()
    found = [
        item
        for item in items
        if text in getattr(item, "name", "").casefold()
        and (query.team is None or getattr(item, "team", None) == query.team)
        and (query.user is None or getattr(item, "user", None) == query.user)
    ]
    end = len(found) if query.limit is None else query.offset + query.limit
    return found[query.offset : end], len(found), end if end < len(found) else None


def given(body: Struct, names: Sequence[str]) -> dict[str, Any]:
    """What a change says."""
    return {name: value for name in names if not isinstance(value := getattr(body, name), UnsetType)}


def to_view(item: Struct, shape: type[View], **values: Any) -> View:
    """The fields of `item` that `shape` has, with `values` in place of some."""
    if (created := getattr(item, "created_at", None)) is not None:
        values.setdefault("created_at", moment(created) if created else None)
    names = [name for name in shape.__struct_fields__ if name not in values]
    return shape(**{name: getattr(item, name) for name in names}, **values)
