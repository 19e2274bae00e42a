"""The tokens of a prompt, counted before it is sent: by the provider where it has an endpoint for that, else here."""

from __future__ import annotations

import asyncio

from guru.errors import InvalidParameter
from guru.gateway.cost.tokens import count_prompt, load, vocabulary
from guru.gateway.identity import Caller
from guru.gateway.prompting import has_prompt, rendered
from guru.server.answerers import AGENT
from guru.server.endpoint import Call
from guru.server.sse import while_connected
from guru.types import ChatRequest


async def count(call: Call, request: ChatRequest, caller: Caller) -> int:
    """Raises `Forbidden`, `ModelNotFound`, and the errors of the provider that is asked; `InvalidParameter` for an
    agent; `ClientGone`."""
    return await while_connected(call.receive, ask(call, request, caller))


async def ask(call: Call, request: ChatRequest, caller: Caller) -> int:
    if request.model.startswith(AGENT):
        raise InvalidParameter(
            "What an agent has its model read is known only when it has run.", param="model", hint="Count for a model."
        )
    services = call.services
    services.directory.allow(caller, request.model, caller.route)
    if has_prompt(request):
        request, _ = await rendered(services.prompts, request, caller.tenant)

    async def ask_one(name: str) -> int:
        model = services.models.chat_model(name)
        # Only providers with an endpoint for it have this method.
        provider = getattr(model, "count_tokens", None)
        if provider is not None:
            return int(await provider(request))
        return await asyncio.to_thread(count_here, model.name, request)

    return await services.router.call(request.model, caller, ask_one)


def count_here(model: str, request: ChatRequest) -> int:
    """With the model's own vocabulary where it is published, else an estimate."""
    load(vocabulary(model)[0])
    return count_prompt(model, request)
