"""What all tests share: one real server with the sample documents, for those that only read."""

import signal

import pytest

from running import make_home, serving

# What a shell starts in the background is born deaf to Ctrl-C, and so are its children: the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
