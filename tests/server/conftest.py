import pytest

from scripted import run_server


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        yield running
