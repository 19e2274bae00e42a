"""A loopback server that speaks OpenAI's embeddings API: deterministic models of several dimensions, faults on demand.

python tests/embedding_server.py        prints its address, and serves until it is killed
"""

import asyncio
import contextlib
import hashlib
import json
import re
import sys

from aiohttp import web

DIMENSIONS = {"letters-32": 32, "letters-96": 96}


def embed(model, text, dimension=None):
    """A vector of the words of a text, hashed: near for texts that share words; the model's name goes into the hash."""
    vector = [0.01] * (dimension or DIMENSIONS[model])
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(f"{model} {word}".encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % len(vector)] += 1.0
    return vector


class EmbeddingServer:
    """What it was asked, and how it is to fail."""

    def __init__(self):
        self.texts = []
        self.failures = []
        """Statuses of the next answers."""
        self.delay = 0.0
        self.hold = None
        """An event that answers wait for."""
        self.waiting = 0
        """How many have waited for it."""
        self.dimensions = dict(DIMENSIONS)
        self.url = ""

    async def embeddings(self, request):
        body = await request.json()
        if self.failures:
            return web.json_response({"error": {"message": "busy"}}, status=self.failures.pop(0))
        if body["model"] not in self.dimensions:
            return web.json_response({"error": {"message": f"no model {body['model']}"}}, status=404)
        if self.hold is not None:
            self.waiting += 1
            await self.hold.wait()
        await asyncio.sleep(self.delay)
        self.texts += body["input"]
        data = [
            {
                "object": "embedding",
                "index": place,
                "embedding": embed(body["model"], text, self.dimensions[body["model"]]),
            }
            for place, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": sum(len(text.split()) for text in body["input"]), "total_tokens": 0}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})

    async def asked(self, request):
        return web.json_response({"texts": len(self.texts)})


@contextlib.asynccontextmanager
async def embedding_server():
    server = EmbeddingServer()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/embeddings", server.embeddings)
    app.router.add_get("/asked", server.asked)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        if server.hold is not None:
            server.hold.set()
        await runner.cleanup()


async def main(delay):
    async with embedding_server() as server:
        server.delay = delay
        print(json.dumps({"url": server.url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
