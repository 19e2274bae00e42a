"""Following a job: a progress bar where there is a terminal, and Ctrl-C that asks before it leaves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from guru.cli.client import Client
from guru.cli.output import console, human_bytes, one_line
from guru.errors import Conflict, GuruError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

JSON = dict[str, Any]
ENDED = ("done", "failed", "cancelled")


class Cancelled(GuruError):
    """Somebody cancelled the job that was followed."""


async def follow(client: Client, job: JSON, title: str, *, unit: str = "files") -> JSON:
    """Show a job's progress on stderr until it has ended; returns the job as it ended.

    The first Ctrl-C asks the server to cancel; the second leaves the job to the server and raises `KeyboardInterrupt`.
    So does a first one that the job outran, as whoever pressed it wants to stop.
    """
    news: asyncio.Queue[JSON | int | GuruError] = asyncio.Queue()
    reader = asyncio.create_task(read_updates(client, job["id"], news))
    try:
        with interrupts(news) as count, progress_bar(title, unit) as show:
            while job["status"] not in ENDED:
                item = await news.get()
                if isinstance(item, GuruError):
                    raise item
                if isinstance(item, int):
                    await interrupt(client, job, item)
                else:
                    job = item
                    show(job)
            if job["status"] == "done" and count():
                raise KeyboardInterrupt
    finally:
        reader.cancel()
    return job


async def read_updates(client: Client, job_id: str, news: asyncio.Queue[JSON | int | GuruError]) -> None:
    """Put every state of the job on `news`, and the error that ends the stream if one does."""
    try:
        async for _, data in client.stream("GET", f"/api/v1/jobs/{job_id}/events"):
            if isinstance(data, dict) and "status" in data:
                news.put_nowait(data)
        news.put_nowait(await client.get(f"/api/v1/jobs/{job_id}"))
    except GuruError as error:
        news.put_nowait(error)


async def interrupt(client: Client, job: JSON, count: int) -> None:
    """Cancel on the first Ctrl-C; leave on the second."""
    if count > 1:
        raise KeyboardInterrupt
    click.echo("\nCancelling; what is done stays. Ctrl-C again leaves the job running.", err=True)
    with suppress(Conflict):  # it has just ended
        await client.post(f"/api/v1/jobs/{job['id']}/cancel")


def result_of(job: JSON) -> JSON:
    """What a job that ended has to say. Raises `GuruError` when it failed, `Cancelled` when it was cancelled."""
    if job["status"] == "done":
        return dict(job["result"] or {})
    if job["status"] == "cancelled":
        raise Cancelled("The job was cancelled; what it had finished stays.", hint="Run the command again to go on.")
    raise GuruError(job.get("error") or "The job failed.", hint="`guru doctor` may tell why.")


@contextmanager
def interrupts(queue: asyncio.Queue[Any]) -> Iterator[Callable[[], int]]:
    """Turn Ctrl-C into numbers on `queue`: 1 for the first, 2 for the second. Yields how to ask for their count."""
    loop = asyncio.get_running_loop()
    pressed = 0

    def press() -> None:
        nonlocal pressed
        pressed += 1
        queue.put_nowait(pressed)

    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(title: str, unit: str) -> Iterator[Any]:
    """A function that shows a job; it does nothing where stderr is no terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda _job: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = ("{task.description}", "{task.fields[count]}", "{task.fields[detail]}")
    description, count, detail = (TextColumn(column, markup=False) for column in columns)
    with Progress(
        SpinnerColumn(), description, BarColumn(), count, TimeElapsedColumn(), detail, console=screen, transient=True
    ) as progress:
        task = progress.add_task(title, total=None, count="", detail="")
        yield lambda job: show_progress(progress, task, job["progress"], unit)


def show_progress(progress: Progress, task: TaskID, state: JSON, unit: str) -> None:
    """Bring the bar to what the job says of itself."""
    total, done = state.get("total"), state.get("done", 0)
    reached = done + state.get("skipped", 0) + state.get("failed", 0)
    if unit == "bytes":
        count = f"{human_bytes(done)} of {human_bytes(total)}"
    else:
        count = f"{reached}/{total}" if total else f"{reached}"
    extras = [f"{state[name]} {name}" for name in ("skipped", "failed") if state.get(name)]
    current = one_line(str(state.get("current") or ""), 50)
    detail = " · ".join([*extras, current]) if current else " · ".join(extras)
    progress.update(task, total=total or None, completed=reached, count=count, detail=detail)
