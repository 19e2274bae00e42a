"""What a worker of the cluster does. This runs on its machine; Ray is not imported here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guru import __version__
from guru.errors import GuruError
from guru.server.parsing import make_parser

if TYPE_CHECKING:
    from guru.config import KnowledgeSettings
    from guru.knowledge.parse import ParsedDocument
    from guru.models.local.embedder import MiniLMEmbedder


class Steps:
    """The steps of one worker, which does one at a time. Files are parsed in a confined process, as on one machine."""

    def __init__(self, settings: KnowledgeSettings) -> None:
        self._parser = make_parser(settings)
        self._embedders: dict[str, MiniLMEmbedder] = {}

    async def version(self) -> str:
        return __version__

    async def parse(self, data: bytes, name: str, charset: str | None) -> ParsedDocument | GuruError:
        """The document, or what is wrong with the file."""
        with tempfile.TemporaryDirectory(prefix="guru-") as folder:
            try:
                return await self._parser.parse(written(folder, 0, data), name, charset)
            except GuruError as error:
                return error

    async def parse_all(self, files: Sequence[tuple[bytes, str]]) -> list[ParsedDocument | GuruError]:
        """The same of some small files."""
        with tempfile.TemporaryDirectory(prefix="guru-") as folder:
            paths = [(written(folder, number, data), name) for number, (data, name) in enumerate(files)]
            return await self._parser.parse_all(paths)

    async def embed(self, model: str, texts: list[str]) -> Any:
        """Unit vectors, float32, one row a text, by the model of this name that is installed with Guru."""
        from guru.models.local.embedder import MiniLMEmbedder

        if model not in self._embedders:
            self._embedders[model] = MiniLMEmbedder(threads=1)
        return await self._embedders[model].embed(texts)


def written(folder: str, number: int, data: bytes) -> Path:
    """A file of `folder` that holds `data`."""
    path = Path(folder) / str(number)
    path.write_bytes(data)
    return path
