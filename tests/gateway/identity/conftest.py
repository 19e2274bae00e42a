import pytest

from guru.config import Settings
from guru.gateway.identity import Changes, Directory, Sessions, local_owner
from guru.store.database import Database


class Place:
    """A database with a directory over it, and what an administrator does there."""

    def __init__(self, database, directory):
        self.database = database
        self.directory = directory
        self.changes = Changes(database, directory)
        self.owner = local_owner("admin", "tr")

    def call(self, token=None, route="chat.completions", *, trusted_local=False, **headers):
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if token is not None:
            sent.append((b"authorization", f"Bearer {token}".encode()))
        return self.directory.authenticate(sent, route, "tr_1", trusted_local=trusted_local)


@pytest.fixture
async def open_place(tmp_path):
    """Open another server's view of the same database."""
    opened = []

    async def open_place(settings=None, **options):
        database = Database.in_home(tmp_path)
        await database.open()
        directory = Directory(database, settings or Settings(), Sessions(b"s" * 32), **options)
        await directory.open()
        opened.append((database, directory))
        return Place(database, directory)

    yield open_place
    for database, directory in opened:
        await directory.close()
        await database.close()


@pytest.fixture
async def place(open_place):
    return await open_place()
