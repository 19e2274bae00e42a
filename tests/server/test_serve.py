"""The server as a process: its lock, its address, its end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest

from guru.config import ServerSettings, Settings
from guru.errors import ConfigurationError, Conflict
from guru.server.serve import listen, serve, serve_unix

SERVE = """
import sys
from pathlib import Path
from guru.config import ServerSettings, Settings
from guru.server.serve import serve

settings = Settings(server=ServerSettings(port=0))
serve(Path(sys.argv[1]), settings, on_ready=lambda url: print(url, flush=True))
"""


@pytest.fixture
def started(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SERVE, tmp_path], stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    yield process, url
    process.kill()
    process.communicate()


def test_a_server_says_where_it_is_and_takes_it_back(started, tmp_path):
    process, url = started
    record = json.loads((tmp_path / "server.json").read_text())
    assert (record["pid"], record["url"], len(record["secret"])) == (process.pid, url, 43)
    assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert not (tmp_path / "server.json").exists()
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_second_server_on_one_home_is_refused(started, tmp_path):
    with pytest.raises(Conflict, match="runs on"):
        serve(tmp_path, Settings(server=ServerSettings(port=0)))


def test_a_home_is_free_again_after_a_kill(started, tmp_path):
    process, _ = started
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = subprocess.Popen([sys.executable, "-c", SERVE, tmp_path], stdout=subprocess.PIPE, text=True)
    assert again.stdout.readline().startswith("http://127.0.0.1:")
    again.kill()
    again.communicate()


def test_a_port_in_use_is_explained(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1 cannot be used") as raised:
            serve(tmp_path, Settings(server=ServerSettings(port=port)))
    assert "--port" in raised.value.hint


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_an_address_of_another_machine_is_explained(host):
    with pytest.raises(ConfigurationError, match=f"on {host} cannot be used") as raised:
        listen(host, 0)
    assert "--host" in raised.value.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "guru.example"])
def test_an_address_that_others_reach_is_refused(tmp_path, host):
    with pytest.raises(ConfigurationError, match="does not listen on") as raised:
        serve(tmp_path, Settings(server=ServerSettings(host=host)))
    assert "guru keys create" in raised.value.hint
    assert "127.0.0.1" in raised.value.hint


def test_an_open_address_cannot_do_without_keys(tmp_path):
    settings = Settings(server=ServerSettings(host="0.0.0.0", require_key=False))
    with pytest.raises(ConfigurationError, match="require_key is false"):
        serve(tmp_path, settings)


async def test_one_command_is_served_on_a_private_socket(tmp_path):
    path = tmp_path / "socket"
    async with serve_unix(path, home=tmp_path / "home", settings=Settings()):
        assert path.stat().st_mode & 0o777 == 0o600
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.post("http://guru/api/v1/collections", json={"name": "notes"}) as response:
                assert response.status == 201
            async with session.get("http://guru/readyz") as response:
                assert (await response.json())["ready"] is True
    assert not path.exists()
    assert asyncio.get_running_loop().is_running()
