"""The reader: a cross-encoder that reads a question and a passage together, as int8 ONNX, in this process.

It says how relevant the passage is, whether it answers, and with which words. Trained by `scripts/reader`, with nothing
but the weights that the embedder has too to begin from; its card is `reader/README.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.models.local.onnx import TOKENIZER, OnnxModel, batches
from guru.protocols import AnswerSpan, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER: Final = Path(__file__).with_name("reader")
MAX_TOKENS: Final = 256
"""Of one input, question and passage together; a longer passage is read in windows."""
MAX_QUESTION: Final = 48
"""Tokens of a question that are read."""
STRIDE: Final = 0.5
"""Share of a window by which the next one begins later."""
LONGEST: Final = 30
"""Tokens of an answer."""
SPANS: Final = 12
"""The likeliest answers that are told."""


class Window(Struct):
    """A piece of one passage as it is read."""

    passage: int
    ids: list[int]
    types: list[int]
    offsets: list[tuple[int, int]]
    """Characters of the passage that each of the window's own tokens stands for."""


class MiniLMReader(OnnxModel):
    """Implements `guru.protocols.Reader`. Loaded on first use; calls of any number of tasks share one session."""

    name: str = "local/guru-reader"

    def __init__(self, *, threads: int | None = None, folder: Path = FOLDER) -> None:
        """`threads` is the number of cores that one batch uses; the machine's physical cores when None, at most 8."""
        super().__init__(folder / "model.onnx", tokenizer=TOKENIZER, threads=threads, name="guru-reader")

    async def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """What each passage says to the question, in their order."""
        if not passages:
            return []
        loop, executor = asyncio.get_running_loop(), self._pool()
        windows = await loop.run_in_executor(executor, self._windows, question, list(passages))
        found: list[list[tuple[float, float, list[AnswerSpan]]]] = [[] for _ in passages]
        for rows in batches([len(window.ids) for window in windows]):
            batch = [windows[row] for row in rows]
            for window, result in zip(batch, await loop.run_in_executor(executor, self._run, batch), strict=True):
                found[window.passage].append(result)
        return [joined(results) for results in found]

    def _windows(self, question: str, passages: list[str]) -> list[Window]:
        tokenizer = self._load_tokenizer()
        cls, *asked, sep = tokenizer.encode(question).ids
        asked = asked[:MAX_QUESTION]
        size = MAX_TOKENS - len(asked) - 3
        windows: list[Window] = []
        for number, read in enumerate(tokenizer.encode_batch(passages, add_special_tokens=False)):
            for start in window_starts(len(read.ids), size):
                part = slice(start, start + size)
                ids = [cls, *asked, sep, *read.ids[part], sep]
                types = [0] * (len(asked) + 2) + [1] * (len(ids) - len(asked) - 2)
                windows.append(Window(number, ids, types, read.offsets[part]))
        return windows

    def _run(self, batch: list[Window]) -> list[tuple[float, float, list[AnswerSpan]]]:
        """Relevance, whether it is here, and the likeliest answers, of each window."""
        import numpy as np

        ids = np.zeros((len(batch), max(len(window.ids) for window in batch)), np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, window in enumerate(batch):
            ids[row, : len(window.ids)] = window.ids
            types[row, : len(window.ids)] = window.types
            mask[row, : len(window.ids)] = 1
        inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        verdicts, spans = self._load_session().run(["verdict", "span"], inputs)
        chances = 1 / (1 + np.exp(-verdicts))
        results = []
        for row, window in enumerate(batch):
            first = len(window.ids) - 1 - len(window.offsets)
            likely = likeliest(spans[row, first : len(window.ids) - 1], window.offsets)
            results.append((float(chances[row, 0]), float(chances[row, 1]), likely))
        return results


def window_starts(tokens: int, size: int) -> list[int]:
    """Where windows of `size` tokens begin, so that every token is in one and most are in two."""
    starts = [0]
    while starts[-1] + size < tokens:
        starts.append(min(starts[-1] + max(1, int(size * STRIDE)), tokens - size))
    return starts


def likeliest(logits: NDArray[Any], offsets: list[tuple[int, int]]) -> list[AnswerSpan]:
    """The likeliest answers of a window, of at most `LONGEST` tokens; all chances of a window add up to 1."""
    import numpy as np

    size = len(offsets)
    if not size:
        return []
    scores = logits[:, 0][:, None] + logits[:, 1][None, :]
    length = np.arange(size)[None, :] - np.arange(size)[:, None]
    scores = np.where((length >= 0) & (length < LONGEST), scores, -np.inf).ravel()
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = np.argsort(-chances, kind="stable")[: min(SPANS, int((chances > 0).sum()))]
    found = []
    for place in best.tolist():
        first, last = divmod(place, size)
        found.append(AnswerSpan(offsets[first][0], offsets[last][1], float(chances[place])))
    return found


def joined(windows: list[tuple[float, float, list[AnswerSpan]]]) -> Reading:
    """One passage from its windows: its best window speaks for it, and answers count by how sure theirs is."""
    relevance = max(relevant for relevant, _, _ in windows)
    here = max(found for _, found, _ in windows)
    chances: dict[tuple[int, int], float] = {}
    for _, found, spans in windows:
        share = found / here if here else 1.0
        for span in spans:
            place = (span.start, span.end)
            chances[place] = max(chances.get(place, 0.0), span.chance * share)
    ordered = sorted(chances.items(), key=lambda item: (-item[1], item[0]))[:SPANS]
    return Reading(relevance=relevance, here=here, spans=[AnswerSpan(s, e, chance) for (s, e), chance in ordered])
