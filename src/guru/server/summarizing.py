"""Lets summaries meet the models that write them: over the road, as whoever asked for the summary."""

from __future__ import annotations

import msgspec

from guru.gateway.cost.tokens import count_tokens
from guru.gateway.identity import Caller, Directory
from guru.gateway.pipeline import Road
from guru.gateway.routing import Router
from guru.knowledge.around.summaries import Summaries
from guru.knowledge.around.writing import Writer
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.types import JSON, ChatRequest, Delta, Message


class RoadWriter:
    """Implements the `Writer`s of `guru.knowledge.around.writing` and of `guru.agents.memory.base`.

    Each step is a request, limited, traced and paid for.
    """

    def __init__(self, road: Road, router: Router, directory: Directory, caller: Caller, model: str) -> None:
        """Raises `ModelNotFound`."""
        self._road = road
        self._directory = directory
        self._caller = caller
        self._model = model
        asked = ChatRequest(model=model, messages=[])
        self._routed = router.model(model, asked, caller, lambda found, deployment: found)

    @property
    def name(self) -> str:
        return self._routed.name

    @property
    def context_length(self) -> int:
        return self._routed.context_length

    @property
    def small(self) -> bool:
        return self._routed.small

    def count_tokens(self, text: str) -> int:
        return count_tokens(self.name, text)

    async def write(self, instruction: str, text: str, max_tokens: int, schema: JSON | None = None) -> str:
        asked = msgspec.structs.replace(self._caller, trace_id=new_id("tr"), headers={})
        self._directory.check(asked, asked.route)
        request = ChatRequest(
            model=self._model, messages=[Message("system", instruction), Message("user", text)],
            max_tokens=max_tokens, temperature=0.0, response_format=json_format(schema) if schema else None,
        )  # fmt: skip
        events = await self._road.answer(request, asked)
        return "".join(event.text for event in events if isinstance(event, Delta) and event.index == 0)


def json_format(schema: JSON) -> JSON:
    """An answer in JSON that holds to a schema, as OpenAI's API asks for it."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def open_summaries(
    database: Database, jobs: Jobs, embedder: Embedder, *, road: Road, router: Router, directory: Directory
) -> Summaries:
    """The summaries of a server. `embedder` is the one that answers are checked with."""

    def writers(caller: JSON, model: str) -> Writer:
        return RoadWriter(road, router, directory, msgspec.convert(caller | {"trace_id": ""}, Caller), model)

    return Summaries(database, jobs, embedder, writers=writers)
