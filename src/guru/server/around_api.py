"""What a collection is about as a whole: topics, a map, anomalies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from guru.knowledge.around.around import Anomalies, Map
from guru.knowledge.around.points import Unit
from guru.knowledge.around.topics import Topics
from guru.server.endpoint import Call, get, post
from guru.server.sse import while_connected
from guru.types import JSON

Count = Annotated[int, Meta(ge=1, le=100)]
Seed = Annotated[int, Meta(ge=0, lt=1 << 31)]


class TopicQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    unit: Unit = "documents"
    """Whether documents or their passages are put together."""
    count: Count | None = None
    """How many topics; without it, as many as the data has."""
    typical: Annotated[int, Meta(ge=0, le=20)] = 3
    """How many typical documents of each are shown."""
    seed: Seed = 0
    """The same seed gives the same topics."""


class TopicBody(TopicQuery, kw_only=True, forbid_unknown_fields=True):
    filter: JSON | None = None
    """As in a search."""


class AnomalyQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    seed: Seed = 0


class AnomalyBody(AnomalyQuery, kw_only=True, forbid_unknown_fields=True):
    filter: JSON | None = None
    """As in a search."""


class MapQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    count: Count | None = None
    """How many topics; without it, as many as the data has."""
    seed: Seed = 0


class MapBody(MapQuery, kw_only=True, forbid_unknown_fields=True):
    filter: JSON | None = None
    """As in a search."""


@get("/api/v1/collections/{name}/topics")
async def show_topics(call: Call, name: str, query: TopicQuery) -> Topics:
    """What the documents are about: clusters, with the words that tell them apart and their typical documents."""
    return await topics(call, name, query, None)


@post("/api/v1/collections/{name}/topics", reads=True)
async def find_topics(call: Call, name: str, body: TopicBody) -> Topics:
    """The same, of the documents that a filter accepts."""
    return await topics(call, name, body, body.filter)


@get("/api/v1/collections/{name}/anomalies")
async def show_anomalies(call: Call, name: str, query: AnomalyQuery) -> Anomalies:
    """Documents that are unlike the others, the most unusual first, each with a score and reasons."""
    work = call.services.knowledge.around.anomalies(call.visible, name, limit=query.limit, seed=query.seed)
    return await while_connected(call.receive, work)


@post("/api/v1/collections/{name}/anomalies", reads=True)
async def find_anomalies(call: Call, name: str, body: AnomalyBody) -> Anomalies:
    """The same, among the documents that a filter accepts."""
    work = call.services.knowledge.around.anomalies(
        call.visible, name, limit=body.limit, seed=body.seed, filter=body.filter
    )
    return await while_connected(call.receive, work)


@get("/api/v1/collections/{name}/map")
async def show_map(call: Call, name: str, query: MapQuery) -> Map:
    """The documents on a plane, by topic, with what is unlike the others marked; of more than 2,000, a sample."""
    work = call.services.knowledge.around.map(call.visible, name, count=query.count, seed=query.seed)
    return await while_connected(call.receive, work)


@post("/api/v1/collections/{name}/map", reads=True)
async def draw_map(call: Call, name: str, body: MapBody) -> Map:
    """The same, of the documents that a filter accepts."""
    work = call.services.knowledge.around.map(call.visible, name, count=body.count, seed=body.seed, filter=body.filter)
    return await while_connected(call.receive, work)


async def topics(call: Call, name: str, wanted: TopicQuery, filter: JSON | None) -> Topics:
    work = call.services.knowledge.around.topics(
        call.visible, name, unit=wanted.unit, count=wanted.count, seed=wanted.seed, typical=wanted.typical,
        filter=filter,
    )  # fmt: skip
    return await while_connected(call.receive, work)


DOORS = [show_topics, find_topics, show_anomalies, find_anomalies, show_map, draw_map]
