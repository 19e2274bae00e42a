"""Where the heavy steps of a job run: in this process and its parser, or on the cores of a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from guru.errors import ConfigurationError, GuruError
from guru.knowledge.archive import Unpacker
from guru.knowledge.parse import ParsedDocument
from guru.knowledge.web.source import SitemapReader
from guru.protocols import Embedder


class Parser(Unpacker, SitemapReader, Protocol):
    """What ingest needs of `ParsePool`."""

    async def parse(self, path: Path, name: str, charset: str | None = None) -> ParsedDocument: ...
    async def parse_all(self, files: Sequence[tuple[Path, str]]) -> list[ParsedDocument | GuruError]: ...


class Embedding(Protocol):
    """Embeds what comes into a collection."""

    @property
    def count(self) -> int:
        """How many steps run at the same time."""

    def embedder(self, usual: Embedder) -> Embedder:
        """What embeds in place of `usual`, with the same vectors."""


class Workers(Embedding, Protocol):
    """Do what takes most of the time. Reading rows and writing them stays with whoever has the job, so that a step
    which runs twice, because a machine was lost, is stored once."""

    @property
    def parser(self) -> Parser:
        """Reads files."""


Cluster = Callable[[str], AbstractAsyncContextManager[Workers]]
"""Opens the workers at an address. Raises `ConfigurationError` and `ModelUnavailable`."""


class OwnEmbedding:
    """This process, for what parses nothing."""

    count = 1

    def embedder(self, usual: Embedder) -> Embedder:
        return usual


class OwnWorkers(OwnEmbedding):
    """This process."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


class WorkerSource:
    """Opens workers for jobs."""

    def __init__(self, parser: Parser, cluster: Cluster | None, address: str | None) -> None:
        """`parser` is this process's; `address` the cluster of jobs that name none, None for this process."""
        self._parser = parser
        self._cluster = cluster
        self._address = address

    @asynccontextmanager
    async def open(self, address: str | None = None) -> AsyncIterator[Workers]:
        """Those of the cluster at `address`. Raises what opening it raises."""
        address = address or self._address
        if address is None:
            yield OwnWorkers(self._parser)
            return
        if self._cluster is None:
            raise ConfigurationError("No cluster can be used from here.", hint="Ingest over the server.")
        async with self._cluster(address) as workers:
            yield workers
