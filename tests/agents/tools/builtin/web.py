"""A real server on a loopback port that answers as the services do, and the network as the server hands it to tools."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

from guru.agents.tools.web import Page
from guru.models.http import HttpClient
from guru.server.tooling import ToolWeb


class Answers:
    """What the server says to a path, and what it was asked."""

    def __init__(self):
        self.said = {}
        self.asked = []
        self.url = ""

    def say(self, path, body, status=200, **headers):
        if isinstance(body, dict | list):
            body, headers = json.dumps(body), {"content_type": "application/json"} | headers
        content = body if isinstance(body, bytes) else body.encode()
        self.said[path] = (status, content, {name.replace("_", "-"): value for name, value in headers.items()})

    async def answer(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path_qs, headers, await request.read()))
        status, content, headers = self.said.get(request.path, (404, b"nothing here", {}))
        return web.Response(status=status, body=content, headers=headers)


@asynccontextmanager
async def serving():
    answers = Answers()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answers.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    answers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield answers
    finally:
        await runner.cleanup()


@asynccontextmanager
async def network():
    http = HttpClient()
    try:
        yield ToolWeb(http)
    finally:
        await http.aclose()


class PlainPages:
    """Pages for tests of what comes before the parser."""

    async def read(self, body, url, content_type):
        return Page("A title", body.decode())
