"""all-MiniLM-L6-v2 as int8 ONNX: text to unit vectors, in this process, on threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guru.models.local.onnx import batches, open_session, open_tokenizer, physical_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FOLDER: Final = Path(__file__).with_name("minilm")


class MiniLMEmbedder:
    """Implements `guru.types.Embedder`.

    The files are loaded on first use, and again after `close`. Calls may come from any number of tasks: they share one
    session, and each batch takes its turn on an executor, so a question never waits for more than the batches in front.
    """

    name: str = "local/all-minilm-l6-v2"
    dimension: int = 384
    max_tokens: int = 256

    def __init__(self, *, threads: int | None = None, folder: Path = FOLDER) -> None:
        """`threads` is the number of cores that one batch uses; the machine's physical cores when None, at most 8."""
        self._folder = folder
        self._threads = threads or physical_cores()
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: InferenceSession | None = None
        self._executor: ThreadPoolExecutor | None = None

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

    def count_tokens(self, text: str) -> int:
        """The exact number of tokens of `text`, uncut, without the special tokens."""
        return len(self._load_tokenizer().encode(text, add_special_tokens=False))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span `(start, end)` of every token of `text`, uncut."""
        return list(self._load_tokenizer().encode(text, add_special_tokens=False).offsets)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._session is not None

    def load(self) -> None:
        """Read the model now (0.2 s) instead of with the first text. Blocks."""
        self._load_tokenizer()
        self._load_session()

    def close(self) -> None:
        """Give the memory back. The next call loads the model again."""
        with self._lock:
            executor, self._executor = self._executor, None
            self._session = None
            self._tokenizer = None
        if executor is not None:
            executor.shutdown(wait=False)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="guru-embed")
            return self._executor

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

    def _load_tokenizer(self) -> Tokenizer:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = open_tokenizer(self._folder / "tokenizer.json")
            return self._tokenizer

    def _load_session(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = open_session(self._folder / "model.onnx", self._threads)
            return self._session
