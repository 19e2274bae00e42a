"""Collections: make, list, delete, fill, search."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from guru.config.base import Chunking, IndexKind, NotNegative, Percentile, Positive
from guru.gateway.messages import moment
from guru.gateway.searching import Search
from guru.knowledge.chunk import ChunkOptions, check_options
from guru.knowledge.collections import Collection
from guru.knowledge.duplicates import Group
from guru.knowledge.embedding_cache import CacheSize
from guru.knowledge.prepare import most_tokens
from guru.knowledge.reembed import VectorsOf
from guru.knowledge.sources import is_address
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.jobs_api import JobAnswer, to_view
from guru.server.organisations import given
from guru.server.sse import while_connected
from guru.types import JSON, SearchMode, SearchOptions

SETTINGS = ChunkOptions.__struct_fields__


class CollectionView(Struct, kw_only=True):
    name: str
    documents: int
    chunks: int
    bytes: int
    """Of the original files."""
    embedding_model: str
    """Searches embed their queries with it."""
    outdated: bool
    """Whether new collections get another model: see `/reembed`."""
    available: bool
    """Whether its model can be asked; where it cannot, it is not searched before it is embedded anew."""
    previous_model: str | None
    """The model before the last change, as long as `/rollback` can go back to it."""
    created_at: datetime
    updated_at: datetime
    settings: ChunkOptions
    """How its documents are cut."""
    own: list[str]
    """Which of the settings are its own; the others are those of the configuration."""
    index: str
    """What finds its passages: `embedded`, or the store that has its vectors."""


class CollectionList(Struct):
    collections: list[CollectionView]


class CollectionDetail(CollectionView, kw_only=True):
    vectors: list[VectorsOf] | None
    """How many chunks each model has embedded: for administrators, as they see all."""
    cache: CacheSize | None
    """What is kept of texts that were embedded before, of all collections of the organisation: for administrators."""


class ReembedBody(Struct, forbid_unknown_fields=True):
    model: str | None = None
    """The embedding model, by name or alias; the configured one where it is left out."""
    ray: str | None = None
    """As in `/ingest`."""


class NewCollection(Struct, forbid_unknown_fields=True):
    name: str
    """1 to 64 lower-case letters, digits, dots, dashes and underscores."""
    chunking: Chunking | None = None
    """How its documents are cut, as are the following; what is null is as configured."""
    chunk_tokens: Positive | None = None
    chunk_overlap: NotNegative | None = None
    parent_tokens: Positive | None = None
    semantic_percentile: Percentile | None = None


class CollectionChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is; null takes it back to the configuration's."""

    chunking: Chunking | UnsetType | None = UNSET
    chunk_tokens: Positive | UnsetType | None = UNSET
    chunk_overlap: NotNegative | UnsetType | None = UNSET
    parent_tokens: Positive | UnsetType | None = UNSET
    semantic_percentile: Percentile | UnsetType | None = UNSET


class Ingest(Struct, forbid_unknown_fields=True):
    paths: Annotated[list[str], Meta(min_length=1)]
    """Absolute paths of files and folders on the server's disk, and addresses (`https://`, `s3://`)."""
    prune: bool = False
    """Whether documents whose files or pages are gone are removed."""
    access: list[str] | None = None
    """Who may see these documents: `user:anna`, `team:legal`, `key:key_…`; an empty list: everybody. When it is left
    out, documents that are replaced keep their lists."""
    ray: str | None = None
    """The Ray cluster that parses and embeds, such as `10.0.0.5:6379`, or `local` for the cores of its machine;
    in place of the configured one. Only the local owner may name one: the server trusts what it is told there."""


class Transfer(Struct, forbid_unknown_fields=True):
    to: IndexKind
    """`embedded`, or a store of the configuration."""


class SearchBody(SearchOptions, kw_only=True, forbid_unknown_fields=True):
    query: str
    k: Annotated[int, Meta(ge=1, le=200)] = 10
    mode: SearchMode | None = None
    """`hybrid`, `dense` or `sparse`; as `[knowledge] mode` says when it is left out."""
    filter: JSON | None = None
    explain: bool = False
    """Whether every result carries the score of every stage."""


class Result(Struct, kw_only=True):
    rank: int
    score: float
    """The estimated probability (0 to 1) that the passage is relevant; with another `fusion` than the learned one, 0
    to 1 as that defines it."""
    document: str
    document_id: str
    page: int | None
    start: int
    """Character offset in the stored text, as is `end`."""
    end: int
    text: str
    heading_path: list[str]
    title: str | None
    metadata: JSON
    stages: JSON


class Results(Struct):
    results: list[Result]
    timings: dict[str, float]
    """Seconds."""
    queries: list[str]
    """What was searched for besides the query."""
    notes: list[str]
    """What a model should have done for the search and has not."""


class DuplicateQuery(Struct, forbid_unknown_fields=True):
    threshold: Annotated[float, Meta(ge=0.5, le=1)] = 0.8
    """The share of two texts that must be the same."""


class DuplicateGroups(Struct):
    documents: int
    """All that there are in the collection."""
    groups: list[Group]


@get("/api/v1/collections")
async def list_collections(call: Call) -> CollectionList:
    """The collections, by name."""
    found = await call.services.knowledge.collections.list(call.visible)
    return CollectionList([to_collection(call, item) for item in found])


@post("/api/v1/collections", status=201)
async def create_collection(call: Call, body: NewCollection) -> CollectionView:
    """Make an empty collection."""
    settings = {name: value for name in SETTINGS if (value := getattr(body, name)) is not None}
    check_options(settings, most_tokens(call.services.knowledge.embedder))
    return to_collection(
        call, await call.services.knowledge.collections.create(call.tenant, body.name, settings=settings)
    )


@get("/api/v1/collections/{name}")
async def show_collection(call: Call, name: str) -> CollectionDetail:
    """One collection, with its vectors."""
    knowledge = call.services.knowledge
    view = to_collection(call, await knowledge.collections.get(call.visible, name))
    if call.visible.names is not None:
        return CollectionDetail(**structs.asdict(view), vectors=None, cache=None)
    state = await knowledge.reembedding.state(call.tenant, name)
    return CollectionDetail(**structs.asdict(view), vectors=state.vectors, cache=state.cache)


@post("/api/v1/collections/{name}/reembed", status=202)
async def reembed_collection(call: Call, name: str, body: ReembedBody) -> JobAnswer:
    """Embed a collection with another model, as a job. It is searched with the old one until all is there."""
    caller = call.require_admin()
    if body.ray is not None:
        caller.require_owner()
    job = await call.services.knowledge.reembedding.submit(
        call.tenant, name, body.model, person=caller.person, ray=body.ray
    )
    return JobAnswer(to_view(job))


@post("/api/v1/collections/{name}/rollback")
async def roll_back_collection(call: Call, name: str) -> CollectionView:
    """Go back to the embedding model before the last change, at once."""
    call.require_admin()
    await call.services.knowledge.reembedding.rollback(call.tenant, name)
    return to_collection(call, await call.services.knowledge.collections.get(call.visible, name))


@post("/api/v1/collections/{name}/forget-vectors", status=202)
async def forget_vectors(call: Call, name: str) -> JobAnswer:
    """Remove the vectors of other models than the current one, as a job. There is no going back then."""
    person = call.require_admin().person
    job = await call.services.knowledge.reembedding.submit_forget(call.tenant, name, person=person)
    return JobAnswer(to_view(job))


@patch("/api/v1/collections/{name}")
async def configure_collection(call: Call, name: str, body: CollectionChange) -> CollectionView:
    """Change how documents are cut. Those that are there are cut anew when they are ingested the next time."""
    changes = given(body, SETTINGS)
    check_options(changes, most_tokens(call.services.knowledge.embedder))
    return to_collection(call, await call.services.knowledge.collections.configure(call.visible, name, changes))


@delete("/api/v1/collections/{name}", status=204)
async def delete_collection(call: Call, name: str) -> None:
    """Delete a collection with its documents."""
    await call.services.knowledge.collections.delete(call.visible, name)


@post("/api/v1/collections/{name}/ingest", status=202)
async def ingest_paths(call: Call, name: str, body: Ingest) -> JobAnswer:
    """Ingest what the server can reach, as a job.

    Paths of its own disk are for the local owner; addresses of pages and buckets for administrators too.
    """
    caller = call.caller("ingest")
    caller.require_admin()
    if body.ray is not None or not all(map(is_address, body.paths)):
        caller.require_owner()
    job = await call.services.knowledge.ingest.submit_paths(
        call.tenant,
        name,
        body.paths,
        prune=body.prune,
        access=body.access,
        by=call.visible,
        person=caller.person,
        ray=body.ray,
    )
    return JobAnswer(to_view(job))


@post("/api/v1/collections/{name}/transfer", status=202)
async def transfer_collection(call: Call, name: str, body: Transfer) -> JobAnswer:
    """Move the index of a collection to another store of the configuration, as a job, while it is searched."""
    caller = call.caller("transfer")
    caller.require_admin()
    job = await call.services.knowledge.moving.submit(call.tenant, name, body.to, person=caller.person)
    return JobAnswer(to_view(job))


@post("/api/v1/collections/{name}/search", reads=True)
async def search_collection(call: Call, name: str, body: SearchBody) -> Results:
    """The passages that fit a query best."""
    began = time.perf_counter()
    search = Search(name, body.query, k=body.k, mode=body.mode, filter=body.filter, options=body)
    found = await while_connected(call.receive, call.services.road.search(search, call.caller("search")))
    results = [Result(**{field: getattr(hit, field) for field in Result.__struct_fields__}) for hit in found.hits]
    if not body.explain:
        for result in results:
            result.stages = {}
    return Results(results, {"total": time.perf_counter() - began}, found.queries, found.notes)


@get("/api/v1/collections/{name}/duplicates")
async def find_duplicates(call: Call, name: str, query: DuplicateQuery) -> DuplicateGroups:
    """Documents that say nearly the same, in groups: the oldest, and its duplicates."""
    work = call.services.knowledge.duplicates.find(call.visible, name, query.threshold)
    return DuplicateGroups(*await while_connected(call.receive, work))


def to_collection(call: Call, item: Collection) -> CollectionView:
    made = ("settings", "own", "index", "outdated", "available")
    values: dict[str, Any] = {
        name: getattr(item, name) for name in CollectionView.__struct_fields__ if name not in made
    }
    embedders, model = call.services.knowledge.embedders, item.embedding_model
    values |= {"outdated": embedders.is_outdated(model), "available": embedders.is_available(call.tenant, model)}
    values |= {
        "settings": call.services.knowledge.ingest.options(item.settings),
        "own": sorted(set(item.settings) & set(SETTINGS)),
    }
    values["index"] = call.services.knowledge.index.kind_of(item.settings)
    times = {name: moment(values[name]) for name in ("created_at", "updated_at")}
    return CollectionView(**(values | times))


DOORS = [
    list_collections,
    create_collection,
    show_collection,
    configure_collection,
    delete_collection,
    ingest_paths,
    transfer_collection,
    search_collection,
    find_duplicates,
    reembed_collection,
    roll_back_collection,
    forget_vectors,
]
