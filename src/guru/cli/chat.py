"""`guru chat`: a conversation in the terminal, kept by the server as any other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import home_option, model_option

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from guru.cli.client import Client

JSON = dict[str, Any]
HELP = """\
/new      begin another conversation
/history  show this one
/retry    answer the last question again
/quit     leave (Ctrl-D does too); Ctrl-C stops an answer"""


@click.command
@click.option("-c", "--collection", metavar="NAME", help="Answer from this collection, with citations.")
@model_option
@click.option(
    "--memory/--no-memory", default=None, help="Use what is remembered of you.  [default: as the configuration says]"
)
@click.option("--continue", "conversation", metavar="ID", help="Go on with a conversation; `last` is the latest.")
@home_option
def command(
    collection: str | None, model: str | None, memory: bool | None, conversation: str | None, home: Path
) -> None:
    """Talk, with history. With --collection the answers come from its documents and cite them."""
    with connected(home) as (portal, client):
        session = Session(portal, client, collection, model, memory)
        if conversation:
            session.resume(conversation)
        if sys.stdin.isatty():
            with suppress(ImportError):  # not built into every Python; it gives the arrow keys their meaning
                import readline  # noqa: F401
            click.echo("Ask anything. /help says what else there is; Ctrl-D leaves.")
        for line in lines():
            if not session.take(line):
                return


@contextmanager
def connected(home: Path) -> Iterator[tuple[BlockingPortal, Client]]:
    """A client whose event loop runs beside the prompt: a server in this process goes on while a person types."""
    from anyio.from_thread import start_blocking_portal

    from guru.cli.client import connect

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(connect(home)) as client:
        yield portal, client


def lines() -> Iterator[str]:
    """What is typed, line by line, until the end of input."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            if prompt:
                click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            continue
        if line:
            yield line


class Session:
    """One conversation, made on the server with the first question."""

    def __init__(
        self, portal: BlockingPortal, client: Client, collection: str | None, model: str | None, memory: bool | None
    ) -> None:
        self._portal = portal
        self._client = client
        said = (("collection", collection), ("model", model), ("memory", memory))
        self._settings: JSON = {name: value for name, value in said if value is not None}
        self._conversation: str | None = None
        self._last: str | None = None

    def take(self, line: str) -> bool:
        """Obey a command or ask a question; False when it is time to leave."""
        from guru.cli.main import show_error
        from guru.errors import GuruError

        try:
            if line == "/quit":
                return False
            if line == "/new":
                self._conversation = self._last = None
            elif line == "/history":
                self._portal.call(self._print_history)
            elif line == "/retry":
                self._ask({"regenerate": self._last} if self._last else None)
            elif line.startswith("/"):
                click.echo(HELP)
            else:
                self._ask({"content": line, "parent_id": self._last} if self._last else {"content": line})
        except GuruError as error:
            show_error(error)
        return True

    def resume(self, conversation: str) -> None:
        """Go on where `conversation` stopped."""
        self._portal.call(self._resume, conversation)

    def _ask(self, body: JSON | None) -> None:
        """Stream one answer; Ctrl-C stops it, and the server keeps what had come."""
        if body is None:
            click.echo("There is nothing to retry yet.")
            return
        answer = self._portal.start_task_soon(self._stream, body)
        try:
            answer.result()
        except KeyboardInterrupt:
            answer.cancel()
            with suppress(CancelledError, asyncio.CancelledError):
                answer.result()
            click.echo("\n(stopped)")

    async def _stream(self, body: JSON) -> None:
        from guru.cli.answer import AnswerPrinter

        if self._conversation is None:
            made = await self._client.post("/api/v1/conversations", self._settings)
            self._conversation = made["id"]
        path = f"/api/v1/conversations/{self._conversation}/messages"
        with AnswerPrinter() as printer:
            async for event, data in self._client.stream("POST", path, self._settings | body):
                if event == "message":
                    self._last = data["assistant"]["id"]
                printer.show(event, data)
            printer.finish()

    async def _resume(self, conversation: str) -> None:
        if conversation == "last":
            latest = (await self._client.get("/api/v1/conversations", limit=1))["conversations"]
            conversation = latest[0]["id"] if latest else ""
        if not conversation:
            return
        found = await self._client.get(f"/api/v1/conversations/{conversation}")
        self._conversation = found["id"]
        self._last = found["messages"][-1]["id"] if found["messages"] else None
        await self._print_history()

    async def _print_history(self) -> None:
        from guru.cli.answer import print_citations
        from guru.cli.output import clean, console

        if self._conversation is None:
            return
        found = await self._client.get(f"/api/v1/conversations/{self._conversation}")
        for message in branch(found["messages"], self._last):
            mark = "> " if message["role"] == "user" else ""
            click.echo(f"{mark}{clean(to_text(message['content']))}")
            print_citations(console(), message["citations"])


def branch(messages: list[JSON], last: str | None) -> list[JSON]:
    """The messages from the first one down to `last`, in a tree of them."""
    by_id = {message["id"]: message for message in messages}
    path: list[JSON] = []
    while last is not None and (message := by_id.get(last)):
        path.insert(0, message)
        last = message["parent_id"]
    return path


def to_text(content: Any) -> str:
    """The text of a message's content: a string, or parts of which the text ones count."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or () if isinstance(part, dict))
