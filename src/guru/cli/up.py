"""`guru up`: start the server, see that it can answer, and say where it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guru.cli.options import home_option

if TYPE_CHECKING:
    from guru.cli.client import Client

SAMPLE_COLLECTION = "handbook"


@click.command
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one.  [default: 8080]")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Read FILE instead of guru.toml.")
@click.option(
    "--docs", type=click.Path(exists=True, path_type=Path), metavar="PATH", help="Ingest these first, into `default`."
)
@click.option("--samples", is_flag=True, help="In a new home, ingest the sample handbook, so that there is one to ask.")
@home_option
def command(
    host: str | None, port: int | None, config: Path | None, docs: Path | None, samples: bool, home: Path
) -> None:
    """Start the server: web pages, OpenAI-compatible API and Guru's own.

    The default model is fetched when it is not there. Ctrl-C stops the server; work that had not ended goes on at
    the next start.
    """
    from guru.cli.client import live_server
    from guru.cli.log import write_log
    from guru.config import Source
    from guru.errors import Conflict
    from guru.server.serve import serve

    source = Source(config, home, flags={"server.host": host, "server.port": port})
    settings = source.load()
    if url := asyncio.run(live_server(home)):
        raise Conflict(f"A server runs on {home} already: {url}", hint="Open that address, or use another --home.")
    write_log(home, screen=True)
    preparation = Preparation(home, docs, samples)
    serve(home, settings, source=source, on_ready=preparation.begin)
    click.echo("Stopped.", err=True)


class Preparation:
    """What is done once the server answers: fetch the model, ingest, say where to go."""

    def __init__(self, home: Path, docs: Path | None, samples: bool) -> None:
        self._home = home
        self._docs = docs
        self._samples = samples
        self._task: asyncio.Task[None] | None = None

    def begin(self, url: str) -> None:
        """Start; called in the server's event loop, which must not wait."""
        self._task = asyncio.get_running_loop().create_task(self._run(url))

    async def _run(self, url: str) -> None:
        from guru.cli.client import connect_live, read_server_file
        from guru.cli.main import show_error
        from guru.errors import GuruError

        click.echo(f"Guru answers at {url}", err=True)
        async with connect_live(self._home, url) as client:
            for step in (self._fetch_model, self._ingest_samples, self._ingest_docs):
                try:
                    await step(client)
                except GuruError as error:
                    if read_server_file(self._home) is None:
                        return  # Ctrl-C came while this went on: the server has taken its address back
                    show_error(error)  # the server is of use without it
            await announce(client, url, self._home)

    async def _fetch_model(self, client: Client) -> None:
        from guru.cli.models import find_model, pull_model

        model = await find_model(client, "default")
        if model["status"] == "not installed":
            await pull_model(client, model["name"])

    async def _ingest_samples(self, client: Client) -> None:
        if self._samples and not (await client.get("/api/v1/collections"))["collections"]:
            from guru.samples import DOCUMENTS

            await ingest_and_report(client, SAMPLE_COLLECTION, [DOCUMENTS])

    async def _ingest_docs(self, client: Client) -> None:
        if self._docs:
            await ingest_and_report(client, "default", [self._docs.absolute()])


async def ingest_and_report(client: Client, collection: str, paths: list[Path]) -> None:
    from guru.cli.ingest import ingest, report

    report(await ingest(client, collection, [str(path) for path in paths]), collection, as_json=False)


async def announce(client: Client, url: str, home: Path) -> None:
    """Say that all is ready, and what to do first."""
    from guru.config import default_home

    collections = (await client.get("/api/v1/collections"))["collections"]
    names = [item["name"] for item in collections]
    where = "" if home == default_home() else f" --home {home}"
    click.echo()
    click.echo(f"Guru is ready: {url}")
    for item in collections:
        click.echo(f"  {item['name']}: {item['documents']} documents")
    if names:
        question = sample_question() if SAMPLE_COLLECTION in names else "…"
        chosen = (
            "" if len(names) == 1 else f" --collection {SAMPLE_COLLECTION if SAMPLE_COLLECTION in names else names[0]}"
        )
        click.echo(f'  In another terminal:  guru ask "{question}"{chosen}{where}')
    else:
        click.echo(f"  Bring documents:      guru ingest PATH{where}")
    click.echo(f"  OpenAI's API:         {url}/v1")
    click.echo("Ctrl-C stops it.")


def sample_question() -> str:
    """The first of the questions that come with the sample documents."""
    from guru.samples import QUESTIONS

    return str(json.loads(QUESTIONS.read_text(encoding="utf-8"))[0]["question"])
