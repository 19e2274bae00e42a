"""Prompts that are not kept yet: looked at while they are written, filled in, and tried on a model."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from guru.gateway.prompting import with_prompt
from guru.prompts.checking import names, problems
from guru.prompts.definition import PromptDefinition
from guru.server.ask_api import answer_events
from guru.server.chat_api import ChatAnswer, to_answer
from guru.server.endpoint import Call, post
from guru.server.prompts_api import RenderAnswer, library, to_rendered
from guru.types import JSON, ChatRequest, Grounding, Message, RenderedPrompt

PATH = "/api/v1/prompt-drafts"


class Draft(Struct, kw_only=True, forbid_unknown_fields=True):
    definition: PromptDefinition


class DraftProblem(Struct, kw_only=True):
    message: str
    hint: str | None
    param: str | None
    """The place in the definition, such as `messages[0].content` or `variables.town`."""


class DraftReport(Struct):
    variables: list[str]
    """Those that its templates read, in the order in which they come."""
    problems: list[DraftProblem]
    """Everything for which it would be refused."""


class DraftValues(Draft, kw_only=True, forbid_unknown_fields=True):
    variables: JSON = {}


class DraftChat(DraftValues, kw_only=True, forbid_unknown_fields=True):
    model: str | None = None
    """`default` when it is left out, or the one that the prompt is meant for."""
    message: str = ""
    """Of a user, behind the messages of the prompt."""
    stream: bool = False


@post(PATH + "/check", reads=True)
async def check_draft(call: Call, body: Draft) -> DraftReport:
    """Say which variables a prompt reads, and all that is wrong with it. Nothing is kept."""
    wrong = await asyncio.to_thread(problems, body.definition)
    found = [DraftProblem(message=error.message, hint=error.hint, param=error.param) for error in wrong]
    return DraftReport(await asyncio.to_thread(names, body.definition), found)


@post(PATH + "/render", reads=True)
async def render_draft(call: Call, body: DraftValues) -> RenderAnswer:
    """Fill a prompt in that is not kept, and ask no model. Its name is `draft`, its version 0."""
    prompt = await library(call).draft(body.definition, body.variables)
    return to_rendered(to_request(prompt, "", "default", stream=False), prompt)


@post(PATH + "/chat", answer=ChatAnswer)
async def chat_draft(call: Call, body: DraftChat) -> Any:
    """Ask a model with a prompt that is not kept, as `/api/v1/chat` does with one that is.

    It is asked once, also where several samples would vote.
    """
    prompt = await library(call).draft(body.definition, body.variables)
    request = to_request(prompt, body.message, body.model or prompt.model or "default", stream=body.stream)
    return await answer_events(call, request, call.caller("prompts"), to_answer)


def to_request(prompt: RenderedPrompt, message: str, model: str, *, stream: bool) -> ChatRequest:
    said = [Message("user", message)] if message.strip() else []
    request = ChatRequest(model=model, messages=said, stream=stream, guru=Grounding(prompt=prompt.name))
    return with_prompt(request, prompt)


DOORS = [check_draft, render_draft, chat_draft]
