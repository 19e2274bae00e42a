"""Gateways beside each other, in front of one fast upstream: requests per second, CPU, latency, memory.

    .venv/bin/python benchmarks/gateway.py [--litellm PATH/bin/litellm] [--rounds 3] [--seconds 4] [--soak 200000]

Needs wrk, a C compiler, taskset, two cores, and nginx if it is to be there. Every gateway runs alone on core 0, with
one worker; the upstream (benchmarks/gateway/mock_upstream.c) and wrk share core 1; `upstream` is measured on core 0
itself. The gateways take turns in every round, and the best round of each counts, as neighbours only slow things down.

Guru runs as `guru up` with a key required, limits, a budget, prices, cache lookups and traces on
(benchmarks/gateway/guru.toml); no two requests are the same, so no answer comes from its cache. LiteLLM runs bare and
tuned (benchmarks/gateway/litellm.yaml), with `litellm[proxy] httptools opentelemetry-sdk opentelemetry-exporter-otlp`.

`json` is one answer, `stream` 20 tokens without a pause, `paced` 20 tokens 5 ms apart, each a wake-up of its own. CPU
is user and system time of the gateway's processes per request; per streamed event it is that of a paced stream divided
by its 22 events. Added time to the first token is the median over that of the upstream itself, with one client.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parent / "gateway"
GURU = Path(sys.executable).parent / "guru"
KEY = "sk-bench-8f2c1d7e4a9b40c6b1d3e5f7a9c2b4d6"
PORT, UPSTREAM = 4100, 9001
CONCURRENCY = (1, 16, 64)
MODES = ("json", "stream", "paced")
EVENTS = 22
MEGABYTE = 1e6
BODY = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Say hello in about twenty tokens, please. @@@@@@@@"},
    ],
    "temperature": 0.2,
    "max_tokens": 64,
}
Cell = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", type=Path, help="the litellm command of an environment of its own")
    parser.add_argument("--only", help="names, with commas between: upstream, nginx, litellm, guru")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="how long each cell is measured")
    parser.add_argument(
        "--soak", type=int, default=0, help="so many more requests to Guru, to see whether memory grows"
    )
    parser.add_argument("--keep", type=Path, help="a folder for homes and logs, instead of a temporary one")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else ["upstream", "nginx", "litellm", "guru"]
    if "litellm" in names and arguments.litellm is None:
        names.remove("litellm")
    if "nginx" in names and not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        names.remove("nginx")
    with contextlib.ExitStack() as stack:
        work = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guru-gateway-")))
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", work / "upstream", FOLDER / "mock_upstream.c"], check=True)
        results: dict[str, dict[str, Any]] = {name: {} for name in names}
        for turn in range(arguments.rounds):
            for name in names:
                print(f"round {turn + 1}: {name}", file=sys.stderr)
                with running(name, work, arguments.litellm) as process:
                    measure(results[name], name, process, arguments.modes.split(","), arguments.seconds)
        print(report(results, arguments.modes.split(",")))
        if arguments.soak:
            print(soak(work, arguments.soak))


# ------------------------------------------------------------------- processes


@contextlib.contextmanager
def running(name: str, work: Path, litellm: Path | None) -> Any:
    """The gateway's process, ready, with the upstream behind it."""
    with started([work / "upstream", str(UPSTREAM), "20"], 0 if name == "upstream" else 1, UPSTREAM, work) as upstream:
        if name == "upstream":
            yield upstream
            return
        environment: dict[str, str] = {"BENCH_KEY": KEY}
        if name == "nginx":
            command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", work, "-c", FOLDER / "nginx.conf"]
        elif name == "litellm":
            command = [
                litellm, "--config", FOLDER / "litellm.yaml", "--host", "127.0.0.1", "--port", str(PORT),
                "--num_workers", "1",
            ]  # fmt: skip
            environment |= {
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
                "LITELLM_MODE": "PRODUCTION",
            }
        else:
            home = work / "home"
            home.mkdir(mode=0o700, exist_ok=True)
            subprocess.run([GURU, "models", "pull", "--home", home], check=True, stdout=subprocess.DEVNULL)  # not later
            command = [GURU, "up", "--home", home, "--port", str(PORT), "--config", FOLDER / "guru.toml"]
        with started(command, 0, PORT, work, environment) as process:
            yield process


@contextlib.contextmanager
def started(command: list[Any], core: int, port: int, work: Path, environment: dict[str, str] | None = None) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "PYTHONDONTWRITEBYTECODE"}
    log = work / f"{Path(command[0]).name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            env=kept | (environment or {}), stdout=file, stderr=file, preexec_fn=first,  # noqa: PLW1509 (there are no threads)
        )  # fmt: skip
    try:
        wait_until_ready(process, port, log)
        yield psutil.Process(process.pid)
    finally:
        family = [process, *children(process.pid)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    each.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
                break


def first() -> None:
    """As root: a share of the processor that neighbours cannot take away. Otherwise nothing."""
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(2400):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(10)
            connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            if connection.recv(64).startswith(b"HTTP/1.1 "):
                time.sleep(0.5)
                return
        time.sleep(0.05)
    raise SystemExit(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def cpu_seconds(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *children(process.pid))]
    return sum(each.user + each.system for each in times)


def memory(process: psutil.Process) -> float:
    """MB resident."""
    return sum(each.memory_info().rss for each in (process, *children(process.pid))) / MEGABYTE


# ------------------------------------------------------------------ measurement


def body(mode: str) -> str:
    asked: dict[str, Any] = json.loads(json.dumps(BODY))
    if mode != "json":
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    if mode == "paced":
        asked["messages"][1]["content"] += " gap_us=5000"
    return json.dumps(asked, separators=(",", ":"))


def wrk(port: int, connections: int, seconds: int, mode: str) -> Cell:
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    result = subprocess.run(
        [*command, "-s", FOLDER / "load.lua", f"http://127.0.0.1:{port}"],
        env=os.environ | {"BODY": body(mode), "KEY": KEY}, capture_output=True, text=True, check=False,
        preexec_fn=first,
    )  # fmt: skip
    found = re.search(r"RESULT (\{.*\})", result.stdout)
    if not found:
        raise SystemExit(f"wrk failed: {result.stdout}{result.stderr}")
    return dict(json.loads(found[1]))


def measure(result: dict[str, Any], name: str, process: psutil.Process, modes: list[str], seconds: int) -> None:
    """Add what this round shows, where it is better than the rounds before."""
    port = UPSTREAM if name == "upstream" else PORT
    seconds = max(seconds, 6) if name == "litellm" else seconds
    result["idle"] = min(memory(process), result.get("idle", float("inf")))
    for mode in modes:
        check(port, mode)
        wrk(port, 16, 1 if name != "litellm" else 6, mode)
        for connections in CONCURRENCY:
            before = cpu_seconds(process)
            cell = wrk(port, connections, seconds, mode)
            requests = max(cell["requests"], 1)
            cell["rps"] = requests / cell["us"] * 1e6
            cell["cpu"] = (cpu_seconds(process) - before) / requests * 1e6
            known = result.setdefault(mode, {}).get(connections)
            if known is not None:
                cell["errors"] += known["errors"]
                cell["cpu"] = min(cell["cpu"], known["cpu"])
                if known["rps"] > cell["rps"]:
                    cell = known | {"cpu": cell["cpu"], "errors": cell["errors"]}
            result[mode][connections] = cell
    result["loaded"] = memory(process)
    if "paced" in modes:
        result["first"] = min(first_token(port), result.get("first", float("inf")))


def ask(connection: socket.socket, mode: str, number: int) -> tuple[float, bytes]:
    """One request on an open connection: milliseconds to the first data, and the whole answer."""
    payload = body(mode).replace("@@@@@@@@", f"{number:08}").encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    begun = time.perf_counter()
    connection.sendall(head.encode() + payload)
    answer, first_data = b"", 0.0
    while not (answer.endswith(b"0\r\n\r\n") if mode != "json" else b"total_tokens" in answer):
        data = connection.recv(65536)
        if not data or (answer + data).startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            raise SystemExit(f"An answer is not right: {(answer + data)[:2000]!r}")
        answer += data
        if not first_data and b"data: " in answer:
            first_data = (time.perf_counter() - begun) * 1e3
    return first_data, answer


def check(port: int, mode: str) -> None:
    """One request whose answer must be whole."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        _, answer = ask(connection, mode, time.time_ns() % 10**8)
    whole = answer.count(b"data: {") >= 20 and b"[DONE]" in answer if mode != "json" else b"twenty tokens" in answer
    if not whole:
        raise SystemExit(f"An answer is not whole: {answer[:2000]!r}")


def first_token(port: int) -> float:
    """Milliseconds to the first data of a paced stream, median of 60."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        start = time.time_ns() % 10**7
        return statistics.median(ask(connection, "paced", start + turn)[0] for turn in range(70))


def soak(work: Path, requests: int) -> str:
    """Guru's memory on the way through many requests."""
    with running("guru", work, None) as process:
        wrk(PORT, 16, 2, "json")
        sizes, done, failed = [memory(process)], 0, 0
        steps = [requests / 4 * step for step in (1, 2, 3, 4)]
        while done < requests:
            cell = wrk(PORT, 16, 5, "json")
            done += int(cell["requests"])
            failed += int(cell["errors"])
            while steps and done >= steps[0]:
                steps.pop(0)
                sizes.append(memory(process))
        time.sleep(5)
        sizes.append(memory(process))
    shown = ", ".join(f"{size:.0f}" for size in sizes)
    return f"\n{done:,} requests to Guru, {failed} errors: {shown} MB (at the start, after each quarter, 5 s later)."


# ----------------------------------------------------------------------- report


def report(results: dict[str, dict[str, Any]], modes: list[str]) -> str:
    columns = " | ".join(f"{mode}/s at {' / '.join(map(str, CONCURRENCY))}" for mode in modes if mode != "paced")
    lines = [
        f"| | {columns} | p50 / p99 ms at 16 | CPU µs per request | CPU µs per streamed event "
        "| added ms to first token | MB idle / loaded |",
        "|---" * (sum(mode != "paced" for mode in modes) + 6) + "|",
    ]
    direct = results.get("upstream", {}).get("first")
    for name, result in results.items():
        cells = [" / ".join(f"{result[mode][c]['rps']:,.0f}" for c in CONCURRENCY) for mode in modes if mode != "paced"]
        plain = result.get("json")
        cells += [f"{plain[16]['p50'] / 1e3:.2f} / {plain[16]['p99'] / 1e3:.2f}" if plain else ""]
        cells += [" / ".join(f"{plain[c]['cpu']:,.0f}" for c in CONCURRENCY) if plain else ""]
        paced = result.get("paced")
        cells += [" / ".join(f"{paced[c]['cpu'] / EVENTS:,.0f}" for c in CONCURRENCY) if paced else ""]
        cells += [f"{result['first'] - direct:.2f}" if paced and direct else ""]
        cells += [f"{result['idle']:.0f} / {result['loaded']:.0f}"]
        errors = sum(int(cell["errors"]) for mode in modes for cell in result[mode].values())
        lines.append(f"| {name}{f' ({errors} errors)' if errors else ''} | " + " | ".join(cells) + " |")
    if "litellm" in results and "guru" in results:
        for mode in modes:
            times = [f"{results['guru'][mode][c]['rps'] / results['litellm'][mode][c]['rps']:.0f}" for c in CONCURRENCY]
            if mode != "paced":
                lines.append(f"\nGuru over LiteLLM, {mode}: {' / '.join(times)} times.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
