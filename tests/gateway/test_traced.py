"""What is billed of an answer that was not finished, over providers that say something of it before the end."""

import dataclasses
from contextlib import aclosing

import pytest

from guru.config import ProviderSettings
from guru.errors import ModelUnavailable
from guru.gateway.cost.tokens import interrupted_usage
from guru.gateway.traced import TracedModel
from guru.models import providers
from guru.models.http import HttpClient
from guru.observe.spans import Trace
from guru.types import ChatRequest, Delta, Message
from models.providers.replay import event_stream, named_events, replaying

USAGE = {"input_tokens": 25, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1}
ANTHROPIC = named_events(
    ("message_start", {"type": "message_start", "message": {"id": "msg_1", "usage": USAGE | {"speed": "fast"}}}),
    ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    *(
        (
            "content_block_delta",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        )
        for text in ("one", " two", " three")
    ),
)
COUNTS = {"promptTokenCount": 40, "candidatesTokenCount": 30, "thoughtsTokenCount": 70, "cachedContentTokenCount": 8}
GEMINI = event_stream(
    {"candidates": [{"content": {"parts": [{"text": "one"}]}, "index": 0}], "usageMetadata": COUNTS}, done=False
)
OPENAI = event_stream(
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "service_tier": "flex",
     "choices": [{"index": 0, "delta": {"content": "one two three"}, "finish_reason": None}]},
    done=False,
)  # fmt: skip


FAILURE = b'event: error\ndata: {"type": "error", "error": {"type": "api_error", "code": 500, "message": "No."}}\n\n'


class Books:
    """Prices and tokens, and what they were asked."""

    def __init__(self):
        self.asked = []

    def cost(self, model, usage, at=None, tier=None):
        self.asked.append((usage, tier))
        return 1.0

    def interrupted(self, model, request, answer):
        return interrupted_usage(model, request, answer)


async def interrupted(kind, reply, *, leave):
    """The call and what its price was asked for; the reader leaves after the first piece, or the provider fails."""
    async with replaying() as replay:
        body = reply.body if leave else reply.body + FAILURE
        replay.say(dataclasses.replace(reply, body=body, end="hang"))
        http = HttpClient()
        settings = ProviderSettings(kind=kind, base_url=replay.url, api_key="key")
        books, trace = Books(), Trace("tr_1", "t", "chat.completions")
        model = TracedModel(providers.create("acme", settings, http).chat_model("m"), trace, books, books)
        request = ChatRequest(model="m", messages=[Message(role="user", content="Count.")], stream=True, max_tokens=9)
        try:
            async with aclosing(model.chat(request)) as events:
                async for event in events:
                    if leave and isinstance(event, Delta) and event.text:
                        break
        except ModelUnavailable:
            assert not leave
        finally:
            await http.aclose()
        await replay.dropped.wait()
        (call,) = trace.calls
        ((_, tier),) = books.asked
        return call, tier


@pytest.mark.parametrize("leave", [True, False])
async def test_the_prompt_that_anthropic_counted_is_billed_when_the_answer_is_interrupted(leave):
    call, tier = await interrupted("anthropic", ANTHROPIC, leave=leave)
    assert (call.prompt_tokens, call.cached_tokens, call.cache_write_tokens) == (135, 100, 10)
    assert 1 <= call.completion_tokens <= 4  # of which Anthropic says nothing before the end
    assert call.estimated
    assert call.status == ("cancelled" if leave else "error")
    assert tier == "fast"


@pytest.mark.parametrize("leave", [True, False])
async def test_what_gemini_counted_until_then_is_billed_when_the_answer_is_interrupted(leave):
    call, _ = await interrupted("gemini", GEMINI, leave=leave)
    assert (call.prompt_tokens, call.completion_tokens, call.reasoning_tokens) == (40, 100, 70)
    assert call.cached_tokens == 8


async def test_an_interrupted_answer_has_the_price_of_its_tier():
    call, tier = await interrupted("openai-compatible", OPENAI, leave=True)
    assert call.estimated
    assert call.prompt_tokens > 0
    assert tier == "flex"
