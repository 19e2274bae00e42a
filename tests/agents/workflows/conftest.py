import pytest

from agents.workflows.rig import open_shop


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def shop(database):
    async with open_shop(database) as running:
        yield running
