"""Sentence by sentence: check what a model wrote against its sources, put the markers right, cite verbatim spans."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import Struct

from guru.knowledge.answer.conflicts import Disagreement, Side
from guru.knowledge.answer.evidence import Evidence, Quote
from guru.knowledge.answer.features import Passage
from guru.knowledge.answer.markers import find_markers, strip_markers
from guru.knowledge.answer.orders import overrides, without_images
from guru.knowledge.answer.reading import best_span
from guru.knowledge.answer.support import SUPPORTED, Judge, Support
from guru.types import Citation, Cited, CitedAnswer, Conflict, Delta, Disputed, Event, Position, Unsupported

Stored = Callable[[str, int, int], Awaitable[str]]
"""`await stored(document_id, start, end)`: that span of the document's stored text."""
Record = Callable[[str, object], None]
"""Notes something for the trace."""

_FINAL: Final = re.compile(r"[.!?…。！？:;,]*[\"'”’»)*_`]*$")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")


class Checked(Struct, frozen=True):
    """A sentence, with white space after it. A claim still has its writer's markers: they get their numbers when it is
    shown."""

    text: str
    claim: bool
    sources: dict[int, Citation] = {}
    """The citation of each source that stands behind it, not yet numbered."""
    supported: bool = False
    answers: bool = False
    """It is supported, and can be an answer to the question."""
    is_code: bool = False
    """A line of a code block, in which `[1]` is no marker."""


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
        self._shown: list[Citation] = []
        self._length = 0
        self._in_code = False
        self._strict = any(map(speaks, (evidence.passages[index] for index in sources)))

    @property
    def cited(self) -> set[str]:
        """The names of the documents that are cited so far."""
        return {citation.document for citation in self._shown}

    async def check(self, sentence: str) -> Checked:
        """Verify a sentence and set its markers. Nothing is emitted yet."""
        if _FENCE.match(sentence):
            self._in_code = not self._in_code
            return Checked(sentence, claim=False)
        if self._in_code:
            known = not sentence.strip() or self._judge.is_verbatim(sentence, self._sources)
            return Checked(sentence, claim=not known, is_code=True)
        sentence = without_images(sentence)
        plain = strip_markers(sentence)
        if not self._judge.is_claim(plain):
            return Checked(plain, claim=False)
        named = [n - 1 for marker in find_markers(sentence) for n in marker.numbers]
        sources = await self._cite(plain.strip(), [n for n in dict.fromkeys(named) if n in self._sources])
        answers = bool(sources) and self._judge.answers(plain)
        return Checked(sentence, True, sources, supported=bool(sources), answers=answers)

    def emit(self, checked: Checked) -> list[Event]:
        """The sentence, its new citations, and whether it stands alone. Citations are numbered 1, 2, 3 ... in the order
        in which they are shown, whatever numbers the sources had for the model.

        Where a source gives orders to the model, nothing is shown for which no source stands: it may have obeyed.
        """
        new: list[Citation] = []
        numbers = {source: self._number(citation, new) for source, citation in checked.sources.items()}
        marked = checked.claim and not checked.is_code
        text = set_markers(checked.text, numbers) if marked else checked.text
        if self._strict and not checked.supported and (checked.claim or "://" in text):
            self._record("withheld", text)
            return []
        start = self._length
        self._length += len(text)
        events: list[Event] = [Delta(text=text)] if text else []
        if new:
            events.append(Cited(new))
        if checked.claim and not checked.supported and text.strip():
            body = text.rstrip()
            lead = len(body) - len(body.lstrip())
            events.append(Unsupported(start + lead, start + len(body)))
        return events

    def _number(self, citation: Citation, new: list[Citation]) -> int:
        """Its number: that of a citation shown already when that has its span, else the next, and it joins `new`."""
        for known in self._shown:
            same = known.document_id == citation.document_id
            if same and known.start <= citation.start and citation.end <= known.end:
                return known.n
        numbered = msgspec.structs.replace(citation, n=len(self._shown) + 1)
        self._shown.append(numbered)
        new.append(numbered)
        return numbered.n

    async def quote(self, quotes: list[Quote], *, lead: str | None = None) -> list[Event]:
        """Show quotes of the evidence, each with its citation. Empty when none can be verified. `lead` stands before
        each, in place of an empty line between two."""
        events: list[Event] = []
        for quote in quotes:
            support = Support(quote.passage, quote.start, quote.end, quote.text, quote.score)
            if (citation := await self._citation(support)) is None:
                continue
            gap = lead if lead is not None else "\n\n" if self._length else ""
            text = f"{gap}{self._shown_as(quote)} [{quote.passage + 1}]"
            events += self.emit(Checked(text, True, {quote.passage: citation}, supported=True))
        return events

    async def disagree(self, found: list[Disagreement]) -> list[Event]:
        """Say where sources disagree, with a citation for each side. Empty when nothing that was cited is disputed, or
        when the sides cannot be verified."""
        events: list[Event] = []
        conflicts = []
        for disagreement in found:
            if not any(self._is_cited(side) for side in disagreement.sides):
                continue
            supports = [Support(side.passage, side.start, side.end, side.text, 1.0) for side in disagreement.sides]
            made = [(side, await self._citation(s)) for side, s in zip(disagreement.sides, supports, strict=True)]
            sides = [(side, citation) for side, citation in made if citation is not None]
            if len(sides) < 2:
                continue
            said = "; ".join(
                f"“{plain(side.says)}” [{side.passage + 1}]{f' ({side.date})' if side.date else ''}"
                for side, _ in sides
            )
            gap = "\n\n" if self._length else ""
            cited = {side.passage: citation for side, citation in sides}
            events += self.emit(Checked(f"{gap}The sources disagree: {said}.", True, cited, supported=True))
            positions = [
                Position(n=self._number(citation, []), says=side.says, document=citation.document, date=side.date)
                for side, citation in sides
            ]
            conflicts.append(Conflict(kind=disagreement.kind, positions=positions))
        return [*events, Disputed(conflicts)] if conflicts else []

    def _is_cited(self, side: Side) -> bool:
        document = self._evidence.passages[side.passage].hit.document_id
        return any(c.document_id == document and c.start < side.end and side.start < c.end for c in self._shown)

    def _shown_as(self, quote: Quote) -> str:
        """A quotation; the row of a table is read with the names of its columns, which a quotation cannot have."""
        shown = " ".join(strip_markers(without_images(self._evidence.said(quote))).split())
        return f"“{shown}”" if self._evidence.row(quote) is None else shown

    async def _cite(self, claim: str, written: list[int]) -> dict[int, Citation]:
        """The verified citations of a claim by source: those it names, or else the best that there is."""
        supports = [s for source in written if (s := await self._find(claim, [source]))]
        supports = supports or self._judge.find_together(claim, written)
        if not supports:
            others = [source for source in self._sources if source not in written]
            supports = [s] if (s := await self._find(claim, others)) else []
        made = [(support.passage, await self._citation(support)) for support in supports]
        found = {source: citation for source, citation in made if citation is not None}
        self._record("sentence", {"text": claim, "written": written, "cited": list(found),
                                  "support": max((s.score for s in supports), default=0.0)})  # fmt: skip
        return found

    async def _find(self, claim: str, passages: list[int]) -> Support | None:
        support = await self._judge.find(claim, passages)
        return support if support and support.score >= SUPPORTED else None

    async def _citation(self, support: Support) -> Citation | None:
        """The citation of a span, not yet numbered. None when the stored text says otherwise."""
        passage = self._evidence.passages[support.passage]
        hit = passage.hit
        if await self._stored(hit.document_id, support.start, support.end) != support.text:
            self._record("dropped_citation", {"document": hit.document, "start": support.start, "end": support.end})
            return None
        return Citation(
            n=0,
            document=hit.document,
            document_id=hit.document_id,
            page=hit.page_at(support.start),
            start=support.start,
            end=support.end,
            quote=support.text,
            score=round(min(1.0, support.score), 4),
            collection=self._collection,
            answer=cited_answer(self._evidence, support),
        )


def speaks(passage: Passage) -> bool:
    """Whether a source, or what is told about it, gives orders to the model that reads it."""
    hit = passage.hit
    return any(map(overrides, (hit.document, hit.title or "", *hit.heading_path, hit.text)))


def plain(text: str) -> str:
    """Words of a document for the text of an answer: on one line, without anything that looks like a marker."""
    return " ".join(strip_markers(without_images(text)).split()).rstrip(".")


def cited_answer(evidence: Evidence, support: Support) -> CitedAnswer | None:
    """The words of the span that answer: the cell of a row, or what the reader takes for the answer. None without."""
    passage = evidence.passages[support.passage]
    found = evidence.cell_at(support.passage, support.start) or best_span(passage, support.start, support.end)
    return None if found is None else CitedAnswer(found.start, found.end, passage.slice(found.start, found.end))


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
