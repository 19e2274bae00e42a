"""From text to the terms that BM25 counts: folded, stemmed, numbers and identifiers whole and in parts."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.stopwords import is_stop_word

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Han, kana, hangul and Thai are written without spaces: pairs of characters stand for words.
_UNSPACED: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f\uac00-\ud7af"
_TOKEN: Final = re.compile(
    rf"[{_UNSPACED}]+|\d+(?:[.,]\d+)+|[^\W{_UNSPACED}]+(?:[-'’.][^\W{_UNSPACED}]+)*",
)
# The same for text of ASCII alone, which is most of it, in half the time.
_ASCII_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:[-'.]\w+)*", re.ASCII)
_UNSPACED_RUN: Final = re.compile(rf"[{_UNSPACED}]")
_CAMEL: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_POSSESSIVE: Final = re.compile(r"['’]s?$")

SNOWBALL: Final = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_MOST_COUNTED: Final = 65535
_MOST_TOKENS: Final = 1 << 15
"""Different tokens remembered of a language: some megabytes."""
_local = threading.local()


def language_of(code: str | None) -> str:
    """The language whose stemmer is used for documents in `code` (ISO 639-1); English when it is not known."""
    base = (code or "en").split("-")[0].lower()
    return base if base in SNOWBALL else "en"


def terms(text: str, language: str = "en") -> list[str]:
    """The terms of `text` in order. What a token yields besides itself (its parts) follows it."""
    return list(chain.from_iterable(map(_stems[language].__getitem__, _tokens(text))))


def hash_terms(text: str, language: str = "en") -> list[int]:
    """The hashes of `terms`."""
    return list(chain.from_iterable(map(_hashes[language].__getitem__, _tokens(text))))


def query_terms(text: str, languages: frozenset[str] = frozenset({"en"})) -> list[list[str]]:
    """The terms of a query: for each word its stems in `languages`. Stop words are left out, unless all are."""
    words = [term for token in _tokens(text) for term in _variants(token)]
    telling = [word for word in words if not any(is_stop_word(word, language) for language in languages)]
    stemmers = [_stemmer(language) for language in sorted(languages)]
    return [list(dict.fromkeys(stem(word) for stem in stemmers)) for word in telling or words]


def query_pairs(text: str, language: str = "en") -> list[tuple[str, str]]:
    """Terms that stand side by side in a query and are not both stop words."""
    words, stem = [term for token in _tokens(text) for term in _variants(token)], _stemmer(language)
    return [
        (stem(first), stem(second))
        for first, second in pairwise(words)
        if not (is_stop_word(first, language) and is_stop_word(second, language))
    ]


def count_terms(body: str, heading: str, language: str) -> NDArray[Any]:
    """Terms of a passage with how often its body and its heading (title and heading path) have them, by `term_type`."""
    return count_hashes(hash_terms(body, language), hash_terms(heading, language))


def count_hashes(body: Sequence[int], heading: Sequence[int]) -> NDArray[Any]:
    """`count_terms` of terms that are hashed already."""
    import numpy as np

    in_body, in_heading = Counter(body), Counter(heading)
    found = [*in_body, *(term for term in in_heading if term not in in_body)]
    table = np.empty(len(found), term_type())
    table["term"] = np.fromiter(found, "<u8", len(found))
    for field, counts in (("body", in_body), ("heading", in_heading)):
        table[field] = [min(count, _MOST_COUNTED) for count in map(counts.get, found, repeat(0))]
    return table


@lru_cache(maxsize=1)
def term_type() -> Any:
    """One entry of a passage's term blob."""
    import numpy as np

    return np.dtype([("term", "<u8"), ("body", "<u2"), ("heading", "<u2")])


@lru_cache(maxsize=1 << 16)
def hash_term(term: str) -> int:
    """64 bits that stand for `term`: in a vocabulary of ten million, two collide with probability 3e-6."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    return _TOKEN.findall(unicodedata.normalize("NFKC", text))


class _Remembered(dict[str, tuple[Any, ...]]):
    """What tokens yield in one language. Text repeats its words, so that most are looked up, in C."""

    def __init__(self, make: Callable[[str], tuple[Any, ...]]) -> None:
        self._make = make

    def __missing__(self, token: str) -> tuple[Any, ...]:
        if len(self) >= _MOST_TOKENS:
            self.clear()
        self[token] = found = self._make(token)
        return found


class _Languages(dict[str, _Remembered]):
    def __init__(self, make: Callable[[str, str], tuple[Any, ...]]) -> None:
        self._make = make

    def __missing__(self, language: str) -> _Remembered:
        self[language] = found = _Remembered(partial(self._make, language))
        return found


@lru_cache(maxsize=1 << 16)
def _variants(token: str) -> tuple[str, ...]:
    if _UNSPACED_RUN.match(token):
        pairs = tuple(token[i : i + 2] for i in range(len(token) - 1))
        return pairs or (token,)
    token = _POSSESSIVE.sub("", token).strip("_")
    if not token:
        return ()
    if token[0].isdigit() and not any(character.isalpha() for character in token):
        whole = token.replace(",", "")
        parts = re.split(r"[-.]", whole)
        return (whole, *parts) if len(parts) > 1 else (whole,)
    pieces = re.split(r"[-_'’.]+", token)
    if all(len(piece) <= 1 for piece in pieces):  # U.S.A is USA
        return (fold("".join(pieces)),)
    parts = [part for piece in pieces for part in (_CAMEL.findall(piece) if _is_mixed(piece) else [piece]) if part]
    folded = [word for word in (fold("".join(pieces)), *map(fold, parts)) if word]
    return tuple(folded[:1] if len(parts) == 1 else folded)


def _is_mixed(piece: str) -> bool:
    """`camelCase` or `abc123`: a name made of parts, and no plain ASCII word or capitalised one."""
    return piece.isascii() and not piece.isdigit() and len(_CAMEL.findall(piece)) > 1


def fold(word: str) -> str:
    """Without case and accents."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _stemmer(language: str) -> Any:
    """A stemmer belongs to one thread: the C code underneath keeps state."""
    if not hasattr(_local, "stemmers"):
        _local.stemmers = {}
    if language not in _local.stemmers:
        import Stemmer

        _local.stemmers[language] = Stemmer.Stemmer(SNOWBALL[language], 30000).stemWord
    return _local.stemmers[language]


def _stems_of(language: str, token: str) -> tuple[str, ...]:
    stem = _stemmer(language)
    return tuple(stem(term) for term in _variants(token))


def _hashes_of(language: str, token: str) -> tuple[int, ...]:
    return tuple(map(hash_term, _stems_of(language, token)))


_stems: Final = _Languages(_stems_of)
_hashes: Final = _Languages(_hashes_of)
