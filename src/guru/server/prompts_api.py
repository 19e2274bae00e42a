"""Prompts: keep versions, move labels, compare, fill in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from guru.gateway.identity import LOCAL_TENANT
from guru.gateway.messages import moment
from guru.gateway.prompting import rendered
from guru.prompts.definition import Notes, PromptDefinition
from guru.prompts.diff import Difference, as_text, compare
from guru.prompts.files import write_toml
from guru.prompts.folder import Problem
from guru.prompts.library import Prompts
from guru.prompts.references import check_name, parse_version
from guru.prompts.rows import PromptRow, Version
from guru.server.endpoint import Call, delete, get, post
from guru.server.prompting import editor
from guru.types import JSON, ChatRequest, Grounding, RenderedPrompt

PATH = "/api/v1/prompts"


class PromptView(Struct, kw_only=True):
    name: str
    latest: int
    """The number of the newest version."""
    labels: dict[str, int]
    """The version that each label stands for."""
    file: str | None
    """The file that it is read from: then versions are saved there."""
    created_at: datetime
    updated_at: datetime


class PromptList(Struct):
    prompts: list[PromptView]
    """By name."""
    problems: list[Problem]
    """Files of the folder that cannot be used: for those whose server it is."""


class VersionSummary(Struct, kw_only=True):
    version: int
    author: str
    notes: str
    created_at: datetime


class VersionView(VersionSummary, kw_only=True):
    name: str
    labels: list[str]
    """Those that stand for it."""
    definition: PromptDefinition


class MoveView(Struct, kw_only=True):
    label: str
    before: int | None
    after: int | None
    """None: the label was taken away."""
    author: str
    at: datetime


class PromptDetail(PromptView, kw_only=True):
    versions: list[VersionSummary]
    """The newest first."""
    moves: list[MoveView]
    """What became of labels, the newest first."""
    protected: list[str]
    """Labels that only administrators move."""


class NewVersion(Struct, kw_only=True, forbid_unknown_fields=True):
    definition: PromptDefinition
    notes: Notes = ""
    """What is new in it."""
    expect: Annotated[int, Meta(ge=0)] | None = None
    """The version that it was made from: it is refused with 409 if that is not the newest any more."""


class SavedVersion(Struct):
    name: str
    version: int
    created: bool
    """False: the newest version says the same, and stays the newest."""


class LabelMove(Struct, forbid_unknown_fields=True):
    version: int


class RenderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    version: str = "latest"
    """A number, a label or `latest`."""
    variables: JSON = {}


class RenderAnswer(Struct):
    prompt: RenderedPrompt
    request: JSON
    """The members of a chat completion that it makes, but for the model."""


class DiffQuery(Struct, forbid_unknown_fields=True):
    before: str
    """A number, a label or `latest`, as is `after`."""
    after: str = "latest"


class Diff(Struct, kw_only=True):
    name: str
    before: int
    after: int
    differences: list[Difference]
    text: str
    """All of it, to be read."""


class ExportQuery(Struct, forbid_unknown_fields=True):
    format: Literal["json", "toml"] = "json"
    """`json`: every version, and the labels. `toml`: one version, as a file of the prompts' folder."""
    version: str = "latest"
    """Of `toml`."""


@get(PATH)
async def list_prompts(call: Call) -> PromptList:
    """The prompts, by name, with their labels."""
    found = await library(call).all()
    problems = call.services.prompt_folder.problems if call.tenant == LOCAL_TENANT else []
    return PromptList([PromptView(**members(prompt)) for prompt in found], problems)


@get(PATH + "/{name}")
async def show_prompt(call: Call, name: str) -> PromptDetail:
    """One prompt: its versions, its labels and how they moved."""
    found = await library(call).show(name)
    return PromptDetail(
        **members(found.prompt),
        versions=[VersionSummary(**dated(version, "created_at")) for version in found.versions],
        moves=[MoveView(**dated(move, "at")) for move in found.moves],
        protected=sorted(call.services.prompts.protected),
    )


@delete(PATH + "/{name}", status=204)
async def delete_prompt(call: Call, name: str) -> None:
    """Remove a prompt with all its versions: for administrators."""
    await library(call).delete(name, editor(call.require_admin()))


@post(PATH + "/{name}/versions", status=201)
async def save_version(call: Call, name: str, body: NewVersion) -> SavedVersion:
    """Keep a new version; the first one makes the prompt."""
    saved = await library(call).save(
        name, body.definition, editor(call.caller("prompts")), notes=body.notes, expect=body.expect
    )
    return SavedVersion(name, saved.version, saved.created)


@get(PATH + "/{name}/versions/{version}")
async def show_version(call: Call, name: str, version: str) -> VersionView:
    """A version, by its number, by a label, or `latest`."""
    prompt = (await library(call).show(name)).prompt
    found = await find(call, name, version)
    labels = [label for label, number in prompt.labels.items() if number == found.version]
    return VersionView(name=name, labels=labels, **dated(found, "created_at"))


@get(PATH + "/{name}/diff")
async def diff_versions(call: Call, name: str, query: DiffQuery) -> Diff:
    """What differs between two versions, place by place."""
    before, after = await find(call, name, query.before), await find(call, name, query.after)
    differences = compare(before.definition, after.definition)
    return Diff(
        name=name, before=before.version, after=after.version, differences=differences,
        text=as_text(differences, f"{name}@{before.version}", f"{name}@{after.version}"),
    )  # fmt: skip


@post(PATH + "/{name}/labels/{label}")
async def move_label(call: Call, name: str, label: str, body: LabelMove) -> PromptView:
    """Let a label stand for a version, whatever it stood for before."""
    return PromptView(**members(await library(call).label(name, label, body.version, editor(call.caller("prompts")))))


@delete(PATH + "/{name}/labels/{label}")
async def remove_label(call: Call, name: str, label: str) -> PromptView:
    """Take a label away."""
    return PromptView(**members(await library(call).label(name, label, None, editor(call.caller("prompts")))))


@post(PATH + "/{name}/labels/{label}/rollback")
async def roll_back_label(call: Call, name: str, label: str) -> PromptView:
    """Take a label back to where it was before its last move. Once more undoes that."""
    return PromptView(**members(await library(call).rollback(name, label, editor(call.caller("prompts")))))


@post(PATH + "/{name}/render", reads=True)
async def render_prompt(call: Call, name: str, body: RenderBody) -> RenderAnswer:
    """Fill a version in, and ask no model."""
    check_name(name)
    guru = Grounding(prompt=f"{name}@{body.version}", variables=body.variables)
    request, prompt = await rendered(
        call.services.prompts, ChatRequest(model=name, messages=[], guru=guru), call.tenant
    )
    return to_rendered(request, prompt)


@get(PATH + "/{name}/export")
async def export_prompt(call: Call, name: str, query: ExportQuery) -> Any:
    """A prompt as a file, to be kept elsewhere."""
    if query.format == "toml":
        found = await find(call, name, query.version)
        return file(write_toml(found.definition, found.notes).encode(), f"{name}.toml", "application/toml")
    prompt = (await library(call).show(name)).prompt
    versions = [dated(version, "created_at") for version in await library(call).all_versions(name)]
    exported = {"name": name, "labels": prompt.labels, "versions": versions}
    content = msgspec.json.format(msgspec.json.encode(exported), indent=2)
    return file(content, f"{name}.json", "application/json")


def to_rendered(request: ChatRequest, prompt: RenderedPrompt) -> RenderAnswer:
    plain: JSON = msgspec.to_builtins(request)
    del plain["model"]
    return RenderAnswer(prompt, plain)


def library(call: Call) -> Prompts:
    return call.services.prompts.of(call.tenant)


async def find(call: Call, name: str, version: str) -> Version:
    """Raises `NotFound` and `InvalidParameter`."""
    check_name(name)
    parse_version(name, version)
    return await library(call).version(f"{name}@{version}")


def members(prompt: PromptRow) -> dict[str, Any]:
    """What is shown of a prompt."""
    return {
        "name": prompt.name, "latest": prompt.latest, "labels": prompt.labels, "file": prompt.file,
        "created_at": moment(prompt.created_at), "updated_at": moment(prompt.updated_at),
    }  # fmt: skip


def dated(row: Struct, name: str) -> dict[str, Any]:
    """The members of a row, with its moment as a date."""
    return msgspec.structs.asdict(row) | {name: moment(getattr(row, name))}


def file(content: bytes, name: str, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})


DOORS = [
    list_prompts, show_prompt, delete_prompt, save_version, show_version, diff_versions, move_label, remove_label,
    roll_back_label, render_prompt, export_prompt,
]  # fmt: skip
