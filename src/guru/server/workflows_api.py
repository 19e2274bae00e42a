"""Workflows: definitions with their versions and drawings, checked before they are kept."""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec import Struct

from guru.agents.workflows.asl import import_asl
from guru.agents.workflows.definition import Workflow, from_plain
from guru.agents.workflows.graph import Graph, draw
from guru.agents.workflows.reading import Format, Problem, first_problem, parse
from guru.agents.workflows.records import Saved
from guru.errors import InvalidParameter
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, get, post
from guru.server.evaluations_api import kept_caller
from guru.types import JSON


class DefinitionBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A definition as an object, or as text."""

    definition: JSON | None = None
    text: str | None = None
    format: Format = "toml"
    """Of `text`: `toml`, `yaml`, `json`, or `asl`, Amazon States Language. `asl` may stand with `definition`, too."""
    name: str | None = None
    """Of the workflow, where the definition does not say it."""
    resources: dict[str, str | JSON] = {}
    """Of `asl`: what `Resource`s stand for: a tool, or the fields of a step. Besides those of the configuration."""


class WorkflowVersion(Struct, kw_only=True):
    version: int
    made_by: str
    created_at: datetime


class WorkflowItem(Struct, kw_only=True):
    name: str
    version: int
    description: str
    created_at: datetime
    updated_at: datetime


class WorkflowList(Struct):
    workflows: list[WorkflowItem]


class WorkflowDetail(WorkflowItem, kw_only=True):
    latest: int
    made_by: str
    definition: JSON
    graph: Graph
    """The drawing: boxes and lines, in pixels."""
    versions: list[WorkflowVersion]


class Checked(Struct, kw_only=True):
    ok: bool
    problems: list[Problem]
    definition: JSON | None
    """The definition as it would be kept: what was imported can be looked at."""
    graph: Graph | None


class VersionQuery(Struct, forbid_unknown_fields=True):
    version: int | None = None


@get("/api/v1/workflows")
async def list_workflows(call: Call) -> WorkflowList:
    """All of the organisation, by name."""
    found = await call.services.workflows.catalogue.list(call.tenant)
    return WorkflowList(
        [
            WorkflowItem(
                name=item.name, version=item.version, description=item.description,
                created_at=moment(item.created_at), updated_at=moment(item.updated_at),
            )
            for item in found
        ]
    )  # fmt: skip


@post("/api/v1/workflows", status=201)
async def save_workflow(call: Call, body: DefinitionBody) -> WorkflowDetail:
    """Keep a definition as the next version of its name. 400 says all that is wrong with it."""
    caller = call.caller("workflows")
    plain, problems = read_body(call, body)
    if problems:
        raise first_problem(problems)
    workflow, version = await call.services.workflows.save(call.tenant, plain, kept_caller(caller), caller.person)
    return await detail(call, workflow.name, version)


@post("/api/v1/workflows/check", reads=True)
async def check_workflow(call: Call, body: DefinitionBody) -> Checked:
    """All that is wrong with a definition, each with its place. Nothing is kept."""
    plain, problems = read_body(call, body)
    workflow, more = await call.services.workflows.check(plain, kept_caller(call.caller("workflows")))
    problems += more if not problems or workflow is None else []
    graph = None if workflow is None else await asyncio.to_thread(drawn, workflow)
    return Checked(ok=not problems, problems=problems, definition=plain, graph=graph)


@get("/api/v1/workflows/{name}")
async def show_workflow(call: Call, name: str, query: VersionQuery) -> WorkflowDetail:
    """One of them, in its newest version or the one that is named."""
    return await detail(call, name, query.version)


@delete("/api/v1/workflows/{name}", status=204)
async def delete_workflow(call: Call, name: str) -> None:
    """Remove it with its versions. Its runs stay, and go on."""
    await call.services.workflows.catalogue.delete(call.tenant, name)


def read_body(call: Call, body: DefinitionBody) -> tuple[JSON, list[Problem]]:
    """The definition, and what an import could not take. Raises `InvalidParameter`."""
    if (body.definition is None) == (body.text is None):
        raise InvalidParameter("Give `definition` or `text`.", param="definition", hint="One of them, not both.")
    plain = body.definition if body.definition is not None else parse(body.text or "", text_format(body.format))
    problems: list[Problem] = []
    if body.format == "asl":
        resources = call.services.settings.workflows.resources | body.resources
        plain, problems = import_asl(plain, body.name or "", resources)
    elif body.name is not None:
        plain = {**plain, "name": body.name}
    return plain, problems


def text_format(format: Format) -> Format:
    return "json" if format == "asl" else format


async def detail(call: Call, name: str, version: int | None) -> WorkflowDetail:
    catalogue = call.services.workflows.catalogue
    saved: Saved = await catalogue.get(call.tenant, name, version)
    versions = await catalogue.versions(call.tenant, name)
    graph = await asyncio.to_thread(draw, from_plain(saved.definition))
    return WorkflowDetail(
        name=saved.name, version=saved.version, latest=saved.latest, description=saved.description,
        made_by=saved.made_by, created_at=moment(saved.created_at), updated_at=moment(saved.updated_at),
        definition=saved.definition, graph=graph,
        versions=[
            WorkflowVersion(version=one.version, made_by=one.made_by, created_at=moment(one.created_at))
            for one in versions
        ],
    )  # fmt: skip


def drawn(workflow: Workflow) -> Graph | None:
    """The drawing, also of one that is not right yet."""
    return draw(workflow) if workflow.start in workflow.steps else None


DOORS = [list_workflows, save_workflow, check_workflow, show_workflow, delete_workflow]
