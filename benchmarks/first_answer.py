"""From a fresh clone in an empty home to the first cited answer: seconds, and bytes downloaded.

    python3 benchmarks/first_answer.py [--beside open-webui]

Nothing is taken from a cache: the clone, the home and every package cache are new. Bytes are those that the network
interfaces received meanwhile (Linux), so that nothing else should be downloading. `--beside` measures `pip install` of
another package in the same way. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUESTION = "How many weeks of parental leave does every parent get?"
PORT = "8191"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", metavar="PACKAGE", help="measure `pip install PACKAGE` too")
    arguments = parser.parse_args()
    print("| | seconds | MB downloaded |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="guru-first-answer-") as folder:
        for name, seconds, count in first_answer(Path(folder)):
            print(f"| {name} | {seconds:.0f} | {count / 1e6:.0f} |", flush=True)
    if arguments.beside:
        with tempfile.TemporaryDirectory(prefix="guru-beside-") as folder:
            seconds, count = pip_install(Path(folder), arguments.beside)
            print(f"| `pip install {arguments.beside}` | {seconds:.0f} | {count / 1e6:.0f} |")


def empty_environment(home: Path) -> dict[str, str]:
    """Variables of a new user: an empty home and no caches; how packages are reached stays as the machine has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GURU_", "XDG_", "VIRTUAL_ENV"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    caches = {"PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(home / "uv-cache"), "GURU_SERVER_PORT": PORT}
    return kept | caches | {"HOME": str(home), "PYTHONUNBUFFERED": "1"}


def first_answer(folder: Path) -> list[tuple[str, float, int]]:
    """What had passed when the server was ready, and when the first answer with a citation had come."""
    home = folder / "home"
    home.mkdir()
    environment = empty_environment(home)
    clone = folder / "guru"
    received, began = bytes_received(), time.monotonic()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    server = subprocess.Popen(
        ["make", "up"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        if not any(re.match("Guru is ready", line) for line in server.stdout):
            raise SystemExit("make up failed")
        ready = ("`make up` until it is ready", time.monotonic() - began, bytes_received() - received)
        asked = subprocess.run(
            [clone / ".venv/bin/guru", "ask", "--json", QUESTION],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        answer = json.loads(asked.stdout)
        if not answer["citations"]:
            raise SystemExit(f"no citation: {answer}")
        return [ready, ("fresh clone to the first cited answer", time.monotonic() - began, bytes_received() - received)]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def pip_install(folder: Path, package: str) -> tuple[float, int]:
    """Install a package into a fresh environment, without a cache."""
    received, began = bytes_received(), time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    command = [str(folder / "venv/bin/pip"), "install", "--quiet", package]
    subprocess.run(
        command, env=empty_environment(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.monotonic() - began, bytes_received() - received


def bytes_received() -> int:
    """What all interfaces but the loopback have received since the machine started."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    counts = {name.strip(): int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return sum(count for name, count in counts.items() if name != "lo")


if __name__ == "__main__":
    main()
