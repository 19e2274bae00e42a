"""Which provider can run a batch: one look at all its lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from guru.errors import GuruError
from guru.gateway.batches.lines import Answered, read_lines
from guru.gateway.identity import Caller
from guru.gateway.steps import Reservation

if TYPE_CHECKING:
    from guru.models.providers.batch_api import BatchApi

JSON = dict[str, Any]
FindProvider = Callable[[str], "tuple[str, BatchApi] | None"]
"""The name and the batch endpoint of the provider of `provider/model`, where it has one. An alias has none."""

Allow = Callable[[Caller, str, str], None]
"""Raises a `GuruError` where somebody may not ask a model by an endpoint now: who asks, endpoint, `provider/model`."""


class Accounting(Protocol):
    """Who pays, and how much: `guru.gateway.batches.account.Accounts`."""

    def estimate(self, endpoint: str, model: str, body: JSON) -> tuple[int, float]: ...

    async def admit(self, caller: Caller, model: str, tokens: int) -> None: ...

    async def hold(self, caller: Caller, model: str, cost: float) -> Reservation: ...

    def write(self, caller: Caller, model: str, answer: Answered) -> float: ...


class Chosen(Struct):
    """What a look at all lines found out."""

    name: str
    api: BatchApi
    tokens: dict[int, int]
    """By the number of the line."""
    costs: dict[int, float]
    models: dict[int, str]
    """`provider/model`."""
    left: list[int]
    size: int = 0


def choose(path: Path, endpoint: str, find: FindProvider, accounts: Accounting, mark: str) -> Chosen | None:
    """The provider that can run all lines that can be asked; None where there is no such one. Blocks."""
    chosen: Chosen | None = None
    for line in read_lines(path, endpoint):
        if line.error is not None:
            continue
        model = str(line.body.get("model"))
        found = find(model)
        if found is None or endpoint not in found[1].ENDPOINTS or (chosen and chosen.name != found[0]):
            return None
        name, api = found
        chosen = chosen or Chosen(name, api, {}, {}, {}, [])
        try:
            chosen.size += (
                len(api.line(endpoint, f"{mark}-{line.number}", model.removeprefix(f"{name}/"), line.body)) + 1
            )
            tokens, cost = accounts.estimate(endpoint, model, line.body)
        except GuruError:
            chosen.left.append(line.number)  # asked here, it learns what is wrong
            continue
        chosen.tokens[line.number], chosen.costs[line.number], chosen.models[line.number] = tokens, cost, model
    if chosen is None or not chosen.models or chosen.size > chosen.api.MAX_BYTES:
        return None
    if len(chosen.models) > chosen.api.MAX_LINES or (chosen.api.ONE_MODEL and len(set(chosen.models.values())) > 1):
        return None
    return chosen
