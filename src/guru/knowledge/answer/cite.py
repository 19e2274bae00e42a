"""Sentence by sentence: check what a model wrote against its sources, put the markers right, cite verbatim spans."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from guru.knowledge.answer.evidence import Evidence, Quote
from guru.knowledge.answer.markers import find_markers, strip_markers
from guru.knowledge.answer.support import SUPPORTED, Judge, Support
from guru.types import Citation, Cited, Delta, Event, Unsupported

Stored = Callable[[str, int, int], Awaitable[str]]
"""`await stored(document_id, start, end)`: that span of the document's stored text."""
Record = Callable[[str, object], None]
"""Notes something for the trace."""

_FINAL: Final = re.compile(r"[.!?…。！？:;,]*[\"'”’»)*_`]*$")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")


class Checked(Struct, frozen=True):
    """A sentence as it is shown, with white space after it."""

    text: str
    claim: bool
    citations: list[Citation] = []
    """New ones; a marker may also repeat an earlier citation."""
    supported: bool = False
    answers: bool = False
    """It is supported, and can be an answer to the question."""


class Citer:
    """Turns sentences into events. Knows what has been cited and how long the answer is."""

    def __init__(
        self,
        evidence: Evidence,
        judge: Judge,
        sources: list[int],
        stored: Stored,
        *,
        collection: str = "",
        record: Record,
    ) -> None:
        """`sources` are the passages that the model saw: `[n]` is passage `n - 1`."""
        self._evidence = evidence
        self._judge = judge
        self._sources = sources
        self._stored = stored
        self._collection = collection
        self._record = record
        self._cited: dict[tuple[str, int, int], Citation] = {}
        self._length = 0
        self._in_code = False

    async def check(self, sentence: str) -> Checked:
        """Verify a sentence and set its markers. Nothing is emitted yet."""
        if _FENCE.match(sentence):
            self._in_code = not self._in_code
            return Checked(sentence, claim=False)
        if self._in_code:
            return Checked(sentence, claim=False)
        plain = strip_markers(sentence)
        if not self._judge.is_claim(plain):
            return Checked(plain, claim=False)
        written = {n - 1 for marker in find_markers(sentence) for n in marker.numbers} & set(self._sources)
        citations = await self._cite(plain.strip(), sorted(written))
        new = [citation for citation, _, is_new in citations if is_new]
        numbers = {source: citation.n for citation, source, _ in citations}
        answers = bool(citations) and self._judge.answers(plain)
        return Checked(set_markers(sentence, numbers), True, new, supported=bool(citations), answers=answers)

    def emit(self, checked: Checked) -> list[Event]:
        """The sentence, its new citations, and whether it stands alone."""
        start = self._length
        self._length += len(checked.text)
        events: list[Event] = [Delta(text=checked.text)] if checked.text else []
        if checked.citations:
            events.append(Cited(checked.citations))
        if checked.claim and not checked.supported and checked.text.strip():
            body = checked.text.rstrip()
            lead = len(body) - len(body.lstrip())
            events.append(Unsupported(start + lead, start + len(body)))
        return events

    async def quote(self, quotes: list[Quote]) -> list[Event]:
        """Show quotes of the evidence, instead of sentences that were checked and not shown, each with its citation.
        Empty when none can be verified."""
        self._cited.clear()
        events: list[Event] = []
        for quote in quotes:
            support = Support(quote.passage, quote.start, quote.end, quote.text, quote.score)
            if (made := await self._citation(support)) is None:
                continue
            citation, is_new = made
            gap = "\n\n" if self._length else ""
            shown = " ".join(strip_markers(quote.text).split())
            events += self.emit(
                Checked(f"{gap}“{shown}” [{citation.n}]", True, [citation] if is_new else [], supported=True)
            )
        return events

    async def _cite(self, claim: str, written: list[int]) -> list[tuple[Citation, int, bool]]:
        """The verified citations of a claim with their sources: those it names, or else the best that there is."""
        supports = [s for source in written if (s := await self._find(claim, [source]))]
        supports = supports or self._judge.find_together(claim, written)
        if not supports:
            others = [source for source in self._sources if source not in written]
            supports = [s] if (s := await self._find(claim, others)) else []
        made = [(await self._citation(support), support.passage) for support in supports]
        found = [(pair[0], source, pair[1]) for pair, source in made if pair is not None]
        self._record("sentence", {"text": claim, "written": written, "cited": [c.n for c, _, _ in found],
                                  "support": max((s.score for s in supports), default=0.0)})  # fmt: skip
        return found

    async def _find(self, claim: str, passages: list[int]) -> Support | None:
        support = await self._judge.find(claim, passages)
        return support if support and support.score >= SUPPORTED else None

    async def _citation(self, support: Support) -> tuple[Citation, bool] | None:
        """The citation of a span, and whether it is new. None when the stored text says otherwise."""
        hit = self._evidence.passages[support.passage].hit
        for (document, start, end), known in self._cited.items():
            if document == hit.document_id and start <= support.start and support.end <= end:
                return known, False
        if await self._stored(hit.document_id, support.start, support.end) != support.text:
            self._record("dropped_citation", {"document": hit.document, "start": support.start, "end": support.end})
            return None
        citation = Citation(
            n=self._number(support.passage + 1),
            document=hit.document,
            document_id=hit.document_id,
            page=hit.page,
            start=support.start,
            end=support.end,
            quote=support.text,
            score=round(min(1.0, support.score), 4),
            collection=self._collection,
        )
        self._cited[hit.document_id, support.start, support.end] = citation
        return citation, True

    def _number(self, wanted: int) -> int:
        """One number, one quote: a second quote of a source takes the next number that no source has."""
        taken = {citation.n for citation in self._cited.values()}
        return wanted if wanted not in taken else max(*taken, len(self._evidence.passages)) + 1


def set_markers(sentence: str, numbers: dict[int, int]) -> str:
    """`sentence` with markers for the verified sources only (source index to marker number), where the writer put
    them if it did, else before the final stop."""
    placed: set[int] = set()
    pieces: list[str] = []
    position = 0
    for marker in find_markers(sentence):
        before = sentence[position : marker.start]
        kept = list(dict.fromkeys(numbers[n - 1] for n in marker.numbers if n - 1 in numbers))
        pieces.append(before if kept else before.rstrip(" \t"))
        pieces.extend(f"[{number}]" for number in kept)
        placed.update(kept)
        position = marker.end
    text = "".join([*pieces, sentence[position:]])
    missing = [number for number in dict.fromkeys(numbers.values()) if number not in placed]
    return insert_markers(text, missing) if missing else text


def insert_markers(sentence: str, numbers: list[int]) -> str:
    """Put markers before the stop that ends the sentence."""
    body = sentence.rstrip()
    end = _FINAL.search(body)
    place = end.start() if end else len(body)
    return body[:place] + " " + "".join(f"[{n}]" for n in numbers) + body[place:] + sentence[len(body) :]
