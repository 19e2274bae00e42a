"""What must hold of a home at every moment, however its processes ended."""

import hashlib
import os
import random
import sqlite3
import time
from contextlib import closing

import psutil
import pytest


@pytest.fixture
def runs():
    """How often each test kills. Each time at another moment, so what three miss another day's three may find."""
    return int(os.environ.get("GURU_CRASH_RUNS", "3"))


@pytest.fixture
def chance():
    """Random numbers; the seed is printed when a test fails, and can be given back as GURU_CRASH_SEED."""
    seed = int(os.environ.get("GURU_CRASH_SEED", random.SystemRandom().randrange(10**9)))
    print(f"GURU_CRASH_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def assert_sound():
    """A function that reads the store without Guru's help, and asserts that it is whole."""
    return check_store


def check_store(home):
    with closing(sqlite3.connect(home / "guru.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = connection.execute(
            "SELECT d.name, d.chunks, d.content_hash, count(c.id), count(DISTINCT c.ordinal), min(c.ordinal),"
            " max(c.ordinal), (SELECT count(*) FROM document_texts t WHERE t.document_id = d.id)"
            " FROM documents d LEFT JOIN chunks c ON c.document_id = d.id GROUP BY d.id"
        ).fetchall()
    for name, said, digest, stored, distinct, first, last, texts in rows:
        assert (stored, distinct, first, last, texts) == (said, said, 0, said - 1, 1), name
        blob = home / "blobs" / digest[:2] / digest
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == digest, name


def family(pid):
    """The processes that `pid` has started, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def assert_gone(processes, seconds=15):
    """A worker whose server is gone ends by itself."""
    end = time.monotonic() + seconds
    while left := [process for process in processes if is_alive(process)]:
        assert time.monotonic() < end, f"still there: {[' '.join(process.cmdline()) for process in left]}"
        time.sleep(0.05)


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def watched_kill():
    """A function that kills a process, with its group or alone, and sees that its children end too."""

    def kill(process, *, group):
        children = family(process.pid)
        if group:
            os.killpg(process.pid, 9)
        else:
            process.kill()
        process.wait()
        assert_gone(children)

    return kill
