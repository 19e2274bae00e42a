"""Two real `guru up` over one database and one Redis are one to whoever calls them."""

import asyncio
import contextlib
import itertools
import json
import socket
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from gateway.limits.redis_server import RedisServer
from running import serving

pytestmark = pytest.mark.slow

CLIENTS = 64
PROMPT_TOKENS, ANSWER_TOKENS = 8, 10
"""One less than what a request reserves: what is in flight when a bucket is empty cannot take more than it had."""
LONGEST = 180
"""Seconds that anything here may take; nothing is measured by it."""
CONFIG = """
[server]
require_key = true

[store]
url = "sqlite:///{database}"

[redis]
url = "{redis}"

[providers.up]
kind = "openai-compatible"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "k"

[models.default]
deployments = [{{ model = "up/old", label = "old" }}, {{ model = "up/new", label = "new" }}]
retries = 0

[prices]
"up/old" = {{ input = 0.0, output = 0.0, request = 0.01 }}
"up/new" = {{ input = 0.0, output = 0.0, request = 0.01 }}

[keys.admin]
key = "the-admin"
role = "admin"
"""
LIMITS = {
    "requests": {"limits": {"rpm": 300}},
    "tokens": {"limits": {"tpm": 3000}},
    "busy": {"limits": {"concurrency": 8}},
    "money": {"budget": {"usd": 1.0, "per": "day"}},
    "single": {"limits": {"concurrency": 1}},
    "free": {},
}


class Upstream:
    """A provider that counts what it serves, for each key's requests, and can keep them all waiting."""

    def __init__(self):
        self.port = free_port()
        self.open = asyncio.Event()
        self.open.set()
        self.running = self.most = 0
        self.served = Counter()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def chat(self, request):
        body = await request.json()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        self.served[body["messages"][0]["content"]] += 1
        usage = {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": ANSWER_TOKENS,
            "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
        }
        choice = {"index": 0, "message": {"role": "assistant", "content": body["model"]}, "finish_reason": "stop"}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        )


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Pair:
    """Both servers, as their clients see them."""

    def __init__(self, servers, session, upstream, redis):
        self.urls = [server.url for server in servers]
        self.session = session
        self.upstream = upstream
        self.redis = redis
        self.keys = {"admin": "the-admin"}

    async def request(self, server, method, path, key="admin", **body):
        headers = {"authorization": f"Bearer {self.keys[key]}"}
        options = {"json": body} if body or method == "POST" else {}
        async with self.session.request(method, self.urls[server] + path, headers=headers, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def ask(self, server, key, **more):
        message = {"role": "user", "content": key}
        return await self.request(
            server, "POST", "/v1/chat/completions", key, model="default", messages=[message], max_tokens=10, **more
        )

    async def make(self, name, **values):
        _, made = await self.request(0, "POST", "/api/v1/keys", name=name, **values)
        self.keys[name] = made["key"]
        await self.until(lambda: self.opens(1, name))

    async def opens(self, server, key):
        return (await self.request(server, "GET", "/api/v1/me", key))[0] == 200

    async def until(self, true):
        async with asyncio.timeout(LONGEST):
            while not await true():
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    return [folder / "one", folder / "two"]


@pytest.fixture
def run(homes):
    """`run(test)`: call `test` with two servers that run."""

    def run(test):
        redis = RedisServer()
        redis.start()

        async def main(upstream, servers):
            async with upstream, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                pair = Pair(servers, session, upstream, redis)
                await test(pair)

        upstream = Upstream()
        with contextlib.ExitStack() as stack:
            stack.callback(redis.stop)
            for home in homes:
                home.mkdir(mode=0o700, exist_ok=True)
                database = homes[0].parent / "shared.db"
                text = CONFIG.format(database=database, redis=redis.url, port=upstream.port)
                (home / "guru.toml").write_text(text)
            servers = [stack.enter_context(serving(home)) for home in homes]
            asyncio.run(main(upstream, servers))

    return run


async def hammer(pair, key, enough):
    """`CLIENTS` clients, half on each server, that ask until `enough`; what they were told, and when."""
    answers = []

    async def client(number):
        while not enough(answers):
            asked = time.time()
            status, body = await pair.ask(number % 2, key)
            answers.append((number % 2, status, asked, time.time(), body))

    async with asyncio.timeout(LONGEST * 2):
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert {status for _, status, *_ in answers} <= {200, 429}, answers
    return answers


def refused_by_both(answers):
    return {server for server, status, *_ in answers if status == 429} == {0, 1}


def test_limits_are_limits_of_both_together(run):
    """The whole of an allowance, within 1 %, and never more: counted where it matters, at the provider."""

    async def test(pair):
        for name, values in LIMITS.items():
            await pair.make(name, **values)

        # Requests: a full bucket, and what flows in while they ask.
        answers = await hammer(pair, "requests", lambda found: refused_by_both(found) and len(found) > 500)
        granted = [answer for answer in answers if answer[1] == 200]
        assert len(granted) == pair.upstream.served["requests"]
        began, first = min(a[2] for a in answers), min(a[3] for a in answers)
        refused = max(a[2] for a in answers if a[1] == 429)
        ended = max(a[3] for a in answers)
        assert len(granted) <= (300 + 5 * (ended - began)) * 1.01
        assert len(granted) >= (300 + 5 * (refused - first)) * 0.99 - 1

        # Tokens: what is reserved is more than what is used, and comes back.
        answers = await hammer(pair, "tokens", lambda found: refused_by_both(found) and len(found) > 300)
        used = (PROMPT_TOKENS + ANSWER_TOKENS) * pair.upstream.served["tokens"]
        began, ended = min(a[2] for a in answers), max(a[3] for a in answers)
        assert used <= (3000 + 50 * (ended - began)) * 1.01
        assert used >= 3000 * 0.99 - CLIENTS * 19

        # At once: the provider holds all that reach it.
        for _ in range(3):
            pair.upstream.most = 0
            pair.upstream.open.clear()
            asked = [asyncio.create_task(pair.ask(number % 2, "busy")) for number in range(CLIENTS)]

            async def all_told(asked=asked):
                return sum(task.done() for task in asked) + pair.upstream.running == CLIENTS

            await pair.until(all_told)
            assert pair.upstream.running == 8
            pair.upstream.open.set()
            statuses = Counter(status for status, _ in await asyncio.gather(*asked))
            assert statuses == {200: 8, 429: CLIENTS - 8}
            assert pair.upstream.most == 8

            async def free_again():
                return await idle(pair, "busy")

            await pair.until(free_again)

        # Money: a hundred cents, a cent each.
        days = {datetime.now(UTC).date()}
        answers = await hammer(pair, "money", lambda found: refused_by_both(found) and len(found) > 300)
        days.add(datetime.now(UTC).date())
        assert 100 <= pair.upstream.served["money"] <= 100 * len(days)
        codes = {body["error"]["code"] for _, status, *_, body in answers if status == 429}
        assert codes == {"insufficient_quota"}

    run(test)


async def idle(pair, key):
    """Whether what has ended is settled in Redis, where nothing of the key is counted as running."""
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(pair.redis.url) as client:
        keys = [name async for name in client.scan_iter("*concurrency*")]
        return not any([await client.zcard(name) for name in keys])


def test_a_redis_that_goes_away_costs_nobody_an_answer(run):
    async def test(pair):
        for name, values in LIMITS.items():
            await pair.make(f"{name} again", **values)
        asked = itertools.count()
        stop = asyncio.Event()

        async def client(server):
            while not stop.is_set():
                status, body = await pair.ask(server, "free again" if next(asked) % 2 else "requests again")
                assert status in (200, 429), body

        clients = [asyncio.create_task(client(number % 2)) for number in range(8)]
        await gets_on(asked)
        pair.redis.stop()
        await gets_on(asked)

        async def counted_alone():
            return all([await uncounted(pair, server) > 0 for server in (0, 1)])

        await pair.until(counted_alone)
        pair.redis.start()

        async def shared_again():
            """One holds the only place, and the other is refused."""
            pair.upstream.open.clear()
            held = asyncio.create_task(pair.ask(0, "single again"))

            async def told():
                return held.done() or pair.upstream.running > 0

            await pair.until(told)
            other = asyncio.create_task(pair.ask(1, "single again"))
            done, _ = await asyncio.wait([other], timeout=0.2)
            pair.upstream.open.set()
            await asyncio.gather(held, other)
            return bool(done) and other.result()[0] == 429

        stop.set()
        await asyncio.gather(*clients)
        await pair.until(shared_again)

    run(test)


async def gets_on(asked):
    goal = next(asked) + 100
    async with asyncio.timeout(LONGEST):
        while next(asked) < goal:
            await asyncio.sleep(0.01)


async def uncounted(pair, server):
    headers = {"authorization": "Bearer the-admin"}
    async with pair.session.get(f"{pair.urls[server]}/metrics", headers=headers) as response:
        text = await response.text()
    (line,) = [line for line in text.splitlines() if line.startswith("guru_limits_uncounted_total")]
    return float(line.rpartition(" ")[2])


def test_who_may_call_and_what_they_get_is_the_same_on_both(run, homes):
    async def test(pair):
        await pair.make("web")
        _, rotated = await pair.request(1, "POST", "/api/v1/keys/web/rotate", grace_seconds=0)

        async def closed():
            return not await pair.opens(0, "web")

        await pair.until(closed)
        pair.keys["web"] = rotated["key"]
        await pair.until(lambda: pair.opens(0, "web"))
        await pair.request(0, "DELETE", "/api/v1/keys/web")

        async def closed_there():
            return not await pair.opens(1, "web")

        await pair.until(closed_there)

        # Both write the log at once, and it stays one chain.
        made = await asyncio.gather(
            *(pair.request(n % 2, "POST", "/api/v1/teams", name=f"team {n % 10}") for n in range(20))
        )
        assert Counter(status for status, _ in made) == {201: 10, 409: 10}
        for server in (0, 1):
            _, verified = await pair.request(server, "GET", "/api/v1/audit/verify")
            assert verified["ok"]

        # A release: begun here, in force there, counted by both.
        release = {"alias": "default", "candidate": "new", "share": 0.5, "rollback": False}
        assert (await pair.request(0, "POST", "/api/v1/releases", **release))[0] == 201
        for n in range(10):
            await pair.make(f"person {n}", role="member")

        async def running(server):
            return (await pair.request(server, "GET", "/api/v1/releases/default"))[0] == 200

        await pair.until(lambda: running(1))
        given = Counter()
        for n in range(10):
            names = {
                (await pair.ask(server, f"person {n}"))[1]["choices"][0]["message"]["content"] for server in (0, 1)
            }
            assert len(names) == 1
            given.update(names)

        async def all_counted(server):
            _, shown = await pair.request(server, "GET", "/api/v1/releases/default")
            sides = {side: shown["sides"][side]["requests"] for side in ("candidate", "baseline")}
            return sides == {"candidate": 2 * given["new"], "baseline": 2 * given["old"]}

        for server in (0, 1):
            await pair.until(lambda server=server: all_counted(server))
        await pair.request(1, "POST", "/api/v1/releases/default/rollback", reason="No.")

        async def all_old():
            names = [(await pair.ask(0, f"person {n}"))[1]["choices"][0]["message"]["content"] for n in range(10)]
            return set(names) == {"old"}

        await pair.until(all_old)
        _, history = await pair.request(0, "GET", "/api/v1/releases/default/history")
        assert [change["action"] for change in history["changes"]] == ["rollback", "start"]

    run(test)
    with contextlib.closing(sqlite3.connect(homes[0].parent / "shared.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
