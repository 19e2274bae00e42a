"""Workers on a Ray cluster (https://docs.ray.io): one actor for each core, each doing one step at a time.

Guru stays the one that reads and writes: the cluster sees bytes of files and texts, and gives back documents and
vectors. An actor that dies with its machine is started elsewhere by Ray and its step runs again; what is stored is
decided here, in one transaction for each document.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guru import __version__
from guru.errors import ConfigurationError, Conflict, GuruError, ModelUnavailable
from guru.knowledge.parse import ParsedDocument
from guru.knowledge.parse.archive import Member
from guru.knowledge.parse.sitemap import Sitemap
from guru.knowledge.workers import Parser, Workers
from guru.models.local.embedder import MiniLMEmbedder
from guru.protocols import Embedder
from guru.server.cluster.steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guru.config import KnowledgeSettings

LOCAL: Final = "local"
"""The address that means the cores of this machine."""
PIECE: Final = range(8, 65)
"""How few and how many texts one worker embeds at a time."""
RETRIES: Final = 3
"""How often a worker is started again, and its step run again, when it dies."""
JOIN_SECONDS: Final = 120.0
CONNECT_SECONDS: Final = 5.0


class RayCluster:
    """Opens workers on Ray. A process is part of one cluster at a time, and its jobs share the workers there."""

    def __init__(self, parser: Parser, settings: KnowledgeSettings) -> None:
        """`parser` does what stays on this machine: archives and sitemaps."""
        self._parser = parser
        self._settings = settings
        self._lock = asyncio.Lock()
        self._address = ""
        self._users = 0
        self._workers: RayWorkers | None = None

    @asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[Workers]:
        """The workers of the cluster at `address`, such as `10.0.0.5:6379` or `ray://10.0.0.5:10001`, or of this
        machine's cores where it is `local`. They end with the context.

        Raises `ConfigurationError` without Ray or with nodes of another version, `Conflict` while another cluster is
        used, `ModelUnavailable` when it does not answer or has no core to give.
        """
        async with self._lock:
            if self._workers is not None and address != self._address:
                raise Conflict(
                    f"Another job runs on the cluster at {self._address}.", hint="Wait for it, or name the same one."
                )
            if self._workers is None:
                self._workers = await self._start(address)
                self._address = address
            self._users += 1
            workers = self._workers
        try:
            yield workers
        finally:
            await asyncio.shield(self._leave())

    async def _start(self, address: str) -> RayWorkers:
        await asyncio.to_thread(join, address)
        try:
            workers = RayWorkers(start_actors(self._settings), self._parser)
            await workers.first()
        except BaseException:
            await asyncio.shield(asyncio.to_thread(import_ray().shutdown))
            raise
        return workers

    async def _leave(self) -> None:
        async with self._lock:
            self._users -= 1
            if not self._users and self._workers is not None:
                workers, self._workers = self._workers, None
                await workers.aclose()
                await asyncio.to_thread(import_ray().shutdown)


def import_ray() -> Any:
    """Ray, which is an extra. Raises `ConfigurationError`."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray 2.60 warns about a default that will change
    try:
        import ray
    except ImportError:
        raise ConfigurationError("Ray is not installed.", hint="Run: pip install 'guru[ray]'") from None
    return ray


def join(address: str) -> None:
    """Make this process part of a cluster. Blocks for some seconds. Raises `ModelUnavailable`."""
    ray = import_ray()
    check_reachable(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, num_cpus=os.cpu_count(), **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise cannot_join(address, error) from None


def check_reachable(address: str) -> None:
    """Raises `ModelUnavailable` where nobody listens: Ray itself tries for minutes, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():  # `local`, `auto`: Ray knows where
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise cannot_join(address, error) from None


def cannot_join(address: str, error: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        f"The Ray cluster at {address} cannot be joined: {error}", hint="Is it running? Try: ray status"
    )


def start_actors(settings: KnowledgeSettings) -> list[Any]:
    """One for each core of the cluster; each begins to work when the cluster has its core to give."""
    ray = import_ray()
    kind = ray.remote(num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES)(Steps)
    return [kind.remote(settings) for _ in range(max(1, int(ray.cluster_resources().get("CPU", 1))))]


class RayWorkers:
    """Implements `guru.knowledge.workers.Workers` with actors that run `Steps`."""

    def __init__(self, actors: Sequence[Any], parser: Parser) -> None:
        self.count = len(actors)
        self._actors = actors
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        self._joining = [asyncio.create_task(self._welcome(actor)) for actor in actors]
        self.parser: Parser = RayParser(self._step, parser)

    async def first(self) -> None:
        """Wait for one that can work. Raises `ConfigurationError`, `ModelUnavailable`."""
        waiting = set(self._joining)
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                while waiting:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    failed = [error for task in done if (error := task.exception()) is not None]
                    if len(failed) < len(done):
                        return
                raise failed[0]
        except BaseException as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                message = "The Ray cluster has no core to give."
                raise ModelUnavailable(message, hint="Is it busy? Try: ray status") from None
            raise

    async def aclose(self) -> None:
        """End the actors, whatever they are doing."""
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        for actor in self._actors:
            import_ray().kill(actor)

    async def _welcome(self, actor: Any) -> None:
        with translated():
            version = await actor.version.remote()
        if version != __version__:
            raise ConfigurationError(
                f"A node of the cluster runs Guru {version}, and this is {__version__}.",
                hint="Install the same version on all its nodes.",
            )
        self._free.put_nowait(actor)

    def embedder(self, usual: Embedder) -> Embedder:
        """A provider's model is asked from here: it has machines of its own."""
        return RayEmbedder(self._step, self.count, usual) if isinstance(usual, MiniLMEmbedder) else usual

    async def _step(self, name: str, *arguments: Any) -> Any:
        """Have the next free worker do a step. Raises `ModelUnavailable` when the cluster is lost."""
        actor = await self._free.get()
        try:
            with translated():
                return await getattr(actor, name).remote(*arguments)
        finally:
            self._free.put_nowait(actor)


Step = Callable[..., Coroutine[Any, Any, Any]]


class RayParser:
    """Implements `Parser`: files are parsed on the cluster. Archives and sitemaps are read here, being quick."""

    def __init__(self, step: Step, own: Parser) -> None:
        self._step = step
        self._own = own

    async def parse(self, path: Path, name: str, charset: str | None = None) -> ParsedDocument:
        found: ParsedDocument | GuruError = await self._step(
            "parse", await asyncio.to_thread(path.read_bytes), name, charset
        )
        if isinstance(found, GuruError):
            raise found
        return found

    async def parse_all(self, files: Sequence[tuple[Path, str]]) -> list[ParsedDocument | GuruError]:
        if not files:
            return []
        contents = await asyncio.to_thread(lambda: [(path.read_bytes(), name) for path, name in files])
        return list(await self._step("parse_all", contents))

    async def unpack(self, path: Path, folder: Path) -> list[Member]:
        return await self._own.unpack(path, folder)

    async def sitemap(self, path: Path) -> Sitemap:
        return await self._own.sitemap(path)


class RayEmbedder:
    """Implements `Embedder`: texts are embedded on the cluster, a piece on each core."""

    def __init__(self, step: Step, workers: int, usual: Embedder) -> None:
        self._step = step
        self._workers = workers
        self._usual = usual
        self.name, self.revision = usual.name, usual.revision
        self.dimension, self.max_tokens = usual.dimension, usual.max_tokens

    async def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        # Texts of like length lie in one piece, so that little is padded.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        size = min(PIECE[-1], max(PIECE[0], -(-len(texts) // self._workers)))
        pieces = [order[start : start + size] for start in range(0, len(order), size)]
        found = await asyncio.gather(
            *(self._step("embed", self.name, [texts[place] for place in piece]) for piece in pieces)
        )
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for piece, part in zip(pieces, found, strict=True):
            vectors[piece] = part
        return vectors

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[Any]:
        return await self._usual.embed_queries(texts)

    def count_tokens(self, text: str) -> int:
        return self._usual.count_tokens(text)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return self._usual.token_offsets(text)


@contextmanager
def translated() -> Iterator[None]:
    """Raises in Guru's words what Ray has to say."""
    exceptions = import_ray().exceptions
    try:
        yield
    except exceptions.RayTaskError as error:
        raise GuruError(f"A worker of the cluster failed: {error.cause}") from error
    except exceptions.RayError as error:
        raise ModelUnavailable(
            f"The Ray cluster was lost: {type(error).__name__}.", hint="Start the job again: it goes on where it was."
        ) from error
