"""What kind of prompt it is: how hard, and in which language."""

from __future__ import annotations

import asyncio
import json
import math
import re
from functools import cache
from importlib.resources import files

from guru.types import ChatRequest, TextRequest

MOST_TEXT = 4_000
"""Characters that are looked at: the beginning and the end say enough, and the road does not wait."""

# --------------------------------------------------------------------------- difficulty

REASONING = re.compile(
    r"\b(prove|proof|derive|why|explain|analy[sz]e|compare|contrast|evaluate|assess|critique|argue|justify|trade-?offs?|"
    r"implications?|strateg\w+|design|architect\w*|optimi[sz]e|refactor|debug|step[- ]by[- ]step|consequences?|infer|"
    r"deduce|reconcile|investigate|diagnose|root cause|edge cases?|constraints?|propose|plan|recommend\w*)\b",
    re.IGNORECASE,
)
TECHNICAL = re.compile(
    r"\b(algorithm|complexity|asymptotic|theorem|lemma|integral|derivative|eigen\w+|matrix|matrices|probability|bayes\w*|"
    r"distributed|concurren\w+|deadlock|race condition|thread[- ]safe|consensus|transaction\w*|schema|migration|kernel|"
    r"compiler|encryption|cryptograph\w+|regression|variance|hypothes[ie]s|quantum|thermodynamic\w*|molecul\w+|"
    r"jurisdiction|liability|contract\w*|clause|statut\w+|differential|pharmaco\w+|amortization|arbitrage|hedging|"
    r"microservices?|kubernetes|latency|throughput|invariant|idempoten\w+|recursi\w+|polynomial|np-hard)\b",
    re.IGNORECASE,
)
LOOKUP = re.compile(
    r"^\s*(hi|hello|hey|thanks|thank you|ok|yes|no|what(?:'s| is| are)|who(?:'s| is| was)|when(?:'s| is| was| did)|"
    r"where(?:'s| is| are)|translate|define|spell|convert|list|name|give me|tell me|"
    r"fix the (?:spelling|typos?|grammar)|"
    r"rewrite|rephrase|shorten|capitali[sz]e|extract|classify|format|say)\b",
    re.IGNORECASE,
)
CODE = re.compile(r"```|\bdef \w+\(|\bclass \w+|\bfunction\b|[{};]\s*$|=>|\bSELECT\b.+\bFROM\b|#include", re.MULTILINE)
MATH = re.compile(r"[∑∫√≤≥≠∀∃∈∂]|\\(?:frac|sum|int|mathbb)|\b\w\^\d|\b[a-z]\([a-z]\)\s*=|\b\d+\s*[-+*/^]\s*\w+\s*=")
ASKS = re.compile(r"[?？]|^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
CONDITIONS = re.compile(
    r"\b(if|unless|given that|assuming|such that|without|at most|at least|only|must|should|cannot|however|while|"
    r"both|either|between|under)\b",
    re.IGNORECASE,
)

FEATURES = (
    "words", "long_words", "reasoning", "technical", "lookup", "code", "math", "asks", "conditions", "tools", "turns",
)  # fmt: skip


def difficulty(request: ChatRequest | TextRequest) -> float:
    """The probability that a prompt needs a strong model, 0 to 1.

    Logistic regression over what can be counted in the last question, fitted by scripts/fit_difficulty.py on the
    examples in tests/gateway/routing/data; docs/routing.md says how often it is right. It costs microseconds.
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
    chat = request if isinstance(request, ChatRequest) else None
    return [
        math.log1p(count),
        sum(len(word) > 9 for word in words) / (count + 5),
        math.log1p(len(REASONING.findall(text))),
        math.log1p(len(TECHNICAL.findall(text))),
        float(LOOKUP.match(text) is not None),
        float(CODE.search(text) is not None),
        float(MATH.search(text) is not None),
        math.log1p(len(ASKS.findall(text))),
        math.log1p(len(CONDITIONS.findall(text))),
        float(bool(chat and chat.tools)),
        math.log1p(len(chat.messages) if chat else 0),
    ]


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
