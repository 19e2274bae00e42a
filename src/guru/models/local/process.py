"""One life of a worker process, seen from the server: frames out, frames in, and its death."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Literal

from guru.errors import BadRequest, ContextTooLong, GuruError, InvalidParameter, ModelError, ModelUnavailable
from guru.models.local import protocol
from guru.models.local.protocol import (
    Admitted,
    Cancel,
    Chunk,
    Configure,
    End,
    Failed,
    FromWorker,
    Ping,
    Pong,
    Ready,
    Refused,
    Run,
    ToWorker,
    WorkerSettings,
)  # fmt: skip

PING_SECONDS = 2.0
STDERR_LINES = 30

Reply = Admitted | Chunk
Queue = asyncio.Queue[Reply | GuruError | None]


class WorkerProcess:
    """A running worker. Make one with `start`; when `alive` is false, make another."""

    def __init__(
        self,
        settings: WorkerSettings,
        process: asyncio.subprocess.Process,
        scratch: tempfile.TemporaryDirectory[str],
    ) -> None:
        self.settings = settings
        self.pid = process.pid
        self.last_used = time.monotonic()
        self._process = process
        self._scratch = scratch
        self._numbers = itertools.count(1)
        self._requests: dict[int, Queue] = {}
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._heard = time.monotonic()
        self._progressed = time.monotonic()
        self._death: GuruError | None = None
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, settings: WorkerSettings, *, load_timeout: float, silence_timeout: float, stall_timeout: float
    ) -> WorkerProcess:
        """Start a worker and load the model. Raises `ModelError` when it does not load, all timeouts in seconds.

        A worker that answers no ping for `silence_timeout`, or makes no progress on its requests for `stall_timeout`,
        is killed.
        """
        # The worker's socket lies here, so that it goes even when the worker is killed.
        scratch = tempfile.TemporaryDirectory(prefix="guru-", ignore_cleanup_errors=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "guru.models.local.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=_environment() | {"TMPDIR": scratch.name}, start_new_session=True,
        )  # fmt: skip
        worker = cls(settings, process, scratch)
        worker._tasks = [
            asyncio.create_task(worker._read_frames()),
            asyncio.create_task(worker._read_stderr()),
        ]
        try:
            worker._send(Configure(settings))
            async with asyncio.timeout(load_timeout):
                await asyncio.shield(worker._ready)
        except TimeoutError:
            await worker.kill()
            message = f"{settings.name} did not load within {load_timeout:.0f} s."
            raise ModelError(message, hint="Is the machine short of memory? Try a smaller model.") from None
        except BaseException:
            await worker.kill()
            raise
        worker._tasks.append(asyncio.create_task(worker._watch(silence_timeout, stall_timeout)))
        return worker

    @property
    def alive(self) -> bool:
        return self._death is None

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    async def run(self, kind: Literal["chat", "text"], body: dict[str, Any]) -> AsyncGenerator[Reply, None]:
        """Run one request: `Admitted` when it gets a slot, then chunks. Closing the iterator cancels it.

        Raises `BadRequest` and its children for a wrong request, `ModelUnavailable` when the worker dies on the way.
        """
        number, queue = next(self._numbers), Queue()
        if self._death is not None:
            raise self._death
        if not self._requests:
            self._progressed = time.monotonic()
        self._requests[number] = queue
        finished = False
        try:
            self._send(Run(number, kind, body))
            while (reply := await queue.get()) is not None:
                if isinstance(reply, GuruError):
                    raise reply
                yield reply
            finished = True
        finally:
            self.last_used = time.monotonic()
            if not finished and number in self._requests and self.alive:
                self._send(Cancel(number))

    async def kill(self) -> None:
        """End the process now. Its requests fail with `ModelUnavailable`."""
        # Said first: the reader notices the end of the process too, and would call it a crash.
        self._die(f"{self.settings.name} was stopped.")
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        await asyncio.gather(*(task for task in self._tasks if task is not current), return_exceptions=True)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _send(self, message: ToWorker) -> None:
        """Put a frame into the pipe's buffer. A dead pipe is noticed by the reader."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(protocol.encode(message))

    async def _read_frames(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                header = await self._process.stdout.readexactly(protocol.HEADER)
                size = int.from_bytes(header, "little")
                if size > protocol.MAX_FRAME:
                    raise ValueError(f"a frame of {size} bytes")
                self._receive(protocol.decode_from_worker(await self._process.stdout.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self._process.wait()
            await asyncio.sleep(0)
            self._die(f"The worker of {self.settings.name} ended ({_describe_status(status)}).")
        except ValueError as error:
            self._die(f"The worker of {self.settings.name} sent garbage: {error}.")
            self._process.kill()

    def _receive(self, message: FromWorker) -> None:
        self._heard = time.monotonic()
        match message:
            case Ready():
                self._ready.set_result(message)
            case Failed(reason):
                error = ModelError(f"{self.settings.name} cannot be loaded: {reason}", hint=self._load_hint())
                self._ready.set_exception(error)
            case Pong():
                return
            case Admitted(id) | Chunk(id):
                if queue := self._requests.get(id):
                    queue.put_nowait(message)
            case Refused(id):
                if queue := self._requests.get(id):
                    queue.put_nowait(_error_of(message, self.settings))
            case End(id):
                if queue := self._requests.pop(id, None):
                    queue.put_nowait(None)
        self._progressed = self._heard

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self._stderr.append(line.decode("utf-8", "replace").rstrip())

    async def _watch(self, silence: float, stall: float) -> None:
        """Ping; kill a worker that is silent, or stuck in its requests."""
        for number in itertools.count(1):
            self._send(Ping(number))
            await asyncio.sleep(min(PING_SECONDS, silence / 3))
            now = time.monotonic()
            if now - self._heard > silence:
                reason = f"did not answer for {silence:.0f} s"
            elif self.busy and now - self._progressed > stall:
                reason = f"made no progress for {stall:.0f} s"
            else:
                continue
            self._die(f"The worker of {self.settings.name} {reason} and was killed.")
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            return

    def _die(self, reason: str) -> None:
        """Fail everything in flight, once."""
        if self._death is not None:
            return
        log = self.last_words()
        message = f"{reason} Its last words: {log}" if log else reason
        self._scratch.cleanup()
        self._death = ModelUnavailable(message, hint="The request can be sent again: the worker is restarted.")
        if not self._ready.done():
            self._ready.set_exception(ModelError(message, hint=self._load_hint()))
            self._ready.exception()
        requests, self._requests = self._requests, {}
        for queue in requests.values():
            queue.put_nowait(self._death)

    def last_words(self) -> str:
        """The last lines that llama.cpp wrote on stderr."""
        return " / ".join(line for line in list(self._stderr)[-3:] if line)

    def _load_hint(self) -> str:
        log = self.last_words()
        hint = "The file may be broken or too new for this llama.cpp: remove the model and pull it again."
        return f"{hint} llama.cpp said: {log}" if log else hint


def _environment() -> dict[str, str]:
    """The worker gets no secrets of ours, and finds the package where we found it."""
    environment = {name: value for name, value in os.environ.items() if not _is_secret(name)}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


def _is_secret(name: str) -> bool:
    return any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD"))


def _describe_status(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _error_of(refused: Refused, settings: WorkerSettings) -> GuruError:
    match refused.reason:
        case "context":
            hint = f"Shorten the prompt, or load {settings.name} with a longer context."
            return ContextTooLong(refused.message, hint=hint, param="messages")
        case "invalid" if refused.param is not None:
            return InvalidParameter(refused.message, param=refused.param)
        case "invalid":
            return BadRequest(refused.message)
        case "busy":
            return ModelUnavailable(refused.message, hint="Send the request again.")
        case "model":
            return ModelError(f"{settings.name}: {refused.message}")
