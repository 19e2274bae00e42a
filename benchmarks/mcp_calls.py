"""What a tool's call over MCP costs: Guru's server beside FastMCP's and the official SDK's, with one client.

    PYTHON benchmarks/mcp_calls.py --guru GURU --models DIR [--fastmcp PYTHON] [--calls 300] [--rounds 3]

PYTHON is the interpreter of an environment with `mcp` and `psutil`: the client of the official SDK calls all three,
and its server is one of them. `--fastmcp` is that of another with `fastmcp`. GURU is the program, DIR a folder of
models that it needs not fetch (`models` in a home).

Each server runs with its defaults, and adds two numbers: the others with a function `add`, Guru with its calculator,
over `guru up` (which checks who asks, and writes traces) and `guru mcp serve` (which carries each message to it).
Rounds take turns, and the best of each counts. The processor's seconds are those of the server's processes: a busy
machine changes them least.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from mcp import Client, StdioServerParameters

SERVER = Path(__file__).with_name("mcp_server.py")
AT_ONCE = 16
ADD: tuple[str, dict[str, Any]] = ("add", {"a": 2, "b": 3})
CALCULATE: tuple[str, dict[str, Any]] = ("calculator", {"expression": "2 + 3"})
WAYS = {"HTTP": "auto", "HTTP, with a session (2025-11-25)": "legacy", "stdio": "auto"}


class Server:
    """One server: where it is over HTTP, how a client starts it, and the call that adds two numbers."""

    def __init__(self, url: str, command: list[str], environment: dict[str, str], call: tuple[str, dict[str, Any]]):
        self.url = url
        self.stdio = StdioServerParameters(command=command[0], args=command[1:], env=environment)
        self.call = call


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], url: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """A process that listens at an address. Raises `SystemExit` with what it wrote where it ends at once."""
    with log.open("w") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, env=environment, cwd=log.parent)
    try:
        while not answers(url):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextlib.contextmanager
def other(name: str, python: Path, folder: Path) -> Iterator[Server]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    port, command = free_port(), [str(python), "-P", str(SERVER), name]
    url = f"http://127.0.0.1:{port}/mcp"
    with running([*command, "http", str(port)], url, environment, folder / f"{name}.log"):
        yield Server(url, [*command, "stdio"], environment, ADD)


@contextlib.contextmanager
def guru(program: Path, models: Path, folder: Path) -> Iterator[Server]:
    home, port = folder / "home", free_port()
    home.mkdir(mode=0o700)
    (home / "models").symlink_to(models.absolute(), target_is_directory=True)
    environment = os.environ | {"GURU_HOME": str(home)}
    url = f"http://127.0.0.1:{port}"
    with running([str(program), "up", "--port", str(port)], f"{url}/readyz", environment, folder / "guru.log"):
        yield Server(f"{url}/mcp", [str(program), "mcp", "serve"], environment, CALCULATE)


async def measure(server: Server, way: str, calls: int) -> dict[str, float]:
    """Seconds of calls one after the other; calls a second with some at once; and the servers' processor for each."""
    name, arguments = server.call
    async with Client(server.stdio if way == "stdio" else server.url, mode=WAYS[way]) as client:

        async def call() -> None:
            result = await client.call_tool(name, arguments)
            assert result.content[0].text.startswith("5"), result  # type: ignore[union-attr]

        for _ in range(20):
            await call()
        used, took = processor(), []
        for _ in range(calls):
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)
        used, left = (processor() - used) / calls, iter(range(calls))
        began = time.perf_counter()

        async def some() -> None:
            for _ in left:
                await call()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        rate = calls / (time.perf_counter() - began)
    return {"median": statistics.median(took), "cpu": used, "rate": rate}


def processor() -> float:
    """Seconds that all processes which this one has started have used of the processor."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guru", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--fastmcp", type=Path)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {"Guru": stack.enter_context(guru(arguments.guru, arguments.models, folder))}
        servers["official SDK"] = stack.enter_context(other("mcp", Path(sys.executable), folder))
        if arguments.fastmcp:
            servers["FastMCP"] = stack.enter_context(other("fastmcp", arguments.fastmcp, folder))
        for _ in range(arguments.rounds):
            for way in WAYS:
                for name, server in servers.items():
                    found.setdefault((way, name), []).append(asyncio.run(measure(server, way, arguments.calls)))
    print(f"| | | ms a call, median | calls a second, {AT_ONCE} at once | CPU microseconds of the server a call |")
    print("|---|---|---|---|---|")
    for (way, name), rounds in found.items():
        best = [min(each["median"] for each in rounds) * 1e3, max(each["rate"] for each in rounds)]
        cpu = min(each["cpu"] for each in rounds) * 1e6
        print(f"| {way} | {name} | {best[0]:.2f} | {best[1]:,.0f} | {cpu:,.0f} |")


if __name__ == "__main__":
    main()
