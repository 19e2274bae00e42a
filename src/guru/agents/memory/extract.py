"""What a person's message says that is worth keeping, found by rules: few, plain, and only ever their own sentence.

What is kept is the sentence itself, word for word, so that nothing can be remembered that was not said.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from guru.agents.memory.base import Kind
from guru.agents.memory.own_words import clauses, own_sentences
from guru.agents.memory.statements import HEDGES, LEAD, plain, read_statement

ASKED: Final = re.compile(
    r"^\W*(?:(?:please|also|and|ok|okay|so|hey|hi|btw|by the way|from now on)\b[\s,]*)*"
    r"(?:remember|note|keep in mind|make a note|don'?t forget|do not forget|bear in mind)\b"
    r"(?:\s+this)?\s*(?:that\b|:|,)?\s*",
    re.IGNORECASE,
)
"""The person asks for it."""
NOT_A_FACT: Final = re.compile(
    r"^(?:to|when|what|how|why|where|who|me\b|how to|the time|last|if)\b", re.IGNORECASE
)  # "remember to call", "remember when we ...", "remember me"
QUESTION: Final = re.compile(
    r"^(?:who|what|when|where|why|which|how|do|does|did|is|are|am|can|could|would|will|should|may|shall|have|has)\b"
)
OTHERS: Final = re.compile(
    r"\b(?:he|she|they|it|who|the (?:text|page|document|article|tool|result|website|file|mail|email|author)|someone|"
    r"somebody|people|everyone) (?:says?|said|claims?|claimed|writes?|wrote|told|tells|thinks?|states?)\b"
    r"|\b(?:suppose|imagine|pretend|assume|let us say|for example|e\.g\.|as if|role.?play|you are|act as|in the story|"
    r"translate|rewrite|ignore|disregard|instructions?)\b",
    re.IGNORECASE,
)
"""Said by others, or of nothing that is."""
SECRET: Final = re.compile(
    r"\b(?:passwords?|passphrase|passcode|pin(?: code)?|api.?keys?|secret|token|private key|credit card|card number|"
    r"cvv|iban|social security|ssn)\b|\bsk-[\w-]{8,}|\b(?:\d[ -]?){13,19}\b",
    re.IGNORECASE,
)
"""What nobody wants to find in a prompt: kept only where a person writes it down by hand."""
VAGUE: Final = re.compile(r"(?:it|this|that|these|those|them|him|her|your?|what|how|to|not|none|nothing)\b|$")
"""Values that mean nothing outside their conversation."""
LASTING: Final = (
    "name home origin birthday birthplace job employer age diet allergy language car taste preference prefers timezone "
    "email phone mobile manager team company partner wife husband son daughter brother sister mother father child dog "
    "cat pet address nickname pronouns hobby role title city country keyboard editor laptop bike"
)
DURABLE: Final = frozenset(LASTING.split())
"""Attributes that hold for longer than a conversation: `my question is` says nothing of a person."""
WEIGHTS: Final = {
    "name": 0.9, "allergy": 0.95, "diet": 0.85, "home": 0.8, "employer": 0.8, "job": 0.8, "birthday": 0.8,
    "pronouns": 0.9, "nickname": 0.9, "timezone": 0.8, "email": 0.7, "phone": 0.7, "taste": 0.5, "car": 0.5,
    "preference": 0.7,
}  # fmt: skip
WANTED: Final = 0.9
"""Of what the person asks to be remembered, and of how they want to be answered."""
USUAL: Final = 0.6
ANSWERS: Final = re.compile(r"\b(?:answers?|repl(?:y|ies)|responses?|explanations?|summaries|units?|tone|language)\b")


class Found(Struct, frozen=True, kw_only=True):
    """A sentence that is worth keeping: `[start, end)` of the message, and what of it is kept."""

    text: str
    start: int
    end: int
    kind: Kind
    importance: float


def find_facts(message: str) -> list[Found]:
    """What a person's message says of themselves, or asks to be remembered."""
    found = (read_sentence(message[start:end], start) for start, end in candidates(message))
    return [fact for fact in found if fact is not None]


def candidates(message: str) -> list[tuple[int, int]]:
    """`[start, end)` of what the person says, one thing each; what they ask to be remembered stays whole."""
    parts: list[tuple[int, int]] = []
    for start, end in own_sentences(message):
        parts += [(start, end)] if ASKED.match(message[start:end]) else clauses(message, start, end)
    return parts


def read_sentence(sentence: str, start: int) -> Found | None:
    """What of one sentence is worth keeping; None for most."""
    if sentence.rstrip().endswith("?") or OTHERS.search(sentence) or SECRET.search(sentence):
        return None
    asked = ASKED.match(sentence)
    begin = asked.end() if asked else lead_of(sentence)
    said = sentence[begin:].strip()
    if len(said) < 4 or (asked and NOT_A_FACT.match(said)) or QUESTION.match(plain(said)):
        return None
    statement = read_statement(said)
    if statement.key is not None and VAGUE.match(statement.value):
        return None
    about_user = statement.subject == "user" or re.match(r"(?:i|my)\b", statement.words) is not None
    if not asked and not (statement.subject == "user" and is_durable(statement.attribute) and holds(said)):
        return None
    place = start + sentence.index(said, begin)
    return Found(
        text=said, start=place, end=place + len(said), kind="user" if about_user else "fact",
        importance=WANTED if asked else weigh(statement.attribute, statement.words),
    )  # fmt: skip


def lead_of(sentence: str) -> int:
    """Where the statement begins, after what only leads to it."""
    found = LEAD.match(sentence.lower()) if len(sentence.lower()) == len(sentence) else None
    return found.end() if found else 0


def holds(said: str) -> bool:
    words = plain(said)
    return HEDGES.search(words) is None or words.startswith("i was born")


def is_durable(attribute: str | None) -> bool:
    if attribute is None:
        return False
    if attribute in DURABLE or attribute.startswith(("favourite ", "native ", "use for ", "count of ", "marital")):
        return True
    return attribute.split(" ")[-1].removesuffix("'s") in DURABLE


def weigh(attribute: str | None, words: str) -> float:
    if attribute == "preference" and ANSWERS.search(words):
        return WANTED
    return WEIGHTS.get(attribute or "", USUAL)


def weigh_text(text: str) -> float:
    """How much a text matters that a person wrote down, or a model found."""
    statement = read_statement(text)
    return max(USUAL, weigh(statement.attribute, statement.words))
