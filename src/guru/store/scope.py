"""Which rows somebody sees: those of one organisation, and in it those of one person or of all."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, and_


class Scope(Struct, frozen=True):
    """Every query for what people own is put within one."""

    tenant: str
    owners: tuple[str, ...] | None = None
    """The names under which the person owns things: `user:ann`, `key:key_…` or `owner`. None: what anybody owns."""
    teams: tuple[str, ...] = ()
    """The teams that the person is of, as `team:legal`: what is shared with a team is seen by it, not owned."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Every name that things can be shared with the person under. None: all that there is may be seen."""
        return None if self.owners is None else (*self.owners, *self.teams)

    def of(self, table: Table) -> ColumnElement[bool]:
        """The condition on a table with the columns `tenant` and `owner`."""
        mine: ColumnElement[bool] = table.c.tenant == self.tenant
        return mine if self.owners is None else and_(mine, table.c.owner.in_(self.owners))
