"""What a person sees when a command cannot work here: one message with what to do, and status 1."""

import errno
import shutil
import sqlite3

import pytest

from guru.cli.main import explain
from guru.config import Settings
from guru.errors import StoreError
from guru.store.database import Database
from running import run
from scripted import TestModels, run_server


def failed(home, *arguments):
    result = run(home, *arguments, check=False)
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    shown = failed(tmp_path / "file" / "home", "up", "--port", "0")
    assert f"{tmp_path / 'file' / 'home'}: Not a directory." in shown
    assert "--home" in shown


def test_a_lock_that_cannot_be_taken_is_named(tmp_path):
    (tmp_path / "server.lock").mkdir()
    assert f"{tmp_path / 'server.lock'}: Is a directory." in failed(tmp_path, "up", "--port", "0")


def test_a_database_that_is_none_is_named(tmp_path):
    (tmp_path / "guru.db").write_bytes(b"not a database, " * 1000)
    for command in (("up", "--port", "0"), ("collections",)):
        shown = failed(tmp_path, *command)
        assert str(tmp_path / "guru.db") in shown
        assert "not a database" in shown


def test_a_database_damaged_inside_is_named(tmp_path):
    home = tmp_path / "home"
    run(home, "collections")
    with sqlite3.connect(home / "guru.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray((home / "guru.db").read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    (home / "guru.db").write_bytes(data)
    assert str(home / "guru.db") in failed(home, "up", "--port", "0")


def test_a_file_that_is_not_utf_8_toml_is_named(tmp_path):
    (tmp_path / "guru.toml").write_bytes(b'[server]\nhost = "\xff"\n')
    assert f"{tmp_path / 'guru.toml'} is not valid TOML" in failed(tmp_path, "up", "--config", tmp_path / "guru.toml")


def test_a_variable_that_is_not_set_is_named_with_its_place(tmp_path):
    (tmp_path / "guru.toml").write_text('[providers.openai]\napi_key = "env:NOT_SET_ANYWHERE"\n')
    shown = failed(tmp_path, "up", "--config", tmp_path / "guru.toml")
    assert "providers.openai.api_key" in shown
    assert "NOT_SET_ANYWHERE" in shown
    assert "export NOT_SET_ANYWHERE=" in shown


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR])
def test_what_the_system_refuses_names_the_file(number):
    shown = explain(OSError(number, "Refused", "/some/where"))
    assert shown is not None
    assert shown.message == "/some/where: Refused."
    assert shown.hint


def test_a_full_disk_needs_no_name():
    shown = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert shown is not None
    assert "No space left on device" in shown.message
    assert "Free some" in shown.hint


@pytest.mark.parametrize("error", [OSError("odd"), OSError(errno.EBADF, "Bad file descriptor")])
def test_a_mistake_of_ours_is_no_refusal_of_the_system(error):
    assert explain(error) is None


async def test_a_bug_at_the_start_comes_out_as_it_is(tmp_path):
    class Broken(TestModels):
        def embedder(self, name):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        async with run_server(tmp_path, models=Broken()):
            pass


async def test_the_system_s_refusal_at_the_start_comes_out_as_it_is(tmp_path):
    (tmp_path / "journal").write_text("a file where a folder belongs")
    with pytest.raises(FileExistsError):
        async with run_server(tmp_path, Settings()):
            pass


async def test_a_full_disk_is_a_store_error_that_says_so(tmp_path):
    database = Database.in_home(tmp_path)
    await database.open()

    def fill(connection):
        connection.exec_driver_sql("CREATE TABLE filler (data BLOB)")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(1000000))")

    try:
        with pytest.raises(StoreError, match="full") as raised:
            await database.write(fill)
        assert "free" in raised.value.hint.lower()
    finally:
        await database.close()
        shutil.rmtree(tmp_path)
