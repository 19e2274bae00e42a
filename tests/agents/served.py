"""A server whose model and tools are those of a test."""

import asyncio
import contextlib

from agents.acting import World, events_of
from guru.agents.tools.toolbox import Toolbox
from scripted import TestModels, run_server


class ActingModel:
    """Answers by what was said so far."""

    name = "test/scripted"
    context_length = 8192
    small = False

    def __init__(self):
        self.requests = []
        self.by = lambda request: "Hello."

    async def chat(self, request):
        self.requests.append(request)
        for event in events_of(self.by(request)):
            yield event


def acting_server(home, settings):
    @contextlib.asynccontextmanager
    async def run():
        models = TestModels()
        models.model = ActingModel()
        async with run_server(home, settings, models) as server:
            server.world = World()

            async def tools(scope):
                return Toolbox(server.world.tools())

            server.services.agents.hosts.tools = tools
            yield server

    return run()


async def runs(server):
    """All runs of agents, as the API lists them."""
    return (await server.get("/api/v1/runs"))[1]["runs"]


async def ended(server, statuses):
    """Returns when the runs have these."""
    async with asyncio.timeout(60):
        while [run["status"] for run in await runs(server)] != statuses:
            await asyncio.sleep(0.02)
