"""Questions with their passages, hard negatives and questions that only look answerable, from SQuAD-like files.

Four kinds of pairs teach the reader what an answer is:

- a question and the passage that answers it, with the span;
- a question and a passage that BM25 or the embedder finds for it, and that is another one;
- a question and its passage without the sentences that hold the answer: all the right words, and no answer;
- a question changed in one place (a number, a name, an opposite) and the passage that answered it before.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

WORD = re.compile(r"\w+")
SENTENCE = re.compile(r"[^.!?\n]+[.!?\n]*\s*")
NUMBER = re.compile(r"\b\d[\d,.]*\b")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
OPPOSITES = {
    "first": "last", "before": "after", "more": "less", "most": "least", "largest": "smallest", "highest": "lowest",
    "increase": "decrease", "new": "old", "north": "south", "east": "west", "good": "bad", "like": "dislike",
    "best": "worst", "always": "never", "start": "stop", "begin": "end", "higher": "lower", "bigger": "smaller",
    "longer": "shorter", "better": "worse", "inside": "outside", "above": "below", "early": "late", "buy": "sell",
    "open": "close", "win": "lose", "strong": "weak", "cheap": "expensive", "easy": "difficult", "many": "few",
    "male": "female", "mother": "father", "son": "daughter", "brother": "sister", "husband": "wife", "day": "night",
}  # fmt: skip
OPPOSITES |= {second: first for first, second in OPPOSITES.items()}
_STOP_WORDS = """
a an the of in on at to for by with from is are was were be been do does did has have had what which who whom whose
when where why how many much that this these those it its and or not as if than then there their they he she his her
you your i my we our would could can will should about into out up down
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
DEPTH = 20
"""Passages that are kept for each question as hard negatives."""


@dataclass
class Question:
    text: str
    passage: int
    answers: list[tuple[int, int]]
    """Character spans in the passage, one for each annotator."""
    negatives: list[int] = field(default_factory=list)
    """Other passages that search finds for it, the nearest first."""


@dataclass
class Corpus:
    passages: list[str]
    articles: list[int]
    """Which article each passage is of."""
    questions: list[Question]


def read(files: Iterable[Path]) -> Corpus:
    """Every question whose spans stand where the file says."""
    corpus = Corpus([], [], [])
    article = -1
    for file in files:
        for entry in json.loads(file.read_text("utf-8"))["data"]:
            article += 1
            for paragraph in entry["paragraphs"]:
                context = paragraph["context"]
                corpus.passages.append(context)
                corpus.articles.append(article)
                for asked in paragraph["qas"]:
                    spans = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in asked["answers"]]
                    kept = [
                        (start, end)
                        for (start, end), a in zip(spans, asked["answers"], strict=True)
                        if context[start:end] == a["text"] and a["text"].strip()
                    ]
                    if kept:
                        corpus.questions.append(Question(asked["question"].strip(), len(corpus.passages) - 1, kept))
    return corpus


def split(corpus: Corpus, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the questions to learn from, and of those held out. No passage has questions in both."""
    order = list(range(len(corpus.passages)))
    random.Random(seed).shuffle(order)
    held = set(order[: round(len(order) * share)])
    learn = [number for number, question in enumerate(corpus.questions) if question.passage not in held]
    out = [number for number, question in enumerate(corpus.questions) if question.passage in held]
    return learn, out


# --------------------------------------------------------------------------- hard negatives


def mine(corpus: Corpus, embed: Callable[[Sequence[str]], np.ndarray]) -> None:
    """Fill `negatives`: what BM25 and the embedder find, taken in turns, without passages that hold an answer."""
    vectors = embed(corpus.passages)
    asked = embed([question.text for question in corpus.questions])
    bm25 = Bm25(corpus.passages)
    for number, question in enumerate(corpus.questions):
        dense = np.argsort(-(vectors @ asked[number]), kind="stable")[: 2 * DEPTH]
        sparse = np.argsort(-bm25.scores(question.text), kind="stable")[: 2 * DEPTH]
        answers = {corpus.passages[question.passage][start:end].lower() for start, end in question.answers}
        both = dict.fromkeys(int(place) for pair in zip(sparse, dense, strict=True) for place in pair)
        question.negatives = [
            place
            for place in both
            if place != question.passage and not any(answer in corpus.passages[place].lower() for answer in answers)
        ][:DEPTH]


class Bm25:
    """Okapi BM25 (k1 1.2, b 0.75) over words in lower case."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        counts = [Counter(words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float32)
        norm = 1.2 * (0.25 + 0.75 * lengths / max(float(lengths.mean()), 1.0))
        places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for word, times in count.items():
                places[word].append((place, times))
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for word, found in places.items():
            where = np.array([place for place, _ in found])
            times = np.array([number for _, number in found], np.float32)
            idf = np.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
            self._postings[word] = where, idf * times * 2.2 / (times + norm[where])

    def scores(self, text: str) -> np.ndarray:
        total = np.zeros(self._size, np.float32)
        for word in set(words(text)):
            if word in self._postings:
                where, weights = self._postings[word]
                total[where] += weights
        return total


def words(text: str) -> list[str]:
    return [word for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


# --------------------------------------------------------------------------- what only looks answerable


def without_answer(passage: str, answers: Sequence[tuple[int, int]]) -> str | None:
    """The passage without the sentences that touch an answer; None when too little is left, or it is said again."""
    kept = [
        found.group()
        for found in SENTENCE.finditer(passage)
        if not any(found.start() < end and start < found.end() for start, end in answers)
    ]
    rest = "".join(kept).strip()
    if len(rest) < 40 or any(passage[start:end].lower() in rest.lower() for start, end in answers):
        return None
    return rest


class Changer:
    """Changes a question in one place, so that its passage answers it no more."""

    def __init__(self, corpus: Corpus) -> None:
        names = {name for question in corpus.questions for name in NAME.findall(question.text)}
        self._names = sorted(names)
        common = Counter(word for question in corpus.questions for word in set(words(question.text)) if len(word) > 3)
        self._words = [word for word, count in common.most_common(3000) if count > 2 and word.isalpha()]

    def change(self, question: str, passage: str, dice: random.Random) -> str | None:
        """Another question; None when there is no place to change."""
        ways = [way for way in (self._number, self._opposite, self._name, self._word) if dice.random() < 0.8]
        for way in ways:
            changed = way(question, passage, dice)
            if changed is not None and changed != question:
                return changed
        return None

    def _number(self, question: str, passage: str, dice: random.Random) -> str | None:
        found = NUMBER.search(question)
        if found is None:
            return None
        return (
            question[: found.start()]
            + str(dice.choice([2, 3, 5, 7, 12, 40, 150, 1950, 2005, 2030]))
            + question[found.end() :]
        )

    def _opposite(self, question: str, passage: str, dice: random.Random) -> str | None:
        places = [found for found in WORD.finditer(question) if found.group().lower() in OPPOSITES]
        if not places:
            return None
        found = dice.choice(places)
        return question[: found.start()] + OPPOSITES[found.group().lower()] + question[found.end() :]

    def _name(self, question: str, passage: str, dice: random.Random) -> str | None:
        found = NAME.search(question)
        if found is None:
            return None
        for _ in range(5):
            other = dice.choice(self._names)
            if other not in question and other not in passage:
                return question[: found.start()] + other + question[found.end() :]
        return None

    def _word(self, question: str, passage: str, dice: random.Random) -> str | None:
        """A telling word that the passage has, for one that it has not."""
        inside = passage.lower()
        places = [
            found for found in WORD.finditer(question)
            if len(word := found.group().lower()) > 3 and word not in STOP_WORDS and word[:5] in inside
        ]  # fmt: skip
        if not places:
            return None
        found = dice.choice(places)
        for _ in range(8):
            other = dice.choice(self._words)
            if other[:5] not in inside and other[:4] != found.group().lower()[:4]:
                return question[: found.start()] + other + question[found.end() :]
        return None
