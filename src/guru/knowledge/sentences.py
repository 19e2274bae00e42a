"""Where sentences begin and end, as offsets in the text: abbreviations, initials, lists, table rows, CJK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_LINE: Final = re.compile(r"[^\n]+")
# A line of its own: a Markdown heading or fence, a row of a table.
_ALONE: Final = re.compile(r"\s{0,3}(?:#{1,6}\s|```|~~~|\|)|.*(?:\t| \| )")
_ITEM: Final = re.compile(r"\s*(?:[-*+•‣◦▪·–—]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_END: Final = re.compile(
    r"""(?P<mark>[.!?…]+)["'”’»)\]]*(?:\[\d{1,3}\])*(?=\s)|(?P<cjk>[。！？｡]+["'”’」』）]*)""",
)
_WORD_BEFORE: Final = re.compile(r"(?:^|[\s(\[\"'“‘«])([^\s(\[\"'“‘«]+)$")
_WORD_AFTER: Final = re.compile(r"\s*[\"'“‘«(\[]*([^\W_]+)?")
_LONGEST_WORD: Final = 24


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Something always follows these.
_OPEN: Final = _words(
    "mr mrs ms mx dr prof st sen rep gov gen col lt sgt capt cpt cmdr adm rev hon pres supt messrs mme mlle "
    "e.g i.e cf vs viz fig figs eq eqs vol vols ch chap sec art pp ed eds trans approx est ca al. "
    "z.b d.h u.a bzw ggf evtl inkl hr fr nr str bd jh jhd p.ex env av jr. sig sra dott"
)
# These end a sentence only when what follows looks like the beginning of one.
_CLOSING: Final = _words(
    "inc ltd co corp plc llc bros jr sr esq etc al usw jan feb mar apr jun jul aug sep sept oct nov dec "
    "a.m p.m b.c a.d b.c.e c.e ph.d m.d b.a m.a u.s u.k u.n e.u d.c"
)
# A number follows these; otherwise they are words.
_BEFORE_NUMBERS: Final = _words("no nos p art sec fig ch n° nr")
_STARTERS: Final = _words(
    "the a an this that these those it its he she they we you i his her their our in on at by for from with as "
    "after before when while if although however but and or so there here then some many most all no one two "
    "what who where why how is are was were did do does can could will would should may to according during "
    "der die das ein eine es er sie wir im am le la les un une il elle el los las"
)


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences of `text[start:end]`, in order, without the white space around them.

    Every character that is not white space lies in exactly one span. A list item, a table row and a Markdown
    heading are sentences; a blank line always ends one.
    """
    end = len(text) if end is None else end
    return [
        span
        for block in _blocks(text, start, end)
        for piece in _cut(text, *block)
        if (span := strip_span(text, *piece))
    ]


def strip_span(text: str, start: int, end: int) -> Span | None:
    """The span without white space at its ends; None when nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def _blocks(text: str, start: int, end: int) -> Iterator[Span]:
    """Runs of lines that flow on: no blank line, list item, table row or heading between them."""
    begin = last = start
    for line in _LINE.finditer(text, start, end):
        content = line.group()
        gap = text.count("\n", last, line.start()) > 1 or not content.strip()
        alone = _ALONE.match(content) is not None
        if (gap or alone or _ITEM.match(content)) and begin < line.start():
            yield begin, line.start()
            begin = line.start()
        if alone:
            yield begin, line.end()
            begin = line.end()
        last = line.end()
    if begin < end:
        yield begin, end


def _cut(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _END.finditer(text, start, end):
        if match.group("cjk") or _ends_here(text, begin, match, end):
            yield begin, match.end()
            begin = match.end()
    if begin < end:
        yield begin, end


def _ends_here(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    after = _WORD_AFTER.match(text, match.end(), end)
    following = (after.group(1) or "") if after else ""
    if following[:1].islower():
        return False
    if match.group("mark") != ".":
        return True
    opening = max(begin, match.start() - _LONGEST_WORD)
    before = _WORD_BEFORE.search(text[opening : match.start()])
    if before is None:
        return True
    word = before.group(1)
    lowered = word.lower()
    if lowered in _BEFORE_NUMBERS:
        return not following[:1].isdigit()
    if lowered in _OPEN:
        return False
    # A number or letter that opens the sentence is the mark of a list: "2. The pump".
    if len(word) <= 3 and (word.isdigit() or len(word) == 1) and not text[begin : opening + before.start(1)].strip():
        return False
    initial = len(word) == 1 and word.isupper()
    if initial or lowered in _CLOSING or "." in word.strip("."):
        return following.lower() in _STARTERS
    return True
