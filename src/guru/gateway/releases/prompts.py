"""Releases of prompts: what a label stands for against another version, `support@prod` against `support@4`."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import Connection

from guru.config import ReleaseSettings
from guru.errors import InvalidParameter
from guru.gateway.identity import Caller
from guru.gateway.releases.release import Release
from guru.gateway.releases.store import Audit, Outdated
from guru.prompts import rows
from guru.prompts.library import Editor, Library
from guru.prompts.references import parse_reference


class Labels:
    """The labels of an organisation's prompts: where they stand, and how a release moves them."""

    def __init__(self, library: Library, tenant: str, audit: Audit | None) -> None:
        self._prompts = library.of(tenant)
        self._tenant = tenant
        self._audit = audit

    async def settle(self, reference: str, settings: ReleaseSettings) -> tuple[ReleaseSettings, int]:
        """The settings with both versions written out, and the candidate's number.

        Raises `NotFound` and `InvalidParameter`.
        """
        wanted = parse_reference(reference)
        if wanted.label is None:
            raise InvalidParameter(
                f"{reference!r} is no label of a prompt.", hint="Name one, such as support@prod.", param="alias"
            )
        name, at, _ = settings.candidate.partition("@")
        if at and name != wanted.name:
            raise InvalidParameter(f"{settings.candidate!r} is another prompt.", param="candidate")
        now = await self._prompts.version(reference)
        candidate = await self._prompts.version(settings.candidate if at else f"{wanted.name}@{name}")
        if candidate.version == now.version:
            raise InvalidParameter(
                f"{reference} stands for version {now.version} already.",
                hint="Try another version.",
                param="candidate",
            )
        baseline = f"{wanted.name}@{now.version}"
        if settings.baseline not in (None, baseline, str(now.version)):
            raise InvalidParameter(f"The baseline is what {reference} stands for: {baseline}.", param="baseline")
        tried = f"{wanted.name}@{candidate.version}"
        return structs.replace(settings, candidate=tried, baseline=baseline), candidate.version

    async def versions(self, release: Release) -> list[dict[str, Any]]:
        """Both of a release, as `store.versions` gives those of an alias."""
        found = []
        for reference in (release.settings.baseline or "", release.settings.candidate):
            version = await self._prompts.version(reference)
            found.append({
                "label": reference, "version": version.version, "created_at": version.created_at,
                "definition": msgspec.to_builtins(version.definition),
            })  # fmt: skip
        return found

    def stands_for(self, connection: Connection, reference: str) -> int | None:
        """The version that a label stands for now; None where it is gone, or its prompt."""
        wanted = parse_reference(reference)
        prompt = rows.find(connection, self._tenant, wanted.name)
        return prompt.labels.get(wanted.label or "") if prompt is not None else None

    def follow(self, connection: Connection, release: Release, before: Release, caller: Caller) -> None:
        """Move the label where a change of its release wants it, in the transaction of the change.

        Raises `Outdated` where somebody else has moved it.
        """
        if release.status == "stopped" or release.label_at == before.label_at:
            return
        if self.stands_for(connection, release.alias) != before.label_at:
            raise Outdated(release.alias)
        wanted = parse_reference(release.alias)
        name = caller.user or caller.key or "local owner"
        editor = Editor(name, partial(self._note, caller), admin=True)
        self._prompts.label_within(connection, wanted.name, wanted.label or "", release.label_at, editor)

    def _note(self, caller: Caller, connection: Connection, action: str, subject: str, **change: Any) -> None:
        if self._audit is not None:
            self._audit(connection, caller, action, subject, **change)
