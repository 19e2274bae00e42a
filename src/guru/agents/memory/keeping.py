"""Keeping a new memory among those that are there: in one transaction, so that two writers do not keep both of two."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from guru.agents.memory import rows
from guru.agents.memory.base import Memory, Remembered, Source, Vector
from guru.agents.memory.relations import relate
from guru.agents.memory.scoring import DAY
from guru.agents.memory.statements import read_statement
from guru.config import MemorySettings
from guru.store.ids import new_id
from guru.store.scope import Scope

COMPARED: Final = 25
"""The nearest memories that a new one is compared with, besides all of the same attribute."""
STATED: Final = ("user", "fact")
"""Kinds that can say the same as one another, or the opposite."""


def keep(
    connection: Connection,
    scope: Scope,
    values: dict[str, Any],
    vector: Vector,
    *,
    source: Source,
    now: float,
    settings: MemorySettings,
) -> Remembered:
    """Add a memory, or merge it with the one that says the same; what it contradicts is superseded by it."""
    statement = read_statement(values["text"])
    attribute = rows.attribute_of(values["text"], values["kind"])
    same: Memory | None = None
    against: list[Memory] = []
    for memory, similarity in near(connection, scope, values, vector, attribute):
        relation = relate(statement, read_statement(memory.text), similarity)
        if relation == "contradicts" and values["kind"] in STATED:
            against.append(memory)
        elif relation == "repeats" and same is None:
            same = memory
    if same is None:
        times = dict.fromkeys(("created_at", "updated_at", "used_at"), now)
        row = values | times | {"id": new_id("mem"), "attribute": attribute, "vector": rows.pack(vector)}
        memory = rows.add(connection, scope, row, source)
    else:
        memory = rows.merge(connection, scope, same, values["importance"], now)
    if against:
        replaced = [each.id for each in against]
        rows.change(connection, scope, replaced, superseded_at=now, superseded_by=memory.id)
    gone = 0
    if same is None:
        half_life = settings.half_life_days * DAY
        gone = rows.prune(connection, scope, settings.max_memories, kept=memory.id, now=now, half_life=half_life)
    outcome = "replaced" if against else "merged" if same else "added"
    left = rows.by_ids(connection, scope, [each.id for each in against])
    return Remembered(memory=memory, outcome=outcome, replaced=list(left.values()), pruned=gone)  # type: ignore[arg-type]


def near(
    connection: Connection, scope: Scope, values: dict[str, Any], vector: Vector, attribute: str | None
) -> list[tuple[Memory, float]]:
    """What a new memory is compared with, and the cosine of each: the nearest first."""
    import numpy as np

    kinds = STATED if values["kind"] in STATED else (values["kind"],)
    loaded = rows.load(connection, scope, kinds, values["embedding_model"])
    if not loaded.ids:
        return []
    cosines = loaded.matrix @ vector
    wanted = {loaded.ids[place] for place in np.argsort(-cosines)[:COMPARED]}
    wanted |= set(rows.with_attribute(connection, scope, kinds, attribute))
    similarity = {memory_id: float(cosine) for memory_id, cosine in zip(loaded.ids, cosines, strict=True)}
    found = rows.by_ids(connection, scope, list(wanted))
    ordered = sorted(found.values(), key=lambda memory: (-similarity.get(memory.id, 0.0), memory.id))
    return [(memory, similarity.get(memory.id, 0.0)) for memory in ordered]
