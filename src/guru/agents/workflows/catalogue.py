"""Workflows as rows: every version of a definition is kept, and runs keep their own."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from guru.agents.workflows.definition import Workflow, to_plain
from guru.agents.workflows.records import Listed, Saved, Version
from guru.errors import NotFound
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import workflow_versions, workflows

COLUMNS = (
    workflows.c.name, workflow_versions.c.version, workflows.c.version.label("latest"), workflows.c.description,
    workflow_versions.c.definition, workflow_versions.c.made_by, workflow_versions.c.created_at, workflows.c.updated_at,
)  # fmt: skip


class Catalogue:
    """The workflows of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, tenant: str, workflow: Workflow, made_by: str) -> int:
        """Keep it as the next version of its name; one that says the same as the newest is that version."""
        plain, now = to_plain(workflow), time.time()

        def write(connection: Connection) -> int:
            mine = (workflows.c.tenant == tenant, workflows.c.name == workflow.name)
            found = connection.execute(select(workflows).where(*mine)).one_or_none()
            if found is None:
                number, workflow_id = 1, new_id("wf")
                row = {"id": workflow_id, "tenant": tenant, "name": workflow.name, "created_at": now}
                change = {"version": 1, "description": workflow.description, "updated_at": now}
                connection.execute(insert(workflows).values(row | change))
            else:
                newest = (workflow_versions.c.workflow_id == found.id, workflow_versions.c.version == found.version)
                if connection.scalar(select(workflow_versions.c.definition).where(*newest)) == plain:
                    return int(found.version)
                number, workflow_id = found.version + 1, found.id
                change = {"version": number, "description": workflow.description, "updated_at": now}
                connection.execute(update(workflows).where(workflows.c.id == workflow_id).values(change))
            version = {"workflow_id": workflow_id, "version": number, "tenant": tenant, "definition": plain}
            connection.execute(insert(workflow_versions).values(version | {"made_by": made_by, "created_at": now}))
            return int(number)

        return await self._database.write(write)

    async def get(self, tenant: str, name: str, version: int | None = None) -> Saved:
        """A version, the newest where none is named. Raises `NotFound`."""
        query = select(*COLUMNS).join(workflow_versions).where(workflows.c.tenant == tenant, workflows.c.name == name)
        wanted = workflows.c.version if version is None else version
        query = query.where(workflow_versions.c.version == wanted)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            what = f"workflow {name!r}" if version is None else f"version {version} of a workflow {name!r}"
            raise NotFound(f"There is no {what}.", hint="`guru workflow list` shows what there is.")
        return Saved(**row._mapping)

    async def list(self, tenant: str) -> Sequence[Listed]:
        """All of them, by name."""
        columns = [workflows.c[name] for name in Listed.__struct_fields__]
        query = select(*columns).where(workflows.c.tenant == tenant).order_by(workflows.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Listed(**row._mapping) for row in rows]

    async def versions(self, tenant: str, name: str) -> Sequence[Version]:
        """The newest first."""
        columns = [workflow_versions.c[name] for name in Version.__struct_fields__]
        query = select(*columns).join(workflows).where(workflows.c.tenant == tenant, workflows.c.name == name)
        query = query.order_by(workflow_versions.c.version.desc())
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Version(**row._mapping) for row in rows]

    async def delete(self, tenant: str, name: str) -> None:
        """Remove it with its versions; its runs stay, and go on. Raises `NotFound`."""
        mine = delete(workflows).where(workflows.c.tenant == tenant, workflows.c.name == name)
        if not await self._database.write(lambda connection: connection.execute(mine).rowcount):
            await self.get(tenant, name)
