"""A server that is a program, which speaks over its standard streams: one message a line.

It gets only the variables that a program needs to find its files, and those of the configuration: no secrets of ours.
It is a group of processes of its own, and ends with us.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from guru.agents.mcp import messages
from guru.agents.mcp.client.channel import Hear, NeverSent, ServerGone
from guru.agents.mcp.client.http import MOST_BYTES
from guru.agents.mcp.messages import Answer, Id
from guru.agents.mcp.protocol import McpError
from guru.types import JSON

INHERITED: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")
GRACE: Final = 2.0
"""Seconds that a program has to end by itself."""
LAST_WORDS: Final = 0.5
"""Seconds in which a program that has ended is heard out."""
log = logging.getLogger(__name__)


class StdioChannel:
    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: str | None = None) -> None:
        self._command = list(command)
        self._env = {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(env)
        self._cwd = cwd
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[Id, asyncio.Future[Answer]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False
        """Whether it says nothing any more."""
        self._said: deque[str] = deque(maxlen=20)
        """The last lines of its standard error."""

    cancels_by_closing = False

    async def open(self, hear: Hear) -> None:
        pipe = asyncio.subprocess.PIPE
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self._env, cwd=self._cwd,
                limit=MOST_BYTES, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ServerGone(
                f"{self._command[0]} cannot be started: {error}.", hint="Correct [mcp.servers.NAME] command."
            ) from None
        self._tasks = [asyncio.create_task(self._read(hear)), asyncio.create_task(self._overhear())]

    def agreed(self, revision: str) -> None:
        """Nothing more is said of it: there are no headers."""

    async def request(self, message: JSON, headers: dict[str, str], hear: Hear) -> Answer:
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = waiting
        try:
            await self.send(message, headers)
            return await waiting
        finally:
            del self._waiting[message["id"]]

    async def send(self, message: JSON, headers: dict[str, str]) -> None:
        process = self._process
        if process is None or process.stdin is None or self._ended:
            raise NeverSent(self._gone().message, hint="It is started anew.")
        try:
            process.stdin.write(messages.encode(message) + b"\n")
            await process.stdin.drain()
        except (ConnectionError, RuntimeError):
            raise self._gone() from None

    async def listen(self, hear: Hear, begun: asyncio.Event) -> None:
        """Everything is heard on the one channel there is."""
        begun.set()

    async def aclose(self) -> None:
        """Close its input, and end it when it does not end by itself."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError, RuntimeError):
            assert process.stdin is not None
            process.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            try:
                async with asyncio.timeout(GRACE):
                    await process.wait()
                    break
            except TimeoutError:
                continue
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ----------------------------------------------------------------------- reading

    async def _read(self, hear: Hear) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                await self._hear(line, hear)
        except ValueError:
            log.warning("an MCP server wrote a line of more than %d MiB", MOST_BYTES >> 20)
        finally:
            self._ended = True
            try:
                await asyncio.wait(self._tasks[1:], timeout=LAST_WORDS)
            finally:  # also where the channel is closed at this moment
                for waiting in self._waiting.values():
                    if not waiting.done():
                        waiting.set_exception(self._gone())

    async def _hear(self, line: bytes, hear: Hear) -> None:
        if not line.strip():
            return
        try:
            message = messages.decode(line)
        except McpError:
            log.warning("an MCP server wrote what is no message to its output: %.200r", line)
            return
        if not isinstance(message, Answer):
            await hear(message)
        elif message.id is not None and (waiting := self._waiting.get(message.id)) and not waiting.done():
            waiting.set_result(message)

    async def _overhear(self) -> None:
        """Its standard error is for people: the last of it is shown when it ends."""
        assert self._process is not None
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(4096):
            self._said.extend(chunk.decode("utf-8", "replace").splitlines()[-20:])

    def _gone(self) -> ServerGone:
        said = " ".join(self._said)[-500:]
        message = f"{self._command[0]} has ended."
        return ServerGone(message, hint=f"It said: {said}" if said else "It said nothing. Start it by hand to see why.")
