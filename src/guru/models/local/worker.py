"""The llama.cpp worker process: `python -m guru.models.local.worker`, frames on stdin and stdout, logs on stderr.

It is a fresh process, never a fork, because a fork of a process with a loaded model hangs. It ends with its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from guru.models.local import protocol
from guru.models.local.engine import Engine
from guru.models.local.protocol import Cancel, Configure, End, Failed, FromWorker, Ping, Pong, Ready, Run

PR_SET_PDEATHSIG = 1
MAX_REQUESTS = 256
"""Requests held at once, most of them waiting for a slot."""


class Worker:
    """Reads frames on the main thread, which therefore answers pings while requests run on theirs."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()
        self._cancelled: dict[int, threading.Event] = {}
        self._executor = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix="request")
        self._engine: Engine | None = None

    def serve(self) -> None:
        """Handle frames until the pipe ends."""
        while (message := self._read()) is not None:
            match message:
                case Configure(settings):
                    self._load(settings)
                case Run():
                    self._start(message)
                case Cancel(id):
                    self._cancel(id)
                case Ping(number):
                    self._emit(Pong(number))
        if self._engine is not None:
            self._engine.close()

    def _load(self, settings: protocol.WorkerSettings) -> None:
        began = time.monotonic()
        try:
            self._engine = Engine(settings)
        except Exception as error:
            self._emit(Failed(str(error) or type(error).__name__))
        else:
            self._emit(Ready(settings.context_length, settings.slots, time.monotonic() - began))

    def _start(self, request: Run) -> None:
        cancelled = self._cancelled[request.id] = threading.Event()
        self._executor.submit(self._run, request, cancelled)

    def _run(self, request: Run, cancelled: threading.Event) -> None:
        try:
            if self._engine is not None and not cancelled.is_set():
                self._engine.run(request, self._emit, cancelled)
        finally:
            self._cancelled.pop(request.id, None)
            self._emit(End(request.id))

    def _cancel(self, id: int) -> None:
        if cancelled := self._cancelled.get(id):
            cancelled.set()
            if self._engine is not None:
                self._engine.wake()

    def _emit(self, message: FromWorker) -> None:
        frame = protocol.encode(message)
        with self._writing:
            self._sink.write(frame)
            self._sink.flush()

    def _read(self) -> protocol.ToWorker | None:
        header = self._source.read(protocol.HEADER)
        if len(header) < protocol.HEADER:
            return None
        message: protocol.ToWorker = protocol.decode_to_worker(self._source.read(int.from_bytes(header, "little")))
        return message


def die_with_parent() -> None:
    """Ask Linux to kill this process with its parent, for the case that the pipe stays open in somebody's hands."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def take_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for frames alone: whatever native code prints goes to stderr."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, sink


def main() -> None:
    # OpenMP's threads spin while they wait; beside another busy process that costs most of the speed.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    source, sink = take_stdio()
    Worker(source, sink).serve()
    # Threads inside llama.cpp would keep a normal exit waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
