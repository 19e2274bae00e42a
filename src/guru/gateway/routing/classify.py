"""What kind of prompt it is: how hard, and in which language."""

from __future__ import annotations

import asyncio
import json
import math
import re
from functools import cache
from importlib.resources import files

from guru.types import ChatRequest, TextRequest

MOST_TEXT = 2_000
"""Characters that are looked at: the beginning and the end say enough, and the road does not wait."""

# --------------------------------------------------------------------------- difficulty


# A word is looked up once; a regular expression with so many alternatives would try each at every letter.
def by_first_letters(beginnings: str) -> dict[str, tuple[str, ...]]:
    """Beginnings of words by their first three letters, so that most words are not compared with any."""
    found: dict[str, tuple[str, ...]] = {}
    for beginning in beginnings.split():
        found[beginning[:3]] = (*found.get(beginning[:3], ()), beginning)
    return found


REASONING = by_first_letters(
    """
    prove proof deriv why explain analy compar contrast evaluat assess critiq argu justif trade-off tradeoff
    implication strateg design architect optimi refactor debug step-by-step consequence infer deduc reconcil
    investigat diagnos cause edge constraint propos plan recommend assumption generalis generaliz
    """
)
TECHNICAL = by_first_letters(
    """
    algorithm complexit asymptot theorem lemma integral derivative eigen matrix matrices probabilit bayes
    distributed concurren deadlock thread-safe consensus transaction schema migration kernel compiler encrypt
    cryptograph regression variance hypothes quantum thermodynam molecul jurisdiction liabilit contract clause
    statut differential pharmaco amortiz arbitrage hedging microservice kubernetes latency throughput invariant
    idempoten recursi polynomial np-hard
    """
)
CONDITIONS = frozenset(
    ("if", "unless", "given", "assuming", "such", "without", "most", "least", "only", "must", "should", "cannot",
     "however", "while", "both", "either", "between", "under")
)  # fmt: skip
WORD = re.compile(r"[a-z][a-z-]*")
LOOKUP = re.compile(
    r"^\s*(hi|hello|hey|thanks|thank you|ok|yes|no|what(?:'s| is| are)|who(?:'s| is| was)|when(?:'s| is| was| did)|"
    r"where(?:'s| is| are)|translate|define|spell|convert|list|name|give me|tell me|"
    r"fix the (?:spelling|typos?|grammar)|"
    r"rewrite|rephrase|shorten|capitali[sz]e|extract|classify|format|say)\b",
    re.IGNORECASE,
)
CODE = ("```", "def ", "class ", "function(", "=>", "#include", "};", ");", "SELECT ", "import ")
MATH = frozenset("∑∫√≤≥≠∀∃∈∂^=\\")
ASKS = re.compile(r"[?？]|^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
FEATURES = (
    "words", "long_words", "reasoning", "technical", "lookup", "code", "math", "asks", "conditions", "tools", "turns",
)  # fmt: skip


def difficulty(request: ChatRequest | TextRequest) -> float:
    """The probability that a prompt needs a strong model, 0 to 1.

    Logistic regression over what can be counted in the last question, fitted by scripts/fit_difficulty.py on the
    examples in tests/gateway/routing/data; docs/routing.md says how often it is right.
    It takes some 40 microseconds for a question and at most half a millisecond.
    """
    weights = coefficients()
    score = weights["intercept"] + sum(
        weights[name] * value for name, value in zip(FEATURES, features(request), strict=True)
    )
    return 1.0 / (1.0 + math.exp(-score))


def features(request: ChatRequest | TextRequest) -> list[float]:
    """The numbers that the classifier weighs, named in `FEATURES`."""
    text = sample(last_question(request))
    words = text.split()
    count = len(words)
    plain = WORD.findall(text.lower())
    chat = request if isinstance(request, ChatRequest) else None
    return [
        math.log1p(count),
        sum(len(word) > 9 for word in words) / (count + 5),
        math.log1p(sum(begins(word, REASONING) for word in plain)),
        math.log1p(sum(begins(word, TECHNICAL) for word in plain)),
        float(LOOKUP.match(text) is not None),
        float(any(sign in text for sign in CODE)),
        float(not MATH.isdisjoint(text)),
        math.log1p(len(ASKS.findall(text))),
        math.log1p(sum(word in CONDITIONS for word in plain)),
        float(bool(chat and chat.tools)),
        math.log1p(len(chat.messages) if chat else 0),
    ]


def begins(word: str, beginnings: dict[str, tuple[str, ...]]) -> bool:
    found = beginnings.get(word[:3])
    return found is not None and word.startswith(found)


@cache
def coefficients() -> dict[str, float]:
    """Read once from difficulty.json beside this file."""
    read: dict[str, float] = json.loads(files(__package__).joinpath("difficulty.json").read_text("utf-8"))
    return read


# --------------------------------------------------------------------------- language


async def language(request: ChatRequest | TextRequest | None) -> str:
    """ISO 639-1 code of the last question's language; empty when it cannot be told. In a thread: it takes a while."""
    text = sample(last_question(request)) if request is not None else ""
    return (await asyncio.to_thread(detect, text) if text else None) or ""


def detect(text: str) -> str | None:
    from guru.knowledge.parse.language import detect_language

    return detect_language(text)


# --------------------------------------------------------------------------- the text


def last_question(request: ChatRequest | TextRequest) -> str:
    """What the user said last: what came before was answered already."""
    if isinstance(request, TextRequest):
        return request.prompt if isinstance(request.prompt, str) else ""
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


def sample(text: str) -> str:
    """The beginning and the end of a long text."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 2]}\n{text[-MOST_TEXT // 2 :]}"
