"""Python that models write, run in a process that reaches nothing: see `locked.py` for what holds it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from guru.agents.tools.base import ToolResult
from guru.agents.tools.function import FunctionTool
from guru.config import PythonToolSettings
from guru.errors import ConfigurationError, InvalidParameter

SCRIPT: Final = Path(__file__).with_name("locked.py")
LOCKED: Final = b"locked\n"
"""What the process says once it is locked. Before that it is not sent the code."""
MAX_CODE: Final = 100_000
PIECE: Final = 16 << 10


class Ran(Struct):
    """What came of some code."""

    output: str
    status: int | None
    """0: it ended well; None: it was stopped, see `stopped`."""
    stopped: str | None = None
    """Why, in words."""


class Sandbox:
    """Runs Python, each piece of code in a process of its own that is locked before it reads the code."""

    def __init__(self, settings: PythonToolSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(settings.at_once)

    async def run(self, code: str) -> Ran:
        """What the code printed. Raises `ConfigurationError` where this machine cannot isolate, and runs nothing."""
        if sys.platform != "linux":
            raise cannot(f"Linux is wanted, this is {sys.platform}")
        if len(code) > MAX_CODE:
            raise InvalidParameter(f"The code is longer than {MAX_CODE:,} characters.", hint="Write less.")
        async with self._turns:
            process = await self._start()
            try:
                return await self._follow(process, code.encode("utf-8", "replace"))
            finally:
                await end(process)

    async def _start(self) -> Process:
        limits = {"memory": self._settings.memory_mb << 20, "cpu": int(self._settings.timeout_seconds) + 1}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-B", "-u", "-X", "utf8", str(SCRIPT), json.dumps(limits),
            stdin=PIPE, stdout=PIPE, stderr=STDOUT, env={}, cwd="/", start_new_session=True,
        )  # fmt: skip

    async def _follow(self, process: Process, code: bytes) -> Ran:
        output = bytearray()
        most, seconds = self._settings.output_kb << 10, self._settings.timeout_seconds
        stopped = None
        try:
            async with asyncio.timeout(seconds):
                await self._exchange(process, code, output, most)
        except TimeoutError:
            stopped = f"It was stopped after {seconds:g} seconds."
        if len(output) > most:
            stopped = f"It was stopped after it had printed {self._settings.output_kb} KB."
        text = bytes(output[:most]).decode("utf-8", "replace")
        if stopped is not None:
            return Ran(text, None, stopped)
        status = await process.wait()
        if status < 0:
            return Ran(text, None, f"Its process died ({signal_name(-status)}): perhaps it took too much memory.")
        return Ran(text, status)

    @staticmethod
    async def _exchange(process: Process, code: bytes, output: bytearray, most: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        if (said := await process.stdout.readline()) != LOCKED:
            said += await process.stdout.read(PIECE)
            raise cannot(said.decode("utf-8", "replace").strip().rpartition("\n")[2] or "its process does not start")
        try:
            process.stdin.write(code)
            await process.stdin.drain()
            process.stdin.close()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ended before it had read the code; its output says why
        while len(output) <= most and (piece := await process.stdout.read(PIECE)):
            output += piece
        if len(output) <= most:
            await process.wait()


async def end(process: Process) -> None:
    """Kill it if it runs, and wait until it is gone. A cancellation meanwhile leaves nothing behind."""
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            pass
        await asyncio.shield(gone(process))


async def gone(process: Process) -> None:
    """Wait until it has ended: which it has for asyncio only when its output was read, and that is paused when full."""
    assert process.stdout is not None
    while await process.stdout.read(PIECE):
        pass
    await process.wait()


def cannot(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"This machine cannot isolate Python: {why}.",
        hint="It takes Linux on x86-64 or ARM64 with seccomp filters. Take [tools.python] out of the configuration.",
    )


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def python_tool(settings: PythonToolSettings) -> FunctionTool:
    """The tool that runs code."""
    sandbox = Sandbox(settings)

    async def run_python(
        code: Annotated[str, Meta(description="Python. What it prints is the result, and the value of its last line.")],
    ) -> ToolResult:
        """Run Python 3 to compute something. There are no files, no network, no processes and no packages, only
        modules of the standard library that compute; nothing is kept between calls.
        """
        ran = await sandbox.run(code)
        parts = [ran.output.rstrip(), ran.stopped, f"It ended with status {ran.status}." if ran.status else None]
        text = "\n".join(part for part in parts if part) or "It printed nothing. Print what you want to see."
        data = {"output": ran.output, "status": ran.status}
        return ToolResult(text=text, data=data, failed=ran.status != 0)

    return FunctionTool(run_python, timeout=settings.timeout_seconds * 2 + 30)  # the process is stopped sooner
