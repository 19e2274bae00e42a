"""How an answer's sources are shown: number, document, page and quote."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from guru.cli.output import clean, one_line

JSON = dict[str, Any]


def place(citation: JSON) -> str:
    """`handbook.pdf, page 3`."""
    page = citation.get("page")
    return clean(citation["document"]) + (f", page {page}" if page else "")


def print_citations(console: Console, citations: list[JSON]) -> None:
    """The sources below an answer."""
    for citation in citations:
        console.print(Text.assemble((f"[{citation['n']}] ", "bold cyan"), (place(citation), "bold")), soft_wrap=True)
        quote = Text(f"“{one_line(citation['quote'], 600)}”", style="italic")
        console.print(Padding(quote, (0, 0, 0, 4)))


def print_unsupported(console: Console, answer: str, spans: list[JSON]) -> None:
    """The sentences of the answer for which no passage stands."""
    for span in spans:
        sentence = one_line(answer[span["start"] : span["end"]])
        console.print(Text.assemble(("Not in the documents: ", "bold yellow"), f"“{sentence}”"), soft_wrap=True)
