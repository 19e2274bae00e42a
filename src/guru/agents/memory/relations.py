"""What a new statement does to an old one: it says the same, something else, or the opposite.

By the subject and attribute of both where patterns know them, else by the words that differ and by the similarity of
their vectors. benchmarks/memory.md has the figures.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final, Literal

from guru.agents.memory.statements import FILLERS, MORE, NUMBERS, Statement, singular, squeeze

Relation = Literal["contradicts", "adds", "repeats"]
NEAR: Final = 0.55
"""Cosine under which two statements that no pattern knows are about different things."""
ARTICLES: Final = frozenset({"the", "a", "an", "is", "are", "will", "be", "that", "i", "we", "my", "our"})
TAKING_ONE: Final = (
    "is are am be called named opens closes starts ends begins runs costs takes meets leads manages owns uses use due "
    "located at on until within port has have drive by"
)
SINGLE: Final = frozenset(TAKING_ONE.split())
"""Words after which usually one thing stands."""
COMPARED: Final = frozenset({"over", "to", "than"})
"""Between two things whose order says which."""
MARKS: Final = re.compile(r"[\w@.+'-]*\w")
PAIRS: Final = (
    "open/closed short/long on/off like/hate love/hate enabled/disabled active/inactive allowed/forbidden "
    "public/private always/never formal/informal cheap/expensive early/late free/paid light/dark"
)
OPPOSITES: Final = [frozenset(pair.split("/")) for pair in PAIRS.split()]


def relate(new: Statement, old: Statement, similarity: float) -> Relation:
    """What `new`, said later, does to `old`; `similarity` is the cosine of their vectors."""
    if same_words(new, old):
        return "repeats"
    if not (new.holds and old.holds):
        return "adds"
    if new.key is not None and new.key == old.key:
        return about_the_same(new, old)
    if new.key is not None and old.key is not None:
        return other_attributes(new, old)
    return by_words(new, old, similarity)


def same_words(new: Statement, old: Statement) -> bool:
    """Whether the same words stand in both, in whatever order, apart from fillers and articles."""
    left, right = content(new), content(old)
    turned = COMPARED & set(left) and left != right
    return new.denied == old.denied and not turned and sorted(left) == sorted(right)


def about_the_same(new: Statement, old: Statement) -> Relation:
    """Of one subject and attribute."""
    if new.attribute == "preference" and new.denied == old.denied and rivals(new.value, old.value):
        return "contradicts"
    if same_value(new.value, old.value):
        return "repeats" if new.denied == old.denied else "contradicts"
    if new.denied or old.denied:
        return "adds"  # not this one: some other may well be
    if new.several or old.several or new.more:
        return "adds"
    if state_of(new.value) != state_of(old.value):
        return "adds"
    return "contradicts"


def other_attributes(new: Statement, old: Statement) -> Relation:
    pair = {new.attribute, old.attribute}
    if pair == {"taste", "preference"} and same_value(new.value, old.value) and new.denied != old.denied:
        return "contradicts"
    return "adds"


def state_of(value: str) -> bool:
    """Whether a value is what somebody does (`on holiday until monday`), and no name or number for what they are."""
    return (
        re.match(r"(?:on|away|out|back|coming|going|happy|sad|ill|sick|late|busy|here|there|very)\b", value) is not None
    )


def same_value(one: str, other: str) -> bool:
    left, right = (
        sorted(number(word) for word in MARKS.findall(value) if word not in ARTICLES) for value in (one, other)
    )
    return left == right


def rivals(one: str, other: str) -> bool:
    """Whether two preferences are on the same question: turned round, or of the same thing in another way."""
    if sorted(MARKS.findall(one)) == sorted(MARKS.findall(other)) and not COMPARED & set(MARKS.findall(one)):
        return False
    sides = [re.split(r" (?:over|to|rather than|instead of|than) ", value, maxsplit=1) for value in (one, other)]
    if all(len(side) == 2 for side in sides):
        return same_value(sides[0][0], sides[1][1]) and same_value(sides[0][1], sides[1][0])
    heads = [singular(MARKS.findall(side[0])[-1]) for side in sides if MARKS.findall(side[0])]
    return len(heads) == 2 and heads[0] == heads[1] and len(MARKS.findall(one)) > 1


def by_words(new: Statement, old: Statement, similarity: float) -> Relation:
    """Where patterns do not know both: the words that differ, and where."""
    left, right = content(old), content(new)
    if not left or not right:
        return "adds"
    if new.denied != old.denied and overlap(left, right) >= 0.75:
        return "contradicts"
    if SequenceMatcher(None, left, right, autojunk=False).ratio() == 1.0:
        return "repeats"
    missing, extra = [word for word in left if word not in right], [word for word in right if word not in left]
    if not missing or not extra:
        # One says all of the other, and perhaps more: more of the same is new, less of it is not.
        return "repeats" if not extra else "adds"
    if any({one, other} in OPPOSITES for one in missing for other in extra) and overlap(left, right) >= 0.5:
        return "contradicts"
    if new.more or similarity < NEAR:
        return "adds"
    return "contradicts" if replaced_value(left, right) else "adds"


def replaced_value(old: list[str], new: list[str]) -> bool:
    """Whether one run of words was put in place of another, after a word that takes one, or who does something."""
    blocks = [code for code in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal"]
    if len(blocks) != 1 or blocks[0][0] != "replace":
        return False
    _, start, end, begin, stop = blocks[0]
    if overlap(old, new) < 0.5:
        return False
    if start == 0:
        rest = old[end:]
        return bool(rest) and rest[0] in {"leads", "manages", "owns", "runs", "heads"}
    same_type = is_number(old[start:end]) == is_number(new[begin:stop])
    before = old[:start]
    return same_type and (end == len(old) or is_number(old[start:end])) and bool(SINGLE & set(before))


def is_number(words: list[str]) -> bool:
    return any(any(sign.isdigit() for sign in word) for word in words)


def overlap(left: list[str], right: list[str]) -> float:
    """The share of the shorter one's words that the other has."""
    return len(set(left) & set(right)) / max(1, min(len(set(left)), len(set(right))))


def content(statement: Statement) -> list[str]:
    """The words that say something, in their order."""
    said = squeeze(MORE.sub(" ", FILLERS.sub(" ", statement.words)))
    return [number(word) for word in MARKS.findall(said) if word not in {"the", "a", "an", "that", "really"}]


def number(word: str) -> str:
    return NUMBERS.get(word, word) if word not in {"a", "an", "no"} else word
