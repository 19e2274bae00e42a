"""What a provider does with each parameter of a request: it is carried, mapped, or refused. Never lost.

Every provider has a table for all fields of `ChatRequest`. docs/providers.md is made from these tables, and the
conformance suite holds the providers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter
from guru.types import ChatRequest, Sampling, TextRequest

Request = TypeVar("Request", ChatRequest, TextRequest)


class Support(Struct, frozen=True):
    kind: Literal["carried", "mapped", "refused"]
    note: str = ""
    """Of a mapping, what it becomes; of a refusal, what to do instead."""


CARRIED: Final = Support("carried")


def mapped(how: str) -> Support:
    return Support("mapped", how)


def refused(instead: str = "Leave it out.") -> Support:
    return Support("refused", instead)


NOT_PARAMETERS: Final = frozenset({"model", "messages", "prompt", "stream", "guru", "extra"})
"""Fields that every provider carries, or that never leave this server."""

UNASKED: Final[Mapping[str, object]] = {"n": 1, "logprobs": False}
"""What stands where the caller said nothing, where that is not None."""

NEUTRAL: Final[Mapping[str, object]] = {
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repeat_penalty": 1,
    "min_p": 0,
    "typical_p": 1,
    "parallel_tool_calls": True,
}
"""Values that ask for nothing: whoever does not take the parameter need not be sent them."""

NAMES: Final = tuple(
    field.name for field in msgspec.structs.fields(ChatRequest) if field.name not in NOT_PARAMETERS
)  # fmt: skip
"""All parameters of a chat."""


def table(support: Mapping[str, Support], default: Support = CARRIED) -> Mapping[str, Support]:
    """The whole table, in the order of the request's fields: `default` for what is not named."""
    unknown = [name for name in support if name not in NAMES and name != "extra"]
    assert not unknown, unknown
    return {name: support.get(name, default) for name in NAMES} | {"extra": support.get("extra", CARRIED)}


class Filter:
    """Refuses what a provider does not take, before anything is sent, or leaves it out where the owner says so."""

    def __init__(
        self, provider: str, support: Mapping[str, Support], drop: Iterable[str], *, message_extra: bool = False
    ) -> None:
        """`provider` as the configuration calls it; `drop` are the `drop_params` of its table.

        `message_extra`: whether messages may have members that Guru does not know.
        """
        self._message_extra = message_extra
        self._provider = provider
        self._drop = frozenset(drop)
        self._notes = {name: value.note for name, value in support.items() if value.kind == "refused"}
        self._refused = tuple(name for name in self._notes if name != "extra")
        self._dropped_extra = tuple(self._drop - set(NAMES))

    def apply(self, request: Request) -> Request:
        """The request as this provider takes it. Raises `InvalidParameter`, which names parameter and provider."""
        lost: dict[str, object] = {}
        for name in self._refused:
            value = getattr(request, name, None)
            if value is None or value == [] or value == UNASKED.get(name):
                continue
            if value != NEUTRAL.get(name) and name not in self._drop:
                raise refusal(self._provider, name, self._notes[name])
            lost[name] = _default(request, name)
        if request.extra:
            extra = {name: value for name, value in request.extra.items() if name not in self._dropped_extra}
            if "extra" in self._notes and extra:
                raise refusal(self._provider, next(iter(extra)), self._notes["extra"])
            if len(extra) < len(request.extra):
                lost["extra"] = extra
        if not self._message_extra and isinstance(request, ChatRequest):
            for place, message in enumerate(request.messages):
                for name in message.extra:
                    raise refusal(self._provider, f"messages[{place}].{name}", "Leave it out.", droppable=False)
        # A parameter that the owner drops although the provider takes it is dropped all the same.
        for name in self._drop:
            if name not in self._notes and getattr(request, name, None) is not None and name in NAMES:
                lost[name] = _default(request, name)
        return msgspec.structs.replace(request, **lost) if lost else request


def refusal(provider: str, name: str, instead: str, *, droppable: bool = True) -> InvalidParameter:
    """The error for a parameter that a provider does not take."""
    if not droppable:
        return InvalidParameter(f"{provider} does not take `{name}`.", param=name, hint=instead)
    hint = f'{instead} Or set drop_params = ["{name}"] under [providers.{provider}].'
    return InvalidParameter(f"{provider} does not take `{name}`.", param=name, hint=hint)


def _default(request: Sampling, name: str) -> object:
    for field in msgspec.structs.fields(type(request)):
        if field.name == name:
            return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    raise KeyError(name)
