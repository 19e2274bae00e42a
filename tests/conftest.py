"""What all tests share: one real server with the sample documents, for those that only read."""

import gc
import os
import signal
import warnings

import pytest
from hypothesis import settings

from databases import PostgreSQL, Stores, running_postgresql
from running import make_home, serving

# What a shell starts in the background is born deaf to Ctrl-C, and so are its children: the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Its workers are told of a terminal of 80 columns. There is none, and commands write as wide as they like.
os.environ.pop("COLUMNS", None)

# No test asserts a time: on a busy machine a quick example may be slow.
settings.register_profile("guru", settings(), deadline=None)
settings.load_profile("guru")


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    """What the tests of another file left for the garbage collector is not taken for a leak of this one's.

    What is alive now will stay: not looking through all of it again makes each collection in a test ten times as fast.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sample_server(tmp_path_factory):
    """`guru up --samples` in a new home."""
    home = make_home(tmp_path_factory.mktemp("home") / "guru")
    with serving(home, "--samples") as server:
        yield server


@pytest.fixture
def home(tmp_path):
    """A new home with the default models and no documents."""
    return make_home(tmp_path / "guru")


@pytest.fixture(scope="session")
def postgresql():
    """A real PostgreSQL, started when the first test wants it."""
    with running_postgresql() as url:
        yield PostgreSQL(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request):
    """Databases of homes. A test that takes it, or what is made of it, runs on SQLite and on PostgreSQL."""
    stores = Stores(request.getfixturevalue("postgresql") if request.param == "postgresql" else None)
    yield stores
    stores.close()
