"""Questions with what is right for each: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from guru.errors import InvalidParameter

MOST: Final = 10_000
"""Questions in one evaluation."""
Offset = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]


class Place(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A document, or a page or a span `[start, end)` of its stored text."""

    document: str
    page: Number | None = None
    start: Offset | None = None
    end: Offset | None = None


class AnswerText(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An answer, and where it stands in the stored text of the question's document."""

    text: Text
    start: Offset | None = None
    end: Offset | None = None


class Question(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question, and what is right. The most exact that is given counts: see `guru.evaluate.places`."""

    question: Text
    id: str | None = None
    document: str | None = None
    page: Number | None = None
    start: Offset | None = None
    end: Offset | None = None
    answers: list[Text | AnswerText] = []
    """Texts that are each an answer."""
    relevant: list[Place] = []
    """Several places, all of which are needed."""
    impossible: bool = False
    """The documents do not answer it: the right answer is to decline."""
    metadata: dict[str, Any] = {}
    """Notes of whoever made it; they change nothing."""

    @property
    def texts(self) -> list[str]:
        """The answers without their places."""
        return [answer if isinstance(answer, str) else answer.text for answer in self.answers]


def read_questions(lines: Iterable[str]) -> list[Question]:
    """The questions of a JSONL file; empty lines are passed over. Raises `InvalidParameter`, naming the line."""
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question = msgspec.json.decode(line, type=Question)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise wrong(f"line {number}", str(error)) from None
        check(question, f"line {number}")
        found.append(question)
    check_count(found)
    return found


def check_all(questions: Sequence[Question]) -> None:
    """Raises `InvalidParameter`, naming the question by its number from 1."""
    check_count(questions)
    for number, question in enumerate(questions, start=1):
        check(question, f"question {number}")


def check_count(questions: Sequence[Question]) -> None:
    if not questions:
        raise InvalidParameter(
            "There are no questions.", param="questions",
            hint="Write one JSON object a line, or have some made: guru eval questions.",
        )  # fmt: skip
    if len(questions) > MOST:
        raise InvalidParameter(
            f"There are {len(questions):,} questions; the limit is {MOST:,}.", param="questions", hint="Take a sample."
        )


def check(question: Question, where: str) -> None:
    """Raises `InvalidParameter` for what contradicts itself or says nothing of what is right."""
    if not question.question.strip():
        raise wrong(where, "`question` is empty")
    answers = [answer for answer in question.answers if isinstance(answer, AnswerText)]
    places: list[Question | AnswerText | Place] = [question, *answers, *question.relevant]
    for place in places:
        if (place.start is None) != (place.end is None):
            raise wrong(where, "`start` and `end` belong together")
        if place.start is not None and place.end is not None and place.end <= place.start:
            raise wrong(where, "`end` does not lie after `start`")
    placed = question.start is not None or question.page is not None or any(a.start is not None for a in answers)
    if placed and question.document is None:
        raise wrong(where, "a page or a span needs its `document`")
    is_told = bool(question.document or question.answers or question.relevant)
    if not is_told and not question.impossible:
        raise wrong(where, "it does not say what is right: a `document`, `answers`, or `impossible`")
    if question.impossible and (question.answers or question.relevant):
        raise wrong(where, "it is `impossible` and has answers")


def wrong(where: str, what: str) -> InvalidParameter:
    return InvalidParameter(
        f"{where[:1].upper()}{where[1:]}: {what}.", param="questions",
        hint='A line is like {"question": "...", "document": "handbook.pdf", "page": 3, "answers": ["22 weeks"]}.',
    )  # fmt: skip
