import pytest

from guru.prompts.files import to_file
from guru.prompts.library import Editor, Library
from scripted import WordEmbedder


class Log:
    """An audit log in memory."""

    def __init__(self):
        self.entries = []

    def __call__(self, connection, action, subject, *, before, after):
        self.entries.append((action, subject, before, after))


class Desk:
    """A library on a real database, and those who change it."""

    def __init__(self, stores, home):
        self.stores, self.home = stores, home
        self.log = Log()
        self._databases = []

    async def open(self):
        """Another server's library over the same rows."""
        database = self.stores.database(self.home)
        self._databases.append(database)
        await database.open()
        return Library(database, WordEmbedder(), protected=frozenset({"prod"}))

    async def close(self):
        for database in self._databases:
            await database.close()

    def editor(self, name="ann", *, admin=False):
        return Editor(name, self.log, admin=admin)

    @staticmethod
    def define(content="Answer {{ question }}.", **more):
        """A prompt of one message; its variable is a text unless `more` says otherwise."""
        plain = {"messages": [{"role": "user", "content": content}], "variables": {"question": {}}}
        return to_file(plain | more).definition()


@pytest.fixture
def define():
    """`Desk.define`, where no database is wanted."""
    return Desk.define


@pytest.fixture
async def desk(stores, tmp_path):
    desk = Desk(stores, tmp_path)
    yield desk
    await desk.close()


@pytest.fixture
async def prompts(desk):
    return (await desk.open()).of("local")
