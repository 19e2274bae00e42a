"""What is remembered of you: see, search, add, correct, erase, take with you. Nobody else reads it, also no
administrator: those can erase what is remembered of a person, and no more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import Connection

from guru.agents.memory.base import PERSON, Kind, Memory, Outcome, Scores
from guru.agents.memory.memories import Export
from guru.errors import InvalidParameter
from guru.gateway.identity.audit import record
from guru.server.endpoint import Call, delete, get, patch, post

ROUTE = "memories"
Share = Annotated[float, Meta(ge=0, le=1)]
Written = Literal["user", "fact"]


class MemoryQuery(Struct, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=4000)] | None = None
    """Search: what matters to this, the best first, with the scores. Nothing is paged then."""
    kind: Kind | None = None
    superseded: bool = False
    """Also what something newer has replaced."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: str | None = None


class FoundMemory(Memory, kw_only=True):
    scores: Scores | None = None
    """Of a search: relevance, recency, importance, and their weighted mean."""
    why: str | None = None


class MemoryList(Struct, kw_only=True):
    memories: list[FoundMemory]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""
    total: int
    most: int
    """How many one person may have."""
    pruned: int
    """How many had to go so far, because there were more."""
    pruned_at: datetime | None
    enabled: bool
    """Whether conversations use memory that do not say whether they do."""


class ShownMemory(Memory, kw_only=True):
    versions: list[Memory]
    """What it replaced, and what that replaced: the newest first."""


class NewMemory(Struct, forbid_unknown_fields=True):
    text: str
    kind: Written = "user"
    importance: Share | None = None
    """None: by what it says."""


class KeptMemory(Struct, kw_only=True):
    memory: Memory
    outcome: Outcome
    """`merged`: it was known already; `replaced`: it takes the place of what it contradicts."""
    replaced: list[Memory]
    pruned: int


class MemoryChange(Struct, forbid_unknown_fields=True):
    text: str | UnsetType = UNSET
    kind: Written | UnsetType = UNSET
    importance: Share | UnsetType = UNSET


class Whose(Struct, forbid_unknown_fields=True):
    person: Annotated[str, Meta(max_length=200)] | None = None
    """For administrators: whose memories, as `user:ann`, `key:key_...` or `owner`. None: your own."""


class Forgotten(Struct):
    forgotten: int
    """Rows that were erased, superseded ones included."""


@get("/api/v1/memories")
async def list_memories(call: Call, query: MemoryQuery) -> MemoryList:
    """What is remembered of you, the newest first; with `q`, what matters to it, the best first."""
    scope, memories = call.caller(ROUTE).private, call.services.memories
    pruned, pruned_at = await memories.pruned(scope)
    found: list[FoundMemory]
    if query.q is not None and query.q.strip():
        if query.before is not None or query.superseded:
            raise InvalidParameter("A search has no pages and finds what holds.", param="q", hint="Send `q` alone.")
        kinds: tuple[Kind, ...] = (query.kind,) if query.kind else ("user", "episode", "fact")
        hits = await memories.recall(scope, query.q, k=query.limit, kinds=kinds, touch=False)
        found = [found_memory(hit.memory, hit.scores, hit.why) for hit in hits]
        following, total = None, len(found)
    else:
        page = await memories.page(
            scope, kind=query.kind, superseded=query.superseded, limit=query.limit, before=query.before
        )
        found, following, total = [found_memory(memory) for memory in page.memories], page.next, page.total
    settings = memories.settings
    return MemoryList(
        memories=found, next=following, total=total, most=settings.max_memories, pruned=pruned, pruned_at=pruned_at,
        enabled=settings.enabled,
    )  # fmt: skip


@post("/api/v1/memories", status=201)
async def add_memory(call: Call, body: NewMemory) -> KeptMemory:
    """Have something remembered. What says the same is merged; what it contradicts is superseded."""
    kept = await call.services.memories.remember(
        call.caller(ROUTE).private, body.text, kind=body.kind, by=PERSON, importance=body.importance
    )
    return KeptMemory(memory=kept.memory, outcome=kept.outcome, replaced=kept.replaced, pruned=kept.pruned)


@get("/api/v1/memories/export")
async def export_memories(call: Call) -> Export:
    """All that is remembered of you, superseded memories too."""
    return await call.services.memories.export(call.caller(ROUTE).private)


@get("/api/v1/memories/{memory_id}")
async def show_memory(call: Call, memory_id: str) -> ShownMemory:
    """One memory, where it comes from, and what it replaced."""
    memory, versions = await call.services.memories.get(call.caller(ROUTE).private, memory_id)
    return ShownMemory(**fields_of(memory), versions=versions)


@patch("/api/v1/memories/{memory_id}")
async def change_memory(call: Call, memory_id: str, body: MemoryChange) -> Memory:
    """Correct a memory in its place."""
    return await call.services.memories.edit(
        call.caller(ROUTE).private, memory_id, text=body.text, kind=body.kind, importance=body.importance
    )


@delete("/api/v1/memories/{memory_id}")
async def forget_memory(call: Call, memory_id: str) -> Forgotten:
    """Erase a memory for good, with what it had replaced."""
    return Forgotten(await call.services.memories.forget(call.caller(ROUTE).private, memory_id))


@delete("/api/v1/memories")
async def forget_memories(call: Call, query: Whose) -> Forgotten:
    """Erase all that is remembered of you; as an administrator, of another person of the organisation."""
    caller = call.caller(ROUTE)
    if query.person is None or query.person == caller.person:
        return Forgotten(await call.services.memories.forget_all(caller.tenant, caller.person))
    caller.require_admin()
    person = query.person

    def noted(connection: Connection, gone: int) -> None:
        record(connection, caller, "memories.forget", person, after={"forgotten": gone})

    return Forgotten(await call.services.memories.forget_all(caller.tenant, person, noted))


def fields_of(memory: Memory) -> dict[str, Any]:
    return {name: getattr(memory, name) for name in Memory.__struct_fields__}


def found_memory(memory: Memory, scores: Scores | None = None, why: str | None = None) -> FoundMemory:
    return FoundMemory(**fields_of(memory), scores=scores, why=why)


DOORS = [
    list_memories,
    add_memory,
    export_memories,
    show_memory,
    change_memory,
    forget_memory,
    forget_memories,
]
