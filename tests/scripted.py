"""A real server on a loopback port, in the test's own process, with a model that says what a test tells it to."""

import asyncio
import contextlib
import hashlib
import json
import socket

import aiohttp
import numpy as np
import openai

from guru.config import Settings
from guru.errors import ModelNotFound
from guru.models.local.tasks import LocalEmbedding
from guru.models.registry import LOCAL_EMBEDDING, ModelStatus
from guru.server.app import create_app
from guru.server.serve import Server, address
from guru.types import Completed, Delta, Finished, Usage


class ScriptedModel:
    """Yields its script: events, exceptions to raise, and seconds to wait."""

    name = "test/scripted"
    context_length = 4096

    def __init__(self):
        self.script = say("Hello there.")
        self.requests = []
        self.cancelled = 0

    def chat(self, request):
        return self._run(request)

    def complete(self, request):
        return self._run(request)

    async def _run(self, request):
        self.requests.append(request)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise


def say(*texts, reason="stop", prompt_tokens=7):
    """A script that says `texts`, one delta each."""
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=len(texts))
    return [
        *(Delta(text=text) for text in texts),
        Finished(reason),
        Completed(model=ScriptedModel.name, usage=usage, timings={"queue": 0.0}),
    ]


class WordEmbedder:
    """Vectors that say which words a text has: near for texts that share some."""

    name = "test/words"
    revision = ""
    dimension = 64
    max_tokens = 256

    async def embed(self, texts):
        vectors = np.full((len(texts), self.dimension), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, hashlib.sha256(word.strip(".,?!").encode()).digest()[0] % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    async def embed_queries(self, texts):
        return await self.embed(texts)

    def count_tokens(self, text):
        return len(text.split())

    def token_offsets(self, text):
        spans, position = [], 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            spans.append((start, position))
        return spans


class TestModels:
    __test__ = False

    def __init__(self):
        self.model = ScriptedModel()
        self.words = WordEmbedder()

    def chat_model(self, name):
        if name in ("default", self.model.name):
            return self.model
        raise ModelNotFound(f"There is no model {name!r}.", hint="Did you mean `default`?", param="model")

    def embedder(self, name):
        self.resolve(name)
        return self.words

    def resolve(self, name):
        if name in ("embedding", self.words.name, LOCAL_EMBEDDING):
            return self.words.name
        raise ModelNotFound(f"There is no model {name!r}.", param="model")

    def is_remote(self, name):
        return False

    def reader(self):
        return None

    def embedding_model(self, name):
        return LocalEmbedding(self.embedder(name))

    def no_model(self, name):
        raise ModelNotFound(f"There is no model {name!r}.", param="model")

    reranker = moderator = image_model = speech_model = transcription_model = no_model

    async def pull(self, tenant, name):
        self.no_model(name)

    async def remove(self, name):
        self.no_model(name)

    async def list(self):
        return [
            status(self.model.name, "chat", "ready", "default"),
            status(self.words.name, "embedding", "ready", "embedding"),
            status("test/elsewhere", "chat", "not installed"),
        ]

    def worker_failures(self):
        return {self.model.name: 0}

    async def aclose(self):
        pass


def status(name, kind, state, *aliases):
    return ModelStatus(
        name=name,
        kind=kind,
        status=state,
        size_bytes=1,
        context_length=4096,
        licence=None,
        description="",
        memory_bytes=1,
        aliases=list(aliases),
    )


class Running:
    """A server that runs, and clients for it."""

    def __init__(self, url, app, models, session, client):
        self.url = url
        self.app = app
        self.models = models
        self.model = models.model
        self.session = session
        self.openai = client
        self.services = app.state.services

    async def get(self, path, **options):
        async with self.session.get(self.url + path, **options) as response:
            return response.status, await read(response)

    async def post(self, path, body=None, **options):
        async with self.session.post(self.url + path, json=body, **options) as response:
            return response.status, await read(response)

    async def request(self, method, path, **options):
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, await read(response)

    async def events(self, path, body):
        """The server-sent events of an answer, as (name, data)."""
        async with self.session.post(self.url + path, json=body) as response:
            assert response.status == 200, await response.text()
            return parse_events(await response.text())


async def read(response):
    if response.content_type == "application/json":
        return await response.json()
    return await response.read()


def parse_events(text):
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "data" in lines:
            found.append((lines.get("event"), json.loads(lines["data"]) if lines["data"] != "[DONE]" else "[DONE]"))
    return found


@contextlib.asynccontextmanager
async def run_server(home, settings=None, models=None, source=None):
    """`source` is read for the settings, and again when it has changed."""
    models = models or TestModels()
    app = create_app(home, settings or (source.load() if source else Settings()), models=models, source=source)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = Server(app)
    task = asyncio.create_task(server.run_embedded(listener))
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        url = address(listener)
        # Reading the certificates of a machine takes longer than starting the server.
        http = openai.DefaultAsyncHttpxClient(verify=False)
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, http_client=http)
        async with aiohttp.ClientSession() as session, client:
            yield Running(url, app, models, session, client)
    finally:
        server.should_exit = True
        with contextlib.closing(listener):
            await task
