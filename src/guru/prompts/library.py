"""The library: versions that never change, labels that move, and one way to fill a version in.

    prompts = library.of(tenant)
    rendered = await prompts.render("support@prod", {"question": "When do you open?"})
    rendered.messages, rendered.response_format, rendered.id

A version is written in the transaction that gives it its number, one writer at a time: two at once make two versions.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from guru.errors import Conflict, Forbidden, NotFound
from guru.prompts import rows
from guru.prompts.building import Built, build, compared, response_format, sampling_of, shown_examples
from guru.prompts.checking import check
from guru.prompts.definition import PromptDefinition
from guru.prompts.references import Reference, check_label, check_name, parse_reference
from guru.prompts.rows import Move, PromptRow, Version, VersionRow
from guru.prompts.techniques import few_shot
from guru.protocols import Embedder
from guru.store.database import Database
from guru.types import JSON, RenderedPrompt


class Note(Protocol):
    """Writes a change into the audit log, in the transaction of the change."""

    def __call__(self, connection: Connection, action: str, subject: str, *, before: Any, after: Any) -> None: ...


class Editor(Struct, frozen=True):
    """Who changes prompts."""

    name: str
    """As versions and moves name their author."""
    note: Note
    admin: bool = False
    """Whether labels that are protected may be moved."""
    file: str | None = None
    """The file that speaks: where a prompt is read from one, nobody else saves versions of it."""


class Saved(Struct, frozen=True):
    version: int
    created: bool
    """False: the newest version says the same, and stays the newest."""


class Detail(Struct, kw_only=True):
    """A prompt with its history, the newest first."""

    prompt: PromptRow
    versions: list[VersionRow]
    moves: list[Move]


class Library:
    """The prompts of every organisation. Implements `guru.protocols.PromptLibrary`."""

    def __init__(self, database: Database, embedder: Embedder, *, protected: frozenset[str] = frozenset()) -> None:
        """`embedder` compares examples with what is asked; `protected` labels are moved by administrators alone."""
        self.database = database
        self.protected = protected
        self.nearest = few_shot.Nearest(embedder)

    def of(self, tenant: str) -> Prompts:
        """Those of one organisation."""
        return Prompts(self, tenant)


class Prompts:
    """The prompts of one organisation. Implements `guru.protocols.Prompts`."""

    def __init__(self, library: Library, tenant: str) -> None:
        self._library = library
        self._database = library.database
        self._tenant = tenant

    # ----------------------------------------------------------------------- reading

    async def all(self) -> list[PromptRow]:
        """By name."""
        return await self._database.read(lambda connection: rows.list_prompts(connection, self._tenant))

    async def show(self, name: str) -> Detail:
        """Raises `NotFound`."""

        def read(connection: Connection) -> Detail:
            prompt = rows.get(connection, self._tenant, name)
            return Detail(
                prompt=prompt,
                versions=rows.versions_of(connection, prompt),
                moves=rows.moves_of(connection, prompt),
            )

        return await self._database.read(read)

    async def version(self, reference: str) -> Version:
        """What a reference names. Raises `NotFound` and `InvalidParameter`."""
        wanted = parse_reference(reference)

        def read(connection: Connection) -> Version:
            prompt = rows.get(connection, self._tenant, wanted.name)
            return rows.version_of(connection, prompt, rows.resolve(prompt, wanted))

        return await self._database.read(read)

    async def serving(self, name: str, label: str) -> tuple[str, Version]:
        """The version that a label stands for, or the newest where the prompt has no such label; with its reference.

        Raises `NotFound` and `InvalidParameter`.
        """
        check_name(name, "prompt")

        def read(connection: Connection) -> tuple[str, Version]:
            prompt = rows.get(connection, self._tenant, name)
            version = rows.version_of(connection, prompt, prompt.labels.get(label, prompt.latest))
            return f"{name}@{label if label in prompt.labels else version.version}", version

        return await self._database.read(read)

    async def labelled(self, label: str) -> list[tuple[str, Version]]:
        """Every prompt by its name, each in the version that `serving` finds."""

        def read(connection: Connection) -> list[tuple[str, Version]]:
            return [
                (prompt.name, rows.version_of(connection, prompt, prompt.labels.get(label, prompt.latest)))
                for prompt in rows.list_prompts(connection, self._tenant)
            ]

        return await self._database.read(read)

    async def all_versions(self, name: str) -> list[Version]:
        """The oldest first, to be exported. Raises `NotFound`."""

        def read(connection: Connection) -> list[Version]:
            prompt = rows.get(connection, self._tenant, name)
            return rows.all_versions(connection, prompt)

        return await self._database.read(read)

    # ----------------------------------------------------------------------- rendering

    async def render(self, reference: str, variables: JSON | None = None) -> RenderedPrompt:
        """The prompt that a reference names, filled in. See `guru.protocols.Prompts`."""
        wanted = parse_reference(reference)
        found = await self.version(reference)
        return await self._filled(wanted, found.version, found.definition, variables or {})

    async def draft(self, definition: PromptDefinition, variables: JSON) -> RenderedPrompt:
        """One that is not kept yet, filled in: the version 0 of `draft`. Raises `InvalidParameter`."""
        await asyncio.to_thread(check, definition)
        return await self._filled(Reference("draft"), 0, definition, variables)

    async def _filled(
        self, wanted: Reference, version: int, definition: PromptDefinition, variables: JSON
    ) -> RenderedPrompt:
        messages = await self._messages(f"{wanted.name}@{version}", definition, variables)
        return RenderedPrompt(
            name=wanted.name, version=version, label=wanted.label, messages=messages,
            response_format=response_format(definition, wanted.name), model=definition.model,
            sampling=sampling_of(definition), self_consistency=definition.self_consistency,
        )  # fmt: skip

    async def _messages(self, of: str, definition: PromptDefinition, variables: JSON) -> Any:
        examples = definition.examples
        # It may take a second: the bounds of a template allow for that.
        built: Built = await asyncio.to_thread(build, definition, variables, of)
        if examples is None:
            return built.messages
        shown = await asyncio.to_thread(shown_examples, definition)
        if examples.choose == "similar" and examples.count < len(shown):
            key = (self._tenant, rows.digest(definition))
            texts = compared(definition, shown)
            chosen = await self._library.nearest.choose(built.query, texts, examples.count, key)
        else:
            choose = "all" if examples.choose == "similar" else examples.choose
            chosen = few_shot.in_order(len(shown), choose, examples.count, examples.seed)
        return few_shot.apply(built.messages, [shown[number] for number in chosen])

    # ----------------------------------------------------------------------- changing

    async def save(
        self, name: str, definition: PromptDefinition, editor: Editor, *, notes: str = "", expect: int | None = None
    ) -> Saved:
        """Keep a new version, and make the prompt where there is none.

        `expect` is the version that the new one was made from: raises `Conflict` if it is not the newest any more.
        Raises `InvalidParameter` for a definition that cannot be rendered, `Conflict` for a prompt that is a file.
        """
        check_name(name)
        await asyncio.to_thread(check, definition)
        return await self._database.write(
            lambda connection: self.save_within(connection, name, definition, editor, notes=notes, expect=expect)
        )

    def save_within(
        self, connection: Connection, name: str, definition: PromptDefinition, editor: Editor, *,
        notes: str = "", expect: int | None = None,
    ) -> Saved:  # fmt: skip
        """The same in a transaction, of a definition that was checked."""
        prompt = rows.find(connection, self._tenant, name)
        if expect is not None and expect != (prompt.latest if prompt else 0):
            raise Conflict(
                f"The newest version of {name!r} is {prompt.latest if prompt else 0}, not {expect}.",
                hint="Look at what was changed since, and save again.",
                param="expect",
            )
        if prompt is not None:
            refuse_file(prompt, editor)
            if rows.version_row(connection, prompt, prompt.latest)["digest"] == rows.digest(definition):
                return Saved(prompt.latest, False)
        else:
            prompt = rows.add_prompt(connection, self._tenant, name)
        number = rows.add_version(connection, prompt, definition, editor.name, notes)
        editor.note(connection, "prompts.save", name, before=None, after={"version": number, "notes": notes})
        return Saved(number, True)

    async def label(self, name: str, label: str, version: int | None, editor: Editor) -> PromptRow:
        """Move a label to a version; with None, take it away. Raises `NotFound` and `Forbidden`."""
        check_label(label)
        return await self._database.write(
            lambda connection: self.label_within(connection, name, label, version, editor)
        )

    def label_within(
        self, connection: Connection, name: str, label: str, version: int | None, editor: Editor
    ) -> PromptRow:
        prompt = rows.get(connection, self._tenant, name)
        self._allow(label, editor)
        if version is not None:
            rows.version_row(connection, prompt, version)
        elif label not in prompt.labels:
            raise no_label(prompt, label)
        self._move(connection, prompt, label, version, editor)
        return prompt

    async def rollback(self, name: str, label: str, editor: Editor) -> PromptRow:
        """Take a label back to where it was before its last move; once more undoes that.

        Raises as `label` does, and `Conflict` where it has been nowhere else.
        """
        check_label(label)

        def write(connection: Connection) -> PromptRow:
            prompt = rows.get(connection, self._tenant, name)
            self._allow(label, editor)
            move = rows.last_move(connection, prompt, label)
            if move is None:
                raise no_label(prompt, label)
            if move.before is None:
                raise Conflict(
                    f"The label {label!r} of {name!r} has been at no other version.",
                    hint="Move it to the version that you mean, or take it away.",
                )
            self._move(connection, prompt, label, move.before, editor, action="prompts.rollback")
            return prompt

        return await self._database.write(write)

    def _move(
        self, connection: Connection, prompt: PromptRow, label: str, version: int | None, editor: Editor, *,
        action: str = "prompts.label",
    ) -> None:  # fmt: skip
        before = prompt.labels.get(label)
        if before == version:
            return
        rows.put_label(connection, prompt, label, version, editor.name)
        editor.note(connection, action, f"{prompt.name}@{label}", before=before, after=version)

    def _allow(self, label: str, editor: Editor) -> None:
        if label in self._library.protected and not editor.admin:
            raise Forbidden(
                f"Only an administrator may move the label {label!r}.",
                hint="Ask one, or use another label: [prompts] protected says which are.",
            )

    async def delete(self, name: str, editor: Editor) -> None:
        """Remove a prompt with all its versions. Raises `NotFound`, and `Conflict` for one that is a file."""

        def write(connection: Connection) -> None:
            prompt = rows.get(connection, self._tenant, name)
            refuse_file(prompt, editor)
            rows.remove(connection, prompt)
            before = {"versions": prompt.latest, "labels": prompt.labels}
            editor.note(connection, "prompts.delete", name, before=before, after=None)

        await self._database.write(write)


def refuse_file(prompt: PromptRow, editor: Editor) -> None:
    """Raises `Conflict` where somebody else saves or removes what is read from a file."""
    if prompt.file is not None and editor.file != prompt.file:
        raise Conflict(
            f"The prompt {prompt.name!r} is read from {prompt.file}.",
            hint="Change it there: the file is the source. Or save it under another name.",
        )


def no_label(prompt: PromptRow, label: str) -> NotFound:
    known = ", ".join(prompt.labels) or "none"
    return NotFound(f"The prompt {prompt.name!r} has no label {label!r}.", hint=f"Its labels: {known}.", param="label")
