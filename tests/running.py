"""Real servers and real commands for tests: what a person would start, in a home of its own."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
GURU = Path(sys.executable).parent / "guru"
# Weights are fetched once for a checkout, as a person would fetch them, and linked into the homes of the tests.
MODEL_HOME = Path(os.environ.get("GURU_TEST_HOME", ROOT / "build" / "test-home"))


def environment(home, **more):
    """The environment of a command that works in `home`, and reads no other configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GURU_")}
    path = f"{GURU.parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"GURU_HOME": str(home), "PATH": path, "NO_COLOR": "1"} | more


def run(home, *arguments, check=True, **options):
    """Run `guru` to its end; the completed process, with text in `stdout` and `stderr`."""
    result = subprocess.run(  # noqa: PLW1510
        [GURU, *map(str, arguments)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=240,
        stdin=options.pop("stdin", subprocess.DEVNULL if "input" not in options else None),
        **options,
    )
    if check and result.returncode != 0:
        raise AssertionError(
            f"guru {' '.join(map(str, arguments))}: {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result


def run_json(home, *arguments, **options):
    """Run `guru ... --json`; what it printed, decoded."""
    return json.loads(run(home, *arguments, "--json", **options).stdout)


def make_home(folder):
    """A home that has the default models and nothing else."""
    fetch_models()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "models").symlink_to(MODEL_HOME / "models", target_is_directory=True)
    return folder


def fetch_models():
    """See that the default models are there; the first call on a machine downloads them, and others wait for it."""
    if (MODEL_HOME / ".complete").exists():
        return
    MODEL_HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (MODEL_HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (MODEL_HOME / ".complete").exists():
            run(MODEL_HOME, "models", "pull", "default")
            (MODEL_HOME / ".complete").touch()


class Server:
    """A `guru up` that answers."""

    def __init__(self, process, home, url):
        self.process = process
        self.home = home
        self.url = url

    def get(self, path):
        """The JSON that a GET answers with."""
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return json.load(response)

    def read(self, path):
        """The bytes that a GET answers with."""
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return response.read()

    def post(self, path, body):
        """The JSON that a POST of JSON answers with."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=240) as response:
            return json.load(response)

    def kill(self):
        """End it and everything it started as a power cut would: SIGKILL."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(home, *arguments):
    """A server on `home`, in a process group of its own, from when it is ready until the context ends."""
    with (home / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [GURU, "up", "--port", "0", *map(str, arguments)],
            env=environment(home, PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield Server(process, home, wait_until_ready(process, home))
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        process.stdout.close()


@contextmanager
def embedding_process(delay=0.0):
    """The address of a process that speaks OpenAI's embeddings API, each request taking `delay` seconds."""
    command = [sys.executable, str(ROOT / "tests" / "embedding_server.py"), str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def configure_letters(home, url, embedding=None, *, more=""):
    """Let a home know that process as the provider `letters`; `embedding` is its model that embeds documents."""
    text = f'[providers.letters]\nkind = "openai-compatible"\nbase_url = "{url}"\n'
    if embedding:
        text += f'[models.embedding]\ndeployments = [{{ model = "letters/{embedding}" }}]\n'
    (home / "guru.toml").write_text(text + more)


def wait_until_ready(process, home):
    for line in process.stdout:
        if found := re.search(r"Guru is ready: (\S+)", line):
            return found.group(1)
    raise AssertionError(f"guru up ended with {process.wait()}:\n{(home / 'up.log').read_text()}")
