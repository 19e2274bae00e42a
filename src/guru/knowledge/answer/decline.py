"""The answer to a question that the documents do not answer: said plainly, with where the nearest passages are."""

from __future__ import annotations

from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.orders import shown_name
from guru.knowledge.answer.prompt import DECLINE
from guru.types import Completed, Delta, Event, Finished, Hit, Usage


def decline(evidence: Evidence, model: str, sure: float) -> list[Event]:
    """The events of a declined question."""
    return [
        Delta(text=decline_text(evidence)),
        Finished("stop"),
        Completed(model=model, usage=Usage(), outcome="declined", confidence=round(sure, 4)),
    ]


def decline_text(evidence: Evidence) -> str:
    """Says so plainly, and where the nearest passages are."""
    places = list(dict.fromkeys(_place(passage.hit) for passage in evidence.passages))[:3]
    if not places:
        return DECLINE
    return f"{DECLINE} The nearest passages, which do not answer it, are in {'; '.join(places)}."


def _place(hit: Hit) -> str:
    name = shown_name(hit.document)
    return f"{name}, page {hit.page}" if hit.page is not None else name
