"""Where BERT's tokens stand in a text, from words that were tokenized before.

BERT's normaliser and pre-tokenizer (Devlin et al. 2019) look at nothing beyond white space: what stands between two
blanks has the same tokens wherever it stands. Texts repeat their words, so that most are looked up.
"""

from __future__ import annotations

from itertools import accumulate, count
from operator import add
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Span = tuple[int, int]

_LONGEST: Final = 40
"""Characters of a word that is remembered: what is longer is hardly met again."""
_MOST: Final = 1 << 15
"""Words remembered: some megabytes."""

_FEW: Final = 256
"""Words that are tokenized one by one: threads would cost more than they save."""


class WordOffsets:
    """The character span of every token of a text, as `tokenizer` gives them. Any number of threads may use it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, tuple[Span, ...]] = {}

    def __call__(self, text: str) -> list[Span]:
        words = text.replace("\n", " ").replace("\t", " ").replace("\r", " ").split(" ")
        known = self._learned(set(words))
        starts = map(add, accumulate(map(len, words), initial=0), count())  # one blank before each
        found = map(known.__getitem__, words)
        return [
            (start + first, start + last) for start, spans in zip(starts, found, strict=False) for first, last in spans
        ]

    def _learned(self, words: set[str]) -> dict[str, tuple[Span, ...]]:
        """The spans of at least these words, tokenizing at once those that are new."""
        known = self._known
        if new := list(words.difference(known)):
            if len(new) < _FEW:
                encoded = [self._tokenizer.encode(word, add_special_tokens=False) for word in new]
            else:
                encoded = self._tokenizer.encode_batch(new, add_special_tokens=False)
            found = {word: tuple(tokens.offsets) for word, tokens in zip(new, encoded, strict=True)}
            kept = known if len(known) + len(found) <= _MOST else {}
            # Replaced as a whole: another thread may be reading the one before.
            self._known = kept | {word: spans for word, spans in found.items() if len(word) <= _LONGEST}
            known = known | found
        return known
