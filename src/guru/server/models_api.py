"""Models: what is here, what can be had, and how to get it."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from guru.agents.agent import Agent
from guru.errors import ModelNotFound
from guru.models.registry import ModelStatus
from guru.server.answerers import AGENT
from guru.server.endpoint import Call, delete, get, post
from guru.server.jobs_api import JobAnswer, to_view
from guru.server.services import Services


class ModelList(Struct):
    models: list[ModelStatus]


class Pull(Struct, forbid_unknown_fields=True):
    name: str
    """A name of the catalogue, an alias, or another source that `docs/models.md` lists."""


@get("/api/v1/models")
async def show_models(call: Call) -> ModelList:
    """Every model that is here or in the catalogue, as far as the caller may use it, and agents."""
    return ModelList([*await usable_models(call), *await usable_agents(call)])


@post("/api/v1/models/pull", status=202)
async def pull_model(call: Call, body: Pull) -> JobAnswer:
    """Download a model, as a job. For administrators."""
    call.require_operator()
    return JobAnswer(to_view(await call.services.models.pull(call.tenant, body.name)))


@delete("/api/v1/models/{name:path}", status=204)
async def remove_model(call: Call, name: str) -> None:
    """Remove a model's files. For administrators."""
    call.require_operator()
    await call.services.models.remove(name)


async def usable_models(call: Call) -> list[ModelStatus]:
    """The models that the caller may use, each with the aliases that it may use."""
    found = []
    for model in await list_models(call.services):
        aliases = [alias for alias in model.aliases if call.may_use(alias)]
        if aliases or call.may_use(model.name):
            found.append(msgspec.structs.replace(model, aliases=aliases))
    return found


async def usable_agents(call: Call) -> list[ModelStatus]:
    """The agents that the caller may ask, as if they were models."""
    return [agent_status(agent) for agent in await call.services.agents.usable(call.caller("models"))]


def agent_status(agent: Agent) -> ModelStatus:
    return ModelStatus(
        name=AGENT + agent.name, kind="agent", status="ready", size_bytes=0, context_length=None, licence=None,
        description=agent.description, memory_bytes=0, aliases=[],
    )  # fmt: skip


async def list_models(services: Services) -> list[ModelStatus]:
    return await services.models.list()


async def find_model(services: Services, name: str) -> ModelStatus:
    """By name or alias. Raises `ModelNotFound`."""
    for model in await list_models(services):
        if name == model.name or name in model.aliases:
            return model
    raise ModelNotFound(f"There is no model {name!r}.", hint="`guru models list` shows those there are.", param="model")


DOORS = [show_models, pull_model, remove_model]
