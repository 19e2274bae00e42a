"""From text to the terms that BM25 counts: folded, stemmed, numbers and identifiers whole and in parts."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.stopwords import is_stop_word

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Han, kana, hangul and Thai are written without spaces: pairs of characters stand for words.
_UNSPACED: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f\uac00-\ud7af"
_TOKEN: Final = re.compile(
    rf"[{_UNSPACED}]+|\d+(?:[.,]\d+)+|(?:(?![{_UNSPACED}])\w)+(?:[-'’.](?:(?![{_UNSPACED}])\w)+)*",
)
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
_local = threading.local()


def language_of(code: str | None) -> str:
    """The language whose stemmer is used for documents in `code` (ISO 639-1); English when it is not known."""
    base = (code or "en").split("-")[0].lower()
    return base if base in SNOWBALL else "en"


def terms(text: str, language: str = "en") -> list[str]:
    """The terms of `text` in order. What a token yields besides itself (its parts) follows it."""
    stem = _stemmer(language)
    return [stem(term) for token in _tokens(text) for term in _variants(token)]


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
    """Terms of a passage with how often its body and its heading (title and heading path) have them, by `TERM`."""
    import numpy as np

    in_body, in_heading = Counter(terms(body, language)), Counter(terms(heading, language))
    rows = [(hash_term(term), min(in_body[term], 65535), min(in_heading[term], 65535)) for term in in_body | in_heading]
    return np.array(rows, dtype=term_type())


def term_type() -> Any:
    """One entry of a passage's term blob."""
    import numpy as np

    return np.dtype([("term", "<u8"), ("body", "<u2"), ("heading", "<u2")])


@lru_cache(maxsize=1 << 16)
def hash_term(term: str) -> int:
    """64 bits that stand for `term`: in a vocabulary of ten million, two collide with probability 3e-6."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def _tokens(text: str) -> Iterator[str]:
    return (match.group() for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)))


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
