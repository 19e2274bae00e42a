"""An answer on the screen: its text as it streams in, then its sources."""

from __future__ import annotations

from typing import Any, Self

import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from guru.cli.output import clean, console, human_seconds, one_line, plural, print_indented
from guru.errors import GuruError

JSON = dict[str, Any]


class AnswerPrinter:
    """Shows the events of one answer, as they come. `finish` prints what stands below the text.

    As a context it shows, on a terminal, what is being waited for until the text begins.
    """

    def __init__(self) -> None:
        self.console: Console = console()
        self._waiting: Status | None = None
        self.text = ""
        self.citations: list[JSON] = []
        self.unsupported: list[JSON] = []
        self.conflicts: list[JSON] = []
        self.progress: JSON = {}
        self.completed: JSON = {}
        self.trace_id = ""

    def __enter__(self) -> Self:
        screen = console(stderr=True)
        if screen.is_terminal:
            self._waiting = screen.status("Searching")
            self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_waiting()

    def show(self, event: str, data: Any) -> None:
        """Take one event of the stream."""
        if event == "started":
            self.trace_id = data.get("trace_id", "")
        elif event == "retrieved" and self._waiting is not None:
            self._waiting.update(f"Reading {plural(len(data['hits']), 'passage')}")
        elif event == "delta":
            self._stop_waiting()
            piece = data.get("text", "")
            self.text += piece
            click.echo(clean(piece), nl=False)
        elif event == "cited":
            self.citations += data["citations"]
        elif event == "unsupported":
            self.unsupported.append(data)
        elif event == "disputed":
            self.conflicts += data["conflicts"]
        elif event == "progress":
            self.progress = data
            if self._waiting is not None:
                self._waiting.update(progress_line(data))
        elif event == "completed":
            self.completed = data

    def finish(self) -> None:
        """Print the sources, what has no source, and what it took. Raises `GuruError` when the answer was cut off."""
        self._stop_waiting()
        if self.text and not self.text.endswith("\n"):
            click.echo()
        if self.citations:
            click.echo()
            print_citations(self.console, self.citations)
        if self.unsupported:
            click.echo()
            print_unsupported(self.console, self.text, self.unsupported)
        if self.conflicts:
            click.echo()
            print_conflicts(self.console, self.conflicts)
        if self.progress.get("unread"):
            click.echo()
            print_unread(self.console, self.progress)
        if self.completed and self.console.is_terminal:
            self.console.print(Text(f"\n{self._footer()}", style="dim"), soft_wrap=True)
        if not self.completed:
            raise GuruError("The answer was cut off.", hint="Ask again; the server's log says what happened.")

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _footer(self) -> str:
        """Which model, how sure, how long, and where to look closer."""
        parts = [self.completed.get("model", "")]
        if self.completed.get("outcome") == "quoted":
            parts.append("quoted from the documents")
        if (confidence := self.completed.get("confidence")) is not None:
            parts.append(f"confidence {confidence:.2f}")
        parts.append(human_seconds(self.completed.get("timings", {}).get("total")))
        if self.trace_id:
            parts.append(f"guru trace show {self.trace_id}")
        return " · ".join(part for part in parts if part)


def place(citation: JSON) -> str:
    """`handbook.pdf, page 3`."""
    page = citation.get("page")
    return clean(citation["document"]) + (f", page {page}" if page else "")


def print_citations(console: Console, citations: list[JSON]) -> None:
    """The sources below an answer: number, document, page and quote."""
    for citation in citations:
        console.print(Text.assemble((f"[{citation['n']}] ", "bold cyan"), (place(citation), "bold")), soft_wrap=True)
        print_indented(console, f"“{one_line(citation['quote'], 600)}”", "italic", answer_words(citation))


def answer_words(citation: JSON) -> str:
    """The words of the quote that answer, on one line as the quote is; empty where no reader has said."""
    return one_line(citation["answer"]["text"]) if citation.get("answer") else ""


def print_conflicts(console: Console, conflicts: list[JSON]) -> None:
    """Where sources disagree: what each says, the newest first."""
    for conflict in conflicts:
        console.print(Text("The sources disagree", style="bold yellow"), soft_wrap=True)
        for position in conflict["positions"]:
            dated = f", {clean(position['date'])}" if position.get("date") else ""
            line = Text.assemble((f"[{position['n']}] ", "bold cyan"), f"“{one_line(position['says'], 200)}”")
            console.print(line.append(f" {clean(position['document'])}{dated}", style="dim"), soft_wrap=True)


def progress_line(progress: JSON) -> str:
    """`Reading documents: 3 of 12`."""
    if progress["stage"] == "reduce":
        return f"Putting together what {plural(progress['answered'], 'document')} say"
    return f"Reading documents: {progress['done']} of {progress['total']}"


def print_unread(console: Console, progress: JSON) -> None:
    """The documents of which the answer knows nothing, with the reason."""
    for unread in progress["unread"]:
        line = Text.assemble(
            ("Not read: ", "bold yellow"), clean(unread["document"]), f" ({one_line(unread['reason'])})"
        )
        console.print(line, soft_wrap=True)


def print_unsupported(console: Console, answer: str, spans: list[JSON]) -> None:
    """The sentences of the answer for which no passage stands."""
    for span in spans:
        sentence = one_line(answer[span["start"] : span["end"]])
        console.print(Text.assemble(("Without support: ", "bold yellow"), f"“{sentence}”"), soft_wrap=True)
