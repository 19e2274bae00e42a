"""A gateway for the pages: a real server with scripted models, in a thread of its own.

The driver of Playwright holds the event loop of the test's thread.
"""

import asyncio
import json
import threading
import urllib.request

from guru.config import (
    AliasSettings,
    Deployment,
    KeySettings,
    PriceSettings,
    ReleaseSettings,
    ServerSettings,
    Settings,
    TeamSettings,
)
from scripted import ScriptedModel, TestModels, run_server, say

ADMIN = "the-administrator"
MEMBER = "the-member"
HOSTILE = '<img src=x onerror="document.title=`hacked`">'
"""A name that the configuration may hold, and that a page must show as it is."""
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


class TwoModels(TestModels):
    """`test/scripted` and `test/new`, which says the same."""

    def __init__(self):
        super().__init__()
        self.new = ScriptedModel()
        self.new.name = "test/new"

    def chat_model(self, name):
        return self.new if name == "test/new" else super().chat_model(name)


def settings():
    deployments = [Deployment(model="test/scripted", label="old"), Deployment(model="test/new", label="new")]
    return Settings(
        server=ServerSettings(require_key=True),
        keys={"admin": KeySettings(key=ADMIN, role="admin"), "member": KeySettings(key=MEMBER)},
        teams={HOSTILE: TeamSettings()},
        models={
            "smart": AliasSettings(
                deployments=deployments, retries=0, release=ReleaseSettings(candidate="new", share=0.5, kind="ab")
            ),
            HOSTILE: AliasSettings(deployments=[Deployment(model="test/scripted")]),
        },
        prices={"test/new": PriceSettings(input=2.5, output=10.0)},
    )


class Gateway:
    """The server of `settings`. A context manager."""

    def __init__(self, home, settings=settings):
        self._home, self._settings = home, settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with run_server(self._home, self._settings(), TwoModels()) as server:
                self.server, self.url, self.models = server, server.url, server.models
                self.models.new.script = say("Hello", " there.")
                self._ready.set()
                await self._stop.wait()
        finally:
            self._ready.set()

    def call(self, method, path, body=None, key=ADMIN):
        """One request of a program, and what it answers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def write(self, change):
        """Change rows, as years of use would have."""
        asyncio.run_coroutine_threadsafe(self.server.services.database.write(change), self._loop).result()

    def ask(self, model="smart", times=1, key=ADMIN):
        for _ in range(times):
            self.call("POST", "/v1/chat/completions", CHAT | {"model": model}, key)
