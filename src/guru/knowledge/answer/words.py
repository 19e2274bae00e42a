"""What a question asks for and what a sentence states: content words, numbers, names and the kind of answer wanted."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

from guru.knowledge.stopwords import STOP_WORDS
from guru.knowledge.terms import fold, terms

Kind = Literal["person", "time", "place", "number", "thing"]

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_DATE: Final = re.compile(
    r"\b(?:1\d{3}|20\d{2})s?\b|\b\d{1,2}(?:st|nd|rd|th)[ -]century\b|\b\d+ ?(?:BC|AD|BCE|CE|a\.?m|p\.?m)\b"
    r"|\b\d{1,2}:\d{2}\b|\bcenturies\b",
    re.IGNORECASE,
)
_ASKING_WORDS: Final = """
also another else ever got kind known made make makes many may mean meaning means might much must name named one
per say said type used uses using various via within without yet
"""
_NEGATION_WORDS: Final = """
not no never none nor neither nobody nothing nowhere cannot without unable lack lacks lacked fail fails failed
kein keine keinen nicht nie niemals ohne jamais sans nunca ninguno sin mai senza
"""
_COUNTING: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
"""
_CALENDAR: Final = """
january february march april may june july august september october november december monday tuesday wednesday
thursday friday saturday sunday spring summer autumn winter noon midnight today daily weekly monthly yearly
"""
_YES_NO: Final = re.compile(
    r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|may|might|must|shall|should|will|would|ist|sind|war|hat|"
    r"haben|kann|darf|muss|est-ce|es|son)\b",
    re.IGNORECASE,
)
_SENTENCE_OPENS: Final = frozenset(".!?:\n|#>•*")

# Besides stop words: verbs and nouns of asking, which sentences that answer do not repeat.
_ASKING: Final = frozenset(_ASKING_WORDS.split())
_NEGATIONS: Final = frozenset(_NEGATION_WORDS.split())
_NUMBER_WORDS: Final = {word: str(value) for value, word in enumerate(_COUNTING.split())} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
    "hundred": "100",
    "dozen": "12",
}
_TIME_WORDS: Final = frozenset(_CALENDAR.split())
_KINDS: Final[tuple[tuple[Kind, str], ...]] = (
    ("number", r"\bhow (?:many|much|long|far|old|often|large|big|tall|high|fast|deep|heavy|wide)\b|"
                   r"\b(?:what|which) (?:\w+ )?(?:percent|percentage|number|amount|proportion|fraction|cost|price)\b|"
                   r"\bwhat (?:is|are|was|were) the (?:[\w-]+ ){0,2}(?:percentage|number|amount|proportion|fraction|"
                   r"costs?|price|fee|limit|rate|allowance|salary|budget|revenue|population|distance|height|length|weight|speed|"
                   r"temperature)\b|"
                   r"\bwie ?(?:viele?|lange|hoch|gross|groß|alt|oft)\b|\bcombien\b|\bcu[aá]nt[oa]s?\b|\bquant[oiae]\b"),
    ("time", r"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:year|date|month|day|century|decade|time|period|era)\b|"
                 r"\bwann\b|\bquand\b|\bcu[aá]ndo\b|\bquando\b"),
    ("person", r"\bwho(?:m|se)?\b|\b(?:what|which) (?:\w+ )?(?:person|king|queen|leader|president|author|"
                   r"scientist|emperor|general)\b|\bwer\b|\bwem\b|\bwen\b|\bqui\b|\bqui[eé]n\b|\bchi\b"),
    ("place", r"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:country|countries|city|cities|state|place|river|region|town|"
                  r"continent|location)\b|\bwo\b|\bwohin\b|\bo[uù]\b|\bd[oó]nde\b|\bdove\b"),
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words in order, without punctuation."""
    return [match.group().lower().replace("’", "'") for match in _WORD.finditer(text)]


def content(text: str, language: str = "en") -> list[str]:
    """Stems of the words that tell what a question is about, in order, repeats kept; "ten" is 10."""
    stops = _stop_stems(language) | _asking_stems(language)
    return [_NUMBER_WORDS.get(term, term) for term in terms(text, language) if term not in stops]


def assertions(text: str, language: str = "en") -> set[str]:
    """Stems of all words by which a sentence can be wrong: `content`, and verbs like "named" and "used"."""
    return set(terms(text, language)) - _stop_stems(language)


@lru_cache(maxsize=32)
def _stop_stems(language: str) -> frozenset[str]:
    return frozenset(stem for word in STOP_WORDS.get(language, ()) for stem in terms(word, language)) | {"s"}


@lru_cache(maxsize=32)
def _asking_stems(language: str) -> frozenset[str]:
    return frozenset(stem for word in (_ASKING if language == "en" else ()) for stem in terms(word, language))


def numbers(text: str) -> set[str]:
    """Numbers in figures or in words, as figures without separators of thousands."""
    figures = {_plain_number(number) for number in _NUMBER.findall(text)}
    return figures | {_NUMBER_WORDS[word] for word in words(text) if word in _NUMBER_WORDS and word != "one"}


def _plain_number(number: str) -> str:
    """`1,250.00` and `1250` are one number; `3,5` stays as it is written."""
    whole = re.sub(r",(?=\d{3}(?!\d))", "", number)
    return re.sub(r"\.0+$", "", whole)


def names(text: str) -> set[str]:
    """Lower-case words that are written with a capital, stop words and the plain first words of sentences left out."""
    found: set[str] = set()
    for match in _WORD.finditer(text):
        word = match.group()
        lowered = fold(word.removesuffix("'s").removesuffix("’s"))
        if not word[0].isupper() or lowered in STOP_WORDS["en"]:
            continue
        if not _opens_sentence(text, match.start()) or _is_name(text, match):
            found.add(lowered)
    return found


def known_names(text: str) -> set[str]:
    """Every word of a text, as `names` writes a name: "McDonald's" is of McDonald."""
    return {fold(word.removesuffix("'s")) for word in words(text)}


def _opens_sentence(text: str, position: int) -> bool:
    before = text[:position].rstrip(" \t\"'“‘(*_")
    return not before or before[-1] in _SENTENCE_OPENS


def _is_name(text: str, match: re.Match[str]) -> bool:
    """A first word is taken for a name when a capital follows: `Norman Foster`, `IBM`, `McAdam`."""
    following = text[match.end() : match.end() + 2].lstrip()
    return (len(match.group()) > 1 and match.group()[1:] != match.group()[1:].lower()) or following[:1].isupper()


def negated(text: str) -> bool:
    """Whether the text denies something."""
    return any(word in _NEGATIONS or word.endswith("n't") for word in words(text))


def is_yes_no(question: str) -> bool:
    """Whether the question can be answered by repeating it after a yes or a no."""
    return _YES_NO.match(question) is not None


def question_kind(question: str) -> Kind:
    """What the question wants to hear: the earliest sign of it in its last sentence decides."""
    for sentence in reversed(re.split(r"(?<=[.?!])\s+", question.strip())):
        found = [
            (match.start(), kind) for kind, pattern in _KINDS if (match := re.search(pattern, sentence, re.IGNORECASE))
        ]
        if found:
            return min(found)[1]
    return "thing"


def holds(kind: Kind, sentence: str, question: str) -> bool:
    """Whether `sentence` names something of this kind that the question does not say already."""
    if kind == "number":
        return bool(numbers(sentence) - numbers(question))
    if kind == "time":
        dates = {match.lower() for match in _DATE.findall(sentence)} | (set(words(sentence)) & _TIME_WORDS)
        return bool(dates - set(words(question))) or bool(numbers(sentence) - numbers(question))
    if kind in ("person", "place"):
        return bool(names(sentence) - set(words(question)))
    return True
