"""What the small models on onnxruntime have in common: their files, a session, and batches that are padded little."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guru.models.local.word_offsets import WordOffsets

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

TOKENIZER: Final = Path(__file__).with_name("minilm") / "tokenizer.json"
"""BERT's word pieces, in lower case: all of MiniLM's models share it."""
BATCH: Final = 32
"""Most texts in a run of a graph."""
BATCH_TOKENS: Final = 2048
"""Most tokens in a run, padding included. More is no faster, and costs memory with its square."""


class OnnxModel:
    """A small model in this process: a tokenizer and a session, loaded on first use and again after `close`, and one
    thread on which all that blocks takes its turn."""

    def __init__(self, model: Path, *, tokenizer: Path, threads: int | None, name: str) -> None:
        """`threads` is the number of cores that one batch uses; the machine's physical cores when None, at most 8.
        `name` is the thread's."""
        self._model = model
        self._tokenizer_file = tokenizer
        self._threads = threads or physical_cores()
        self._name = name
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._offsets: WordOffsets | None = None
        self._session: InferenceSession | None = None
        self._executor: ThreadPoolExecutor | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._session is not None

    def close(self) -> None:
        """Give the memory back. The next call loads the model again."""
        with self._lock:
            executor, self._executor = self._executor, None
            self._session = None
            self._tokenizer = self._offsets = None
        if executor is not None:
            executor.shutdown(wait=False)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span `(start, end)` of every token of `text`, uncut."""
        return self._load_offsets()(text)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
            return self._executor

    def _load_tokenizer(self) -> Tokenizer:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = open_tokenizer(self._tokenizer_file)
            return self._tokenizer

    def _load_offsets(self) -> WordOffsets:
        tokenizer = self._load_tokenizer()
        with self._lock:
            if self._offsets is None:
                self._offsets = WordOffsets(tokenizer)
            return self._offsets

    def _load_session(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = open_session(self._model, self._threads)
            return self._session


def open_session(model: Path, threads: int) -> InferenceSession:
    """The graph in a file, ready to run on so many cores. Blocks for some 0.1 s."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads slow down everything else on the machine, for nothing that can be measured here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_tokenizer(path: Path = TOKENIZER) -> Tokenizer:
    """A tokenizer that neither cuts nor pads: the published file does both at 128, and counts would be wrong."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def batches(lengths: list[int]) -> Iterator[list[int]]:
    """Indices in batches of like length, so that little is padded. At least one, which may be empty."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if len(batch) == BATCH or (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    yield batch


def physical_cores() -> int:
    """Of this machine, at most 8: more make so small a model no faster."""
    import psutil

    return max(1, min(8, psutil.cpu_count(logical=False) or 1))
