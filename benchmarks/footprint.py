"""What Guru weighs: packages, start-up times and memory, printed as Markdown.

    .venv/bin/python benchmarks/footprint.py [--skip-install] [--home DIR]

The packages are counted in a fresh environment. The home must have the default model, or it is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
GURU = Path(sys.executable).parent / "guru"
# Compiled modules are kept between starts, as they are for everybody who does not forbid it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
MEGABYTE = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skip-install", action="store_true", help="do not count packages in a fresh environment")
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "test-home", help="a home with the models")
    arguments = parser.parse_args()
    arguments.home.mkdir(parents=True, exist_ok=True)
    subprocess.run([GURU, "models", "pull", "--home", arguments.home], check=True, stdout=subprocess.DEVNULL)
    rows = [("`guru --help`, median of 7", f"{help_seconds():.2f} s", "< 0.3 s")]
    if not arguments.skip_install:
        packages, size = base_install()
        rows += [
            ("packages in the base install", f"{packages}", "< 80"),
            ("the base install on disk", f"{size:.0f} MB", ""),
        ]
    with tempfile.TemporaryDirectory(prefix="guru-footprint-") as folder:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        (home / "models").symlink_to((arguments.home / "models").resolve(), target_is_directory=True)
        ready_seconds(home)  # the first start writes compiled modules and the database
        rows += [
            ("server ready, median of 5", f"{statistics.median(ready_seconds(home) for _ in range(5)):.2f} s", "< 3 s")
        ]
        rows += memory(home)
    print("| | measured | wanted |\n|---|---|---|")
    for name, value, wanted in rows:
        print(f"| {name} | {value} | {wanted} |")


def help_seconds() -> float:
    times = []
    for _ in range(8):
        began = time.perf_counter()
        subprocess.run([GURU, "--help"], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def base_install() -> tuple[int, float]:
    """How many packages a fresh environment gets besides pip, and the megabytes they take."""
    with tempfile.TemporaryDirectory(prefix="guru-footprint-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder, "bin", "python"))
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(ROOT)]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True)
        names = {item["name"] for item in json.loads(listed.stdout)} - {"pip", "setuptools"}
        files = [path for path in Path(folder, "lib").rglob("*") if path.is_file() and "/pip" not in str(path)]
        return len(names), sum(path.stat().st_size for path in files) / MEGABYTE


def start(home: Path) -> tuple[subprocess.Popen[str], str]:
    """A server, and its address as soon as it answers."""
    command = [str(GURU), "up", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"Guru answers at (\S+)", line):
            return process, found.group(1)
    raise SystemExit("the server did not start")


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=60)


def ready_seconds(home: Path) -> float:
    """From the command to the first answer of /readyz."""
    began = time.perf_counter()
    process, url = start(home)
    get(f"{url}/readyz")
    seconds = time.perf_counter() - began
    stop(process)
    return seconds


def memory(home: Path) -> list[tuple[str, str, str]]:
    """Resident memory of all of the server's processes: idle, then with each model in use."""
    process, url = start(home)
    try:
        time.sleep(3)
        idle = resident(process.pid)
        post(f"{url}/v1/embeddings", {"model": "embedding", "input": ["A sentence of some length. " * 12] * 64})
        embedding = resident(process.pid)
        message = {"role": "user", "content": "Tell a story about a lighthouse. " * 60}
        post(f"{url}/v1/chat/completions", {"model": "default", "messages": [message], "max_tokens": 200})
        both = resident(process.pid)
    finally:
        stop(process)
    return [
        ("memory, idle", f"{idle:.0f} MB", "< 200 MB"),
        ("memory, embedder loaded and used", f"{embedding:.0f} MB", ""),
        ("memory, chat model and embedder loaded and used", f"{both:.0f} MB", "< 600 MB"),
    ]


def resident(pid: int) -> float:
    """Megabytes (RSS) of the process and all that it started; pages that they share are counted for each."""
    main_process = psutil.Process(pid)
    family = [main_process, *main_process.children(recursive=True)]
    return sum(process.memory_info().rss for process in family) / MEGABYTE


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        return bytes(response.read())


def post(url: str, body: dict[str, object]) -> bytes:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return bytes(response.read())


if __name__ == "__main__":
    main()
