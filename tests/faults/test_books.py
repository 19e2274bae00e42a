"""The ledger says what the providers served, whatever failed on the way and however often the server was killed."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
from contextlib import asynccontextmanager, closing

import aiohttp
import pytest

from faults.rig import (
    FIRST_A,
    answer,
    begin_then,
    configuration,
    cut,
    fail,
    gateway,
    providers,
    reset,
    tokens,
    until,
)  # fmt: skip
from running import GURU, environment, serving

COUNTED = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
PRICES = """
[prices."a/gpt-4o"]
input = 10
output = 100
cached = 1
[prices."b/gpt-4o"]
input = 20
output = 200
"""


def detailed(prompt, completion, cached, reasoning):
    return tokens(
        prompt, completion, prompt_tokens_details={"cached_tokens": cached},
        completion_tokens_details={"reasoning_tokens": reasoning},
    )  # fmt: skip


def counted(usage):
    return (
        usage["prompt_tokens"], usage["completion_tokens"],
        usage.get("prompt_tokens_details", {}).get("cached_tokens", 0),
        usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
    )  # fmt: skip


async def test_retries_fallbacks_and_kinds_of_tokens(tmp_path):
    chance = random.Random(8)
    async with providers(2) as (a, b):
        text = configuration(a, b, alias=FIRST_A + "\nretries = 2", more=PRICES)
        async with gateway(tmp_path / "home", text) as guru:
            for number in range(40):
                prompt, completion = chance.randint(50, 500), chance.randint(10, 90)
                usage = detailed(prompt, completion, chance.randint(0, prompt), chance.randint(0, completion))
                well = answer("x", "y", usage=usage)
                faults = [fail(500), fail(429, retry_after="0"), reset, begin_then(then=cut), fail(401)]
                a.script = chance.choice([[well], [chance.choice(faults), well], [chance.choice(faults)]])
                b.script = [well] if len(a.script) != 1 or a.script == [well] else [fail(503), well]
                for one in (a, b):
                    one.usual = well
                    guru.health("a/gpt-4o").breaker.close()
                    guru.health("b/gpt-4o").breaker.close()
                status, _, got = await guru.chat(f"{number}", stream=chance.random() < 0.5)
                assert status == 200, got
            await guru.at_rest()
            _, totals = await guru.books()
            served = [counted(call.billed) for one in (a, b) for call in one.calls if call.billed]
            assert len(served) == totals["requests"] == 40
            assert tuple(totals[name] for name in COUNTED) == tuple(map(sum, zip(*served, strict=True)))
            # A connection that ends without a word may have been dead before: then the same call is sent once more.
            resent = sum(call.resets for call in a.calls)
            assert len(a.calls) + len(b.calls) - resent <= totals["calls"] <= len(a.calls) + len(b.calls)
            cost = 0.0
            for one, (fresh, read, written) in ((a, (10, 1, 100)), (b, (20, 20, 200))):
                for prompt, completion, cached, _ in (counted(call.billed) for call in one.calls if call.billed):
                    cost += ((prompt - cached) * fresh + cached * read + completion * written) / 1e6
            assert totals["cost"] == pytest.approx(cost)


async def test_an_interrupted_stream_is_billed_for_what_came(tmp_path):
    async with providers(1) as (a,):
        text = configuration(a, alias="retries = 0", more=PRICES)
        async with gateway(tmp_path / "home", text) as guru:
            a.usual = begin_then("one", " two", " three", then=cut)
            await guru.chat("Say some numbers.", stream=True)
            a.usual = begin_then("one", " two", " three")
            body = {"model": "robust", "stream": True, "messages": [{"role": "user", "content": "Say some numbers."}]}
            async with guru.session.post(f"{guru.url}/v1/chat/completions", json=body) as response:
                got = b""
                while b"three" not in got:
                    got += await response.content.readany()
                response.close()
            await guru.at_rest()
            calls, totals = await guru.books()
            assert [(call["status"], call["estimated"]) for call in calls] == [("error", True), ("cancelled", True)]
            assert all(3 <= call["completion_tokens"] <= 4 for call in calls)  # by bytes, until the vocabulary is read
            assert totals["prompt_tokens"] == sum(call["prompt_tokens"] for call in calls) > 0
            assert totals["cost"] == pytest.approx(totals["prompt_tokens"] / 1e5 + totals["completion_tokens"] / 1e4)


@asynccontextmanager
async def started(home):
    """`serving`, which waits, beside a loop that serves the providers."""
    context = serving(home)
    server = await asyncio.to_thread(context.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


@pytest.mark.slow
async def test_kills_in_a_row_count_every_answer_once(tmp_path):
    chance = random.Random(9)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    told = []
    async with providers(1) as (a,):
        a.usual = answer("one", " two", usage=tokens(11, 2))
        (home / "guru.toml").write_text(configuration(a))
        async with started(home) as server, aiohttp.ClientSession() as session:

            async def client():
                while True:
                    try:
                        asked = {"model": "robust", "messages": [{"role": "user", "content": "Hi"}]}
                        async with session.post(f"{server.url}/v1/chat/completions", json=asked) as response:
                            await response.read()
                            told.append(response.headers["x-guru-trace-id"])
                    except aiohttp.ClientError:
                        return

            enough = chance.randint(40, 90)
            clients = [asyncio.create_task(client()) for _ in range(8)]
            await until(lambda: len(told) >= enough)
            server.kill()
            await asyncio.gather(*clients)
        # And again, while it reads back what is left.
        process = subprocess.Popen(
            [GURU, "up", "--port", "0"], env=environment(home), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        await asyncio.sleep(chance.uniform(0.5, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        async with started(home):
            pass
    with closing(sqlite3.connect(home / "guru.db")) as connection:
        rows = dict(connection.execute("SELECT id, status FROM traces").fetchall())
        calls = [json.loads(one) for (one,) in connection.execute("SELECT calls FROM traces")]
        ledger = connection.execute(
            "SELECT sum(requests), sum(calls), sum(prompt_tokens), sum(completion_tokens) FROM usage"
        ).fetchone()
    assert {rows.get(one) for one in told} == {"ok"}
    made = [call for one in calls for call in one]
    assert len(made) >= len(told)
    assert ledger == (len(rows), len(made), 11 * len(made), 2 * len(made))
    assert len(a.calls) - len(made) <= 8  # those that a kill took before anybody was told
