"""Gateways beside each other, in front of one fast upstream: requests per second, CPU, latency, memory.

    .venv/bin/python benchmarks/gateway.py [--litellm FILE] [--portkey FILE] [--tensorzero FILE] [--rounds 3]
        [--seconds 4] [--modes json,stream,paced,first] [--soak 200000] [--out results.json]

Needs wrk, a C compiler, taskset, two cores, and nginx if it is to be there. Every gateway runs alone on core 0, with
one worker; the upstream (benchmarks/gateway/mock_upstream.c) and wrk share core 1; `upstream` is measured on core 0
itself. The gateways take turns in every round, and the best round of each counts, as neighbours only slow things down.

Guru runs as `guru up` with a key required, limits, a budget, prices, cache lookups and traces on
(benchmarks/gateway/guru.toml); no two requests are the same, so no answer comes from its cache. The others run bare,
as fast as they can:

- LiteLLM, tuned (benchmarks/gateway/litellm.yaml), with `litellm[proxy] httptools opentelemetry-sdk
  opentelemetry-exporter-otlp`; FILE is its command.
- Portkey, from npm; FILE is `node_modules/@portkey-ai/gateway/build/start-server.js`. Its streams need the override
  `"@hono/node-server": "1.13.8"` in package.json: with a newer one it answers them with 500.
- TensorZero, the gateway inside its package on PyPI, without its database; FILE is an interpreter that has the package.
  It names its models itself, so its requests say `tensorzero::model_name::gpt-4o-mini`.

Every gateway gets the same bytes apart from that, on connections that stay open. One answer of each kind is read to its
end before and after a cell is measured, and all answers of a cell together must have as many bytes as so many of it.

`json` is one answer, `stream` 20 tokens without a pause, `paced` 20 tokens 5 ms apart, each a wake-up of its own, and
`first` one client that waits for the first data of paced streams: median and 99th of 100 over the upstream's own. CPU
is user and system time of the gateway's processes per request; per streamed event it is that of a paced stream divided
by its 22 events. `other load` is the most that anything else on the machine took of a core in some cell.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parent / "gateway"
GURU = Path(sys.executable).parent / "guru"
KEY = "sk-bench-8f2c1d7e4a9b40c6b1d3e5f7a9c2b4d6"
PORT, UPSTREAM = 4100, 9001
CONCURRENCY = (1, 16, 64)
LOADS = ("json", "stream", "paced")
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
    parser.add_argument("--portkey", type=Path, help="start-server.js of @portkey-ai/gateway; needs node")
    parser.add_argument("--tensorzero", type=Path, help="a Python with the package tensorzero")
    parser.add_argument(
        "--only", help="names, with commas between: upstream, nginx, litellm, portkey, tensorzero, guru"
    )
    parser.add_argument("--modes", default="json,stream,paced,first")
    parser.add_argument("--rounds", type=int, default=3, help="0: nothing but --soak")
    parser.add_argument("--seconds", type=int, default=4, help="how long each cell is measured")
    parser.add_argument("--soak", type=int, default=0, help="so many more requests, to see whether memory grows")
    parser.add_argument("--soak-of", default="guru", help="the gateways that --soak is for, with commas between")
    parser.add_argument("--out", type=Path, help="a JSON file for everything that was measured")
    parser.add_argument("--keep", type=Path, help="a folder for homes and logs, instead of a temporary one")
    arguments = parser.parse_args()
    modes = arguments.modes.split(",")
    known = gateways(arguments)
    names = arguments.only.split(",") if arguments.only else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"not known, or not said where it is: {', '.join(unknown)}")
    with contextlib.ExitStack() as stack:
        work = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guru-gateway-")))
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", work / "upstream", FOLDER / "mock_upstream.c"], check=True)
        results: dict[str, dict[str, Any]] = {name: {} for name in names}
        soaks: dict[str, Any] = {}
        for turn in range(arguments.rounds):
            for name in names:
                print(f"round {turn + 1}: {name}", file=sys.stderr)
                with running(known[name], work) as process:
                    measure(results[name], known[name], process, modes, arguments.seconds)
                save(arguments, results, soaks)
        if arguments.rounds:
            print(report(results, modes))
        for name in arguments.soak_of.split(",") if arguments.soak else ():
            soaks[name] = soak(known[name], work, arguments.soak)
            print(told(name, soaks[name]))
        save(arguments, results, soaks)


def save(arguments: argparse.Namespace, results: dict[str, Any], soaks: dict[str, Any]) -> None:
    """Write `--out`, after each gateway: what was measured stays when a later one fails."""
    if arguments.out is None:
        return
    content = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "rounds": arguments.rounds, "seconds": arguments.seconds, "gateways": results, "soak": soaks,
    }  # fmt: skip
    arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


# ------------------------------------------------------------------- processes


@dataclass
class Gateway:
    """How one is started and asked."""

    name: str
    command: list[Any] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    model: str = "gpt-4o-mini"
    port: int = PORT
    """0: it chooses one, and its log says which as `http://127.0.0.1:PORT`."""
    slow: bool = False
    """Whether it takes longer to be warm, and longer cells to be measured well."""


def gateways(arguments: argparse.Namespace) -> dict[str, Gateway]:
    """Those that can be run here."""
    found = [Gateway("upstream", port=UPSTREAM)]
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx:
        found.append(Gateway("nginx", [nginx, "-c", FOLDER / "nginx.conf", "-p"]))  # its folder comes last
    if arguments.litellm:
        options = ["--config", FOLDER / "litellm.yaml", "--host", "127.0.0.1", "--port", PORT, "--num_workers", "1"]
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
        found.append(Gateway("litellm", [arguments.litellm, *options], environment, slow=True))
    if arguments.portkey:
        to = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{UPSTREAM}/v1"}
        command = [shutil.which("node"), arguments.portkey, f"--port={PORT}", "--headless"]
        found.append(Gateway("portkey", command, {"NODE_ENV": "production"}, to, slow=True))
    if arguments.tensorzero:
        command = [arguments.tensorzero, FOLDER / "tensorzero_gateway.py", FOLDER / "tensorzero.toml"]
        path, model = "/openai/v1/chat/completions", "tensorzero::model_name::gpt-4o-mini"
        found.append(Gateway("tensorzero", command, path=path, model=model, port=0))
    command = [GURU, "up", "--port", PORT, "--config", FOLDER / "guru.toml", "--home"]
    return {each.name: each for each in [*found, Gateway("guru", command, {"BENCH_KEY": KEY})]}


@contextlib.contextmanager
def running(gateway: Gateway, work: Path) -> Iterator[psutil.Process]:
    """The gateway's process, ready, with the upstream behind it."""
    direct = gateway.name == "upstream"
    with started([work / "upstream", UPSTREAM, "20"], 0 if direct else 1, UPSTREAM, work) as (upstream, _):
        if direct:
            yield upstream
            return
        command = list(gateway.command)
        if gateway.name == "nginx":
            command.append(work)
        elif gateway.name == "guru":
            command.append(home := work / "home")
            home.mkdir(mode=0o700, exist_ok=True)
            subprocess.run([GURU, "models", "pull", "--home", home], check=True, stdout=subprocess.DEVNULL)  # not later
        fixed = 0 if gateway.name == "tensorzero" else gateway.port
        with started(command, 0, fixed, work, gateway.environment) as (process, port):
            gateway.port = port
            yield process


@contextlib.contextmanager
def started(
    command: list[Any], core: int, port: int, work: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[psutil.Process, int]]:
    """A process on one core, and the port at which it answers."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "PYTHONDONTWRITEBYTECODE"}
    log = work / f"{Path(command[1 if Path(command[0]).name == 'node' else 0]).name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            env=kept | (environment or {}), stdout=file, stderr=file, preexec_fn=first,  # noqa: PLW1509 (there are no threads)
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid), wait_until_ready(process, port, log)
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


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> int:
    """The port at which it answers; for 0, the one that it names in its log."""
    for _ in range(2400):
        if process.poll() is not None:
            break
        named = re.findall(r"http://127\.0\.0\.1:(\d+)", log.read_text(errors="replace")) if not port else []
        at = int(named[-1]) if named else port
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", at), 5) as connection:
            connection.settimeout(10)
            connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            if connection.recv(64).startswith(b"HTTP/1.1 "):
                time.sleep(0.5)
                return at
        time.sleep(0.05)
    raise SystemExit(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-2000:]}")


# ------------------------------------------------------------------ measurement


def body(gateway: Gateway, mode: str) -> str:
    asked: dict[str, Any] = json.loads(json.dumps(BODY)) | {"model": gateway.model}
    if mode != "json":
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    if mode == "paced":
        asked["messages"][1]["content"] += " gap_us=5000"
    return json.dumps(asked, separators=(",", ":"))


def wrk(gateway: Gateway, connections: int, seconds: int, mode: str) -> Cell:
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    headers = "".join(f"{name}: {value}\r\n" for name, value in gateway.headers.items())
    asked = {"BODY": body(gateway, mode), "KEY": KEY, "HEADERS": headers, "TARGET": gateway.path}
    result = subprocess.run(
        [*command, "-s", FOLDER / "load.lua", f"http://127.0.0.1:{gateway.port}"],
        env=os.environ | asked, capture_output=True, text=True, check=False, preexec_fn=first,
    )  # fmt: skip
    found = re.search(r"RESULT (\{.*\})", result.stdout)
    if not found:
        raise SystemExit(f"wrk failed: {result.stdout}{result.stderr}")
    return dict(json.loads(found[1]))


def measure(result: dict[str, Any], gateway: Gateway, process: psutil.Process, modes: list[str], seconds: int) -> None:
    """Add what this round shows, where it is better than the rounds before."""
    seconds = max(seconds, 6) if gateway.slow else seconds
    result["idle_mb"] = min(memory(process), result.get("idle_mb", float("inf")))
    for mode in LOADS:
        if mode not in modes:
            continue
        wrk(gateway, 16, 6 if gateway.slow else 2, mode)
        cells = result.setdefault(mode, {})
        for connections in CONCURRENCY:
            keep_better(cells, connections, one_cell(gateway, process, connections, seconds, mode))
    result["loaded_mb"] = max(memory(process), result.get("loaded_mb", 0.0))
    if "first" in modes:
        median, late = first_token(gateway)
        if median < result.get("first_ms", float("inf")):
            result["first_ms"], result["first_p99_ms"] = median, late


def one_cell(gateway: Gateway, process: psutil.Process, connections: int, seconds: int, mode: str) -> Cell:
    size = check(gateway, mode)
    own, around, begun = cpu_seconds(process), machine_seconds(), time.monotonic()
    cell = wrk(gateway, connections, seconds, mode)
    lasted = time.monotonic() - begun
    used, all_used = cpu_seconds(process) - own, machine_seconds() - around
    requests = max(cell["requests"], 1)
    if not cell["errors"] and cell["bytes"] < 0.97 * min(size, check(gateway, mode)) * requests:
        raise SystemExit(
            f"{gateway.name}, {mode}: answers are not whole: {cell['bytes'] / requests:.0f} of {size} bytes"
        )
    cell["rps"] = requests / cell["us"] * 1e6
    cell["cpu_us"] = used / requests * 1e6
    # The upstream and wrk fill core 1 at most; what is over that is somebody else's.
    cell["other_percent"] = max(0.0, all_used - used - lasted) / lasted * 100
    return cell


def keep_better(cells: dict[int, Cell], connections: int, cell: Cell) -> None:
    """The faster cell, with the least CPU and all the errors of both."""
    known = cells.get(connections)
    if known is not None:
        both = {"errors": cell["errors"] + known["errors"], "cpu_us": min(cell["cpu_us"], known["cpu_us"])}
        cell = max(cell, known, key=lambda each: each["rps"]) | both
    cells[connections] = cell


def ask(gateway: Gateway, connection: socket.socket, mode: str, number: int) -> tuple[float, bytes]:
    """One request on an open connection: milliseconds to the first data, and the whole answer."""
    payload = body(gateway, mode).replace("@@@@@@@@", f"{number:08}").encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in gateway.headers.items())
    head = (
        f"POST {gateway.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n{headers}"
        f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    begun = time.perf_counter()
    connection.sendall(head.encode() + payload)
    answer, first_data = b"", 0.0
    while not (answer.endswith(b"0\r\n\r\n") if mode != "json" else whole_json(answer)):
        data = connection.recv(65536)
        if not data or (answer + data).startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            raise SystemExit(f"{gateway.name}: an answer is not right: {(answer + data)[:2000]!r}")
        answer += data
        if not first_data and b"data: " in answer:
            first_data = (time.perf_counter() - begun) * 1e3
    return first_data, answer


def whole_json(answer: bytes) -> bool:
    """Whether all of a body is there, with a length or in chunks."""
    head, _, content = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return len(content) >= int(length[1]) if length else content.endswith(b"0\r\n\r\n")


def check(gateway: Gateway, mode: str) -> int:
    """One request whose answer must be whole; its bytes."""
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as connection:
        _, answer = ask(gateway, connection, mode, time.time_ns() % 10**8)
    tokens = all(f"tok{number} ".encode() in answer for number in range(20)) and b"[DONE]" in answer
    if not (tokens if mode != "json" else b"twenty tokens" in answer):
        raise SystemExit(f"{gateway.name}: an answer is not whole: {answer[:2000]!r}")
    return len(answer)


def first_token(gateway: Gateway) -> tuple[float, float]:
    """Milliseconds to the first data of a paced stream, one client: median and 99th of 100."""
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as connection:
        start = time.time_ns() % 10**7
        times = [ask(gateway, connection, "paced", start + turn)[0] for turn in range(110)][10:]
    return statistics.median(times), sorted(times)[98]


def soak(gateway: Gateway, work: Path, requests: int) -> dict[str, Any]:
    """Memory on the way through many requests."""
    print(f"soak: {gateway.name}", file=sys.stderr)
    with running(gateway, work) as process:
        wrk(gateway, 16, 2, "json")
        sizes, done, failed = [memory(process)], 0, 0
        steps = [requests / 4 * step for step in (1, 2, 3, 4)]
        while done < requests:
            cell = wrk(gateway, 16, 5, "json")
            done += int(cell["requests"])
            failed += int(cell["errors"])
            while steps and done >= steps[0]:
                steps.pop(0)
                sizes.append(memory(process))
        time.sleep(5)
        sizes.append(memory(process))
    return {"requests": done, "errors": failed, "mb": [round(size, 1) for size in sizes]}


def children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def cpu_seconds(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *children(process.pid))]
    return sum(each.user + each.system for each in times)


def machine_seconds() -> float:
    """What all cores have worked."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def memory(process: psutil.Process) -> float:
    """MB resident."""
    return sum(each.memory_info().rss for each in (process, *children(process.pid))) / MEGABYTE


# ----------------------------------------------------------------------- report


def report(results: dict[str, dict[str, Any]], modes: list[str]) -> str:
    """A table, with a column for what was measured."""
    columns = [f"{mode}/s at {' / '.join(map(str, CONCURRENCY))}" for mode in ("json", "stream") if mode in modes]
    if "json" in modes:
        columns += ["p50 / p99 ms at 16", "CPU µs per request"]
    columns += ["CPU µs per streamed event"] if "paced" in modes else []
    columns += ["added ms to first token, median / 99th"] if "first" in modes else []
    columns += ["MB idle / loaded", "other load"]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [row(name, result, modes, results.get("upstream", {})) for name, result in results.items()]
    peers = [name for name in results if name not in {"guru", "upstream"}] if "guru" in results else []
    for mode in ("json", "stream"):
        for name in peers if mode in modes else ():
            ours, theirs = results["guru"][mode], results[name][mode]
            times = " / ".join(f"{ours[c]['rps'] / theirs[c]['rps']:.2g}" for c in CONCURRENCY)
            lines.append(f"\nGuru over {name}, {mode}: {times} times.")
    return "\n".join(lines)


def row(name: str, result: dict[str, Any], modes: list[str], upstream: dict[str, Any]) -> str:
    cells = [" / ".join(f"{result[m][c]['rps']:,.0f}" for c in CONCURRENCY) for m in ("json", "stream") if m in modes]
    if "json" in modes:
        at16 = result["json"][16]
        cells += [f"{at16['p50'] / 1e3:.2f} / {at16['p99'] / 1e3:.2f}"]
        cells += [" / ".join(f"{result['json'][c]['cpu_us']:,.0f}" for c in CONCURRENCY)]
    if "paced" in modes:
        cells += [" / ".join(f"{result['paced'][c]['cpu_us'] / EVENTS:,.0f}" for c in CONCURRENCY)]
    if "first" in modes:
        added = [result[each] - upstream.get(each, 0.0) for each in ("first_ms", "first_p99_ms")]
        cells += [" / ".join(f"{each:.2f}" for each in added) + ("" if upstream else " (not subtracted)")]
    measured = [cell for mode in LOADS for cell in result.get(mode, {}).values()]
    cells += [f"{result['idle_mb']:.0f} / {result['loaded_mb']:.0f}"]
    cells += [f"{max((cell['other_percent'] for cell in measured), default=0):.0f} %"]
    errors = sum(int(cell["errors"]) for cell in measured)
    return f"| {name}{f' ({errors:,} errors)' if errors else ''} | " + " | ".join(cells) + " |"


def told(name: str, soaked: dict[str, Any]) -> str:
    shown = ", ".join(f"{size:.0f}" for size in soaked["mb"])
    return (
        f"\n{soaked['requests']:,} requests to {name}, {soaked['errors']} errors: {shown} MB "
        "(at the start, after each quarter, 5 s later)."
    )


if __name__ == "__main__":
    main()
