"""The worker process dies, hangs, idles and outlives nobody."""

import asyncio
import os
import signal
import subprocess
import sys

import msgspec
import psutil
import pytest

from guru.errors import ModelError, ModelUnavailable
from guru.models.local.chat import LocalChatModel
from guru.models.local.supervisor import Timeouts
from guru.types import ChatRequest, Completed, Message

ENDLESS = ChatRequest(
    model="m", messages=[Message("user", "Count.")], max_tokens=900, extra={"ignore_eos": True}
)  # fmt: skip
SHORT = ChatRequest(model="m", messages=[Message("user", "Hello.")], max_tokens=2)


@pytest.fixture
async def make(smollm):
    models = []

    def make(path=smollm, **timeouts):
        model = LocalChatModel("local/m", path, slots=2, context_length=2048, timeouts=Timeouts(**timeouts))
        models.append(model)
        return model

    yield make
    for model in models:
        await model.aclose()


async def collect(events):
    return [event async for event in events]


async def gone(pid):
    async with asyncio.timeout(20):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)


async def test_a_crash_fails_what_was_running_and_the_next_request_starts_a_new_worker(make):
    model = make()
    first, second = model.chat(ENDLESS), model.chat(ENDLESS)
    await anext(first)
    await anext(second)
    pid = model.pid
    os.kill(pid, signal.SIGKILL)
    for stream in (first, second):
        with pytest.raises(ModelUnavailable, match="killed by signal 9") as caught:
            await collect(stream)
        assert caught.value.retryable
        assert caught.value.hint
    assert isinstance((await collect(model.chat(SHORT)))[-1], Completed)
    assert model.pid != pid


async def test_a_worker_that_keeps_crashing_is_given_time(make):
    model = make()
    for _ in range(2):
        await model.load()
        os.kill(model.pid, signal.SIGKILL)
        while model.pid:
            await asyncio.sleep(0.02)
    with pytest.raises(ModelUnavailable, match="2 times in a row") as caught:
        await model.load()
    assert "started again in" in caught.value.hint


async def test_a_worker_that_hangs_is_killed_and_replaced(make):
    model = make(silence=1.0)
    stream = model.chat(ENDLESS)
    await anext(stream)
    pid = model.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelUnavailable, match="did not answer"):
        await collect(stream)
    await gone(pid)
    assert isinstance((await collect(model.chat(SHORT)))[-1], Completed)


async def test_an_idle_worker_is_unloaded_and_comes_back(make):
    model = make(idle=0.5)
    await collect(model.chat(SHORT))
    pid = model.pid
    await gone(pid)
    assert model.pid is None
    assert isinstance((await collect(model.chat(SHORT)))[-1], Completed)


async def test_a_worker_in_use_is_not_idle(make):
    model = make(idle=0.3)
    events = await collect(model.chat(msgspec.structs.replace(ENDLESS, max_tokens=60)))
    assert events[-1].usage.completion_tokens == 60


async def test_a_broken_file_says_so(make, smollm, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(smollm.read_bytes()[: 20 * 2**20])
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        await collect(make(cut).chat(SHORT))
    assert "pull it again" in caught.value.hint


async def test_two_models_are_two_workers(make):
    one, other = make(), make()
    await asyncio.gather(collect(one.chat(SHORT)), collect(other.chat(SHORT)))
    assert one.pid != other.pid


async def test_closing_ends_the_worker_and_what_runs_in_it(make):
    model = make()
    stream = model.chat(ENDLESS)
    await anext(stream)
    pid = model.pid
    await model.aclose()
    with pytest.raises(ModelUnavailable, match="stopped"):
        await collect(stream)
    await gone(pid)


async def test_the_worker_opens_no_port_and_gets_no_secrets(make, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    model = make()
    await model.load()
    process = psutil.Process(model.pid)
    assert process.net_connections("inet") == []
    assert "OPENAI_API_KEY" not in process.environ()


PARENT = """
import asyncio, sys
from pathlib import Path
from guru.models.local.chat import LocalChatModel

async def main():
    model = LocalChatModel("local/m", Path(sys.argv[1]), context_length=512)
    await model.load()
    print(model.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_worker_ends_with_its_parent(smollm):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(smollm)], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        parent.kill()
    await gone(pid)
