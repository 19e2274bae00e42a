"""all-MiniLM-L6-v2 as int8 ONNX: text to unit vectors, in this process, on threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guru.models.local.onnx import OnnxModel, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER: Final = Path(__file__).with_name("minilm")


class MiniLMEmbedder(OnnxModel):
    """Implements `guru.protocols.Embedder`.

    The files are loaded on first use, and again after `close`. Calls may come from any number of tasks: they share one
    session, and each batch takes its turn on an executor, so a question never waits for more than the batches in front.
    """

    name: str = "local/all-minilm-l6-v2"
    revision: str = "int8.1"
    """Raised when the graph is made anew: vectors of texts that were embedded before are then not used again."""
    dimension: int = 384
    max_tokens: int = 256

    def __init__(self, *, threads: int | None = None, folder: Path = FOLDER) -> None:
        """`threads` is the number of cores that one batch uses; the machine's physical cores when None, at most 8."""
        super().__init__(folder / "model.onnx", tokenizer=folder / "tokenizer.json", threads=threads, name="guru-embed")

    async def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors, float32, shape (len(texts), 384). A text over 256 tokens (specials included) is cut."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        loop, executor = asyncio.get_running_loop(), self._pool()
        tokens = await loop.run_in_executor(executor, self._encode, list(texts))
        for rows in batches([len(ids) for ids in tokens]):
            vectors[rows] = await loop.run_in_executor(executor, self._run, [tokens[i] for i in rows])
        return vectors

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[Any]:
        """As `embed`: this model reads questions and passages alike."""
        return await self.embed(texts)

    def count_tokens(self, text: str) -> int:
        """The exact number of tokens of `text`, uncut, without the special tokens."""
        return len(self._load_tokenizer().encode(text, add_special_tokens=False))

    def load(self) -> None:
        """Read the model now (0.2 s) instead of with the first text. Blocks."""
        self._load_tokenizer()
        self._load_session()

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids between `[CLS]` and `[SEP]`, at most `max_tokens` of them. The tokenizer itself never cuts."""
        tokens = [encoding.ids for encoding in self._load_tokenizer().encode_batch_fast(texts)]
        return [ids if len(ids) <= self.max_tokens else [*ids[: self.max_tokens - 1], ids[-1]] for ids in tokens]

    def _run(self, batch: list[list[int]]) -> NDArray[Any]:
        """One batch through the graph, shape (batch, 384)."""
        import numpy as np

        ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (vectors,) = self._load_session().run(["embedding"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(vectors)
