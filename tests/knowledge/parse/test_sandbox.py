import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from guru.errors import NotFound, UnreadableDocument
from guru.knowledge.parse import Limits, parse, sandbox
from guru.knowledge.parse.document import MIB
from guru.knowledge.parse.sandbox import ParsePool, stop
from knowledge.parse.writing import pdf


@pytest.fixture
async def make_pool():
    """Pools that are closed at the end of the test, whatever happens."""
    pools = []

    def make(**settings):
        pools.append(ParsePool(**settings))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.aclose()


@pytest.fixture
def pool(make_pool):
    return make_pool(timeout=60)


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "note.md"
    path.write_text("# A note\n\nWith some words in it.\n")
    return path


def workers():
    return [
        child for child in psutil.Process().children() if "guru.knowledge.parse.worker" in " ".join(child.cmdline())
    ]


async def stuck_worker(pool, path):
    """A pool whose only worker reads `path`, a pipe that nobody writes to, and so hangs."""
    os.mkfifo(path)
    task = asyncio.create_task(pool.parse(path, "hangs.txt"))
    while not workers():
        await asyncio.sleep(0.01)
    return task


async def test_a_pool_parses_as_parse_does(pool, note):
    assert await pool.parse(note, "note.md") == parse(note.read_bytes(), "note.md")


async def test_a_worker_is_used_again(pool, note):
    await pool.parse(note, "note.md")
    first = [worker.pid for worker in workers()]
    await pool.parse(note, "note.md")
    assert [worker.pid for worker in workers()] == first


async def test_what_is_wrong_with_a_file_comes_through(pool, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_bytes(b"")
    with pytest.raises(UnreadableDocument, match="empty") as caught:
        await pool.parse(path, "empty.txt")
    assert caught.value.hint


async def test_a_file_that_is_gone_is_an_error_of_that_file(pool, tmp_path, note):
    with pytest.raises(UnreadableDocument, match="No such file"):
        await pool.parse(tmp_path / "gone.txt", "gone.txt")
    assert await pool.parse(note, "note.md")


async def test_files_in_one_exchange_come_out_as_they_do_alone(pool, tmp_path, note):
    empty, picture = tmp_path / "empty.txt", tmp_path / "note.pdf"
    empty.write_bytes(b"")
    picture.write_bytes(pdf(text="Words of a page."))
    document, wrong, gone, pages = await pool.parse_all(
        [(note, "note.md"), (empty, "empty.txt"), (tmp_path / "gone.txt", "gone.txt"), (picture, "note.pdf")]
    )
    assert document == await pool.parse(note, "note.md")
    assert pages == await pool.parse(picture, "note.pdf")
    assert isinstance(wrong, UnreadableDocument)
    assert "empty" in str(wrong)
    assert isinstance(gone, UnreadableDocument)
    assert "No such file" in str(gone)
    assert len(workers()) == 1
    assert await pool.parse_all([]) == []


async def kill_the_reader_of(path):
    """Kill the worker that has `path` open, as soon as there is one."""
    while True:
        for worker in workers():
            opened = Path(f"/proc/{worker.pid}/fd")
            if any(os.path.realpath(number) == str(path) for number in opened.iterdir()):
                worker.kill()
                worker.wait()
                return
        await asyncio.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has open is read from /proc")
async def test_a_worker_that_dies_with_several_files_costs_the_one_whose_fault_it_is(pool, tmp_path, note):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)  # who reads it waits for words that never come
    task = asyncio.create_task(pool.parse_all([(note, "note.md"), (pipe, "hangs.txt"), (note, "other.md")]))
    # With the others; alone, in a worker that was there, whose death is no fault of the file; and in a new one.
    for _ in range(3):
        await kill_the_reader_of(pipe)
    before, killed, after = await task
    os.close(writer)
    assert before.text == after.text == note.read_text()
    assert isinstance(killed, UnreadableDocument)
    assert "crashed" in str(killed)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
async def test_a_file_that_wants_too_much_memory_among_others_is_refused_it_alone(make_pool, tmp_path, note):
    pool = make_pool(memory=400 * MIB, limits=Limits(characters=1_000_000_000))
    big = tmp_path / "big.txt"
    big.write_bytes(b"many words and more " * (8 * MIB))
    before, refused, after = await pool.parse_all([(note, "note.md"), (big, "big.txt"), (note, "other.md")])
    assert before.text == after.text == note.read_text()
    assert isinstance(refused, UnreadableDocument)
    assert "memory" in str(refused)


async def test_pages_are_rendered_and_highlighted_in_the_worker(pool, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(text="Words to point at."))
    text = (await pool.parse(path, "a.pdf")).text
    (page,) = await pool.highlight(path, text.index("point"), "point at.")
    assert page.page == 1
    assert len(page.rects) == 1
    # The offsets of a text that another version laid out: the quote is what counts.
    assert await pool.highlight(path, text.index("point") + 3, "point at.") == [page]
    assert await pool.highlight(path, 0, "words that are not there") == []
    assert (await pool.render_page(path, 1, 1.0)).startswith(b"\x89PNG")
    with pytest.raises(NotFound):
        await pool.render_page(path, 9, 1.0)


async def test_a_worker_that_is_killed_costs_its_file_only(pool, tmp_path, note):
    task = await stuck_worker(pool, tmp_path / "pipe")
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGSEGV)
    with pytest.raises(UnreadableDocument, match="crashed"):
        await task
    assert await pool.parse(note, "note.md")


async def test_a_worker_that_dies_while_idle_is_replaced(pool, note):
    await pool.parse(note, "note.md")
    (worker,) = workers()
    worker.kill()
    worker.wait()
    assert await pool.parse(note, "note.md")


async def test_a_worker_that_hangs_is_stopped(make_pool, tmp_path, note):
    pool = make_pool(timeout=0.5)
    task = await stuck_worker(pool, tmp_path / "pipe")
    with pytest.raises(UnreadableDocument, match=r"longer than 0\.5 seconds"):
        await task
    assert workers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
async def test_a_worker_that_wants_too_much_memory_is_refused_it(make_pool, tmp_path, note):
    pool = make_pool(memory=400 * MIB, limits=Limits(characters=1_000_000_000))
    path = tmp_path / "big.txt"
    path.write_bytes(b"many words and more " * (8 * MIB))
    with pytest.raises(UnreadableDocument, match="memory"):
        await pool.parse(path, "big.txt")
    assert await pool.parse(note, "note.md")


async def test_limits_hold_in_the_worker(make_pool, tmp_path):
    pool = make_pool(limits=Limits(file_bytes=10))
    path = tmp_path / "a.txt"
    path.write_text("more than ten bytes")
    with pytest.raises(UnreadableDocument, match="limit"):
        await pool.parse(path, "a.txt")
    await pool.aclose()


async def test_workers_stop_when_there_is_nothing_to_do(make_pool, note):
    pool = make_pool(idle=0.05)
    await pool.parse(note, "note.md")
    while workers():
        await asyncio.sleep(0.02)
    assert await pool.parse(note, "note.md")


async def test_files_queue_for_the_workers_there_are(make_pool, note):
    pool = make_pool(workers=2)
    documents = await asyncio.gather(*(pool.parse(note, "note.md") for _ in range(6)))
    assert len(documents) == 6
    assert len(workers()) <= 2
    await pool.aclose()
    assert workers() == []


async def test_a_parse_that_is_cancelled_stops_its_worker(pool, tmp_path, note):
    task = await stuck_worker(pool, tmp_path / "pipe")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workers() == []
    assert await pool.parse(note, "note.md")


async def test_a_parse_that_is_cancelled_as_its_reply_comes_does_not_go_on(pool, note, monkeypatch):
    async def exchange(worker, request):
        reply = await answered(worker, request)
        asyncio.get_running_loop().call_soon(lambda: accepted.append(task.cancel()))
        return reply

    answered, accepted = sandbox._exchange, []
    monkeypatch.setattr(sandbox, "_exchange", exchange)
    task = asyncio.create_task(pool.parse(note, "note.md"))
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert task.cancelled() == accepted[0]


async def test_a_worker_is_stopped_in_the_middle_of_a_long_reply():
    script = "import sys; sys.stdout.write('x' * 10_000_000)"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    await worker.stdout.readexactly(1)
    await asyncio.sleep(0.5)  # its pipe fills, and is not read on
    async with asyncio.timeout(30):
        await stop(worker)
    assert worker.returncode is not None


async def test_closing_the_pool_ends_what_is_being_parsed(make_pool, tmp_path):
    pool = make_pool()
    task = await stuck_worker(pool, tmp_path / "pipe")
    await pool.aclose()
    with pytest.raises(UnreadableDocument):
        await task
    assert workers() == []


def test_workers_die_with_their_parent(note):
    script = """
        import asyncio, os, sys
        from pathlib import Path
        from guru.knowledge.parse.sandbox import ParsePool

        async def main():
            pool = ParsePool()
            await pool.parse(Path(sys.argv[1]), "note.md")
            print(pool._free[0].pid, flush=True)
            os.kill(os.getpid(), 9)

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(note)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == -signal.SIGKILL, found.stderr
    try:
        psutil.Process(int(found.stdout)).wait(timeout=30)
    except psutil.NoSuchProcess:
        pass


def test_the_pool_brings_no_parser_into_its_own_process():
    script = "import sys, guru.knowledge.parse.sandbox; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"pypdfium2", "docx", "pptx", "openpyxl", "selectolax", "markdown_it", "lxml", "numpy", "ftfy", "py3langid"}
    assert heavy.isdisjoint(found.stdout.split())
