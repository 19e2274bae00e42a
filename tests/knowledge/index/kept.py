"""The index of PostgreSQL, kept by the test and not by the clock: every other search finds it behind."""

import pytest

from guru.knowledge.index.postgresql.index import PostgreSQLIndex
from guru.knowledge.index.postgresql.schema import make_extension, make_tables


class KeptIndex(PostgreSQLIndex):
    graph_from = 20_000

    def __init__(self, database):
        if not database.dialect.SEVERAL_WRITERS:
            pytest.skip("pgvector is for PostgreSQL")
        super().__init__(database, graph_from=self.graph_from)
        with database.transaction("alone") as connection:
            make_extension(connection)
            make_tables(connection)
        self.asked = 0

    async def look_ahead(self, scope, name, wanted):
        self.asked += 1
        if self.asked % 2:
            await self.keeper.work()


class GraphIndex(KeptIndex):
    """Every collection has a graph, and every search goes through it."""

    graph_from = 1
