import pytest

from agents.workflows.rig import open_shop
from guru.store.database import Database


@pytest.fixture
async def database(tmp_path):
    database = Database.in_home(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def shop(database):
    async with open_shop(database) as running:
        yield running


@pytest.fixture
async def each_database(stores, tmp_path):
    """SQLite and PostgreSQL."""
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def each_shop(each_database):
    async with open_shop(each_database) as running:
        yield running
