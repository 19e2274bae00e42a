"""OpenRouter: costs, comments that keep a stream open, errors of whoever is behind. https://openrouter.ai/docs"""

import dataclasses

from guru.errors import ModelUnavailable, UpstreamRateLimited
from guru.types import FilePart, Message, TextPart, Usage
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, EXCHANGES, STREAM_ERRORS, OpenAISuite, chunk, usage, whole
from models.providers.replay import answer, event_stream

LIMITED = {"error": {"code": 429, "message": "Provider returned error",
                     "metadata": {"raw": "rate limited upstream", "provider_name": "Acme"}}}  # fmt: skip
BROKEN = chunk({"content": ""}, "error", error={"code": "server_error", "message": "Provider disconnected"})


class TestOpenRouter(OpenAISuite):
    kind = "openrouter"
    model = "anthropic/claude-sonnet-4.5"
    base_path = "/api/v1"
    chat_path = "/api/v1/chat/completions"
    errors = [*ERRORS, (answer(LIMITED, 429), UpstreamRateLimited)]
    stream_errors = [*STREAM_ERRORS, (event_stream(chunk({"content": "a"}), BROKEN), ModelUnavailable)]

    async def test_comments_keep_the_stream_open(self, server, chat):
        stream = EXCHANGES["text"].stream
        server.say(dataclasses.replace(stream, body=b": OPENROUTER PROCESSING\n\n" * 3 + stream.body, split=5))
        assert (await hear(chat, ask(stream=True))).text == EXCHANGES["text"].text

    async def test_what_it_charged_and_who_answered_is_kept(self, server, chat):
        counts = usage(194, 2, prompt_tokens_details={"cached_tokens": 100, "cache_write_tokens": 50}, cost=0.95,
                       cost_details={"upstream_inference_cost": 0.9})  # fmt: skip
        details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]
        reply = whole(
            {"content": "42", "reasoning": "Hm.", "reasoning_details": details}, counts=counts, provider="Acme"
        )
        server.say(reply)
        heard = await hear(chat, ask())
        assert heard.completed.usage == Usage(194, 2, 100, cache_write_tokens=50)
        assert heard.completed.extra["usage"] == {"cost": 0.95, "cost_details": {"upstream_inference_cost": 0.9}}
        assert heard.completed.extra["provider"] == "Acme"
        assert heard.extra["reasoning_details"] == details

    async def test_thinking_marks_for_the_cache_and_files(self, server, chat):
        server.say(whole({"content": "Hi"}))
        mark = {"type": "ephemeral"}
        parts = [
            TextPart("Long", cache_control=mark),
            FilePart({"filename": "a.pdf", "file_url": "https://x.org/a.pdf"}),
        ]
        await hear(chat, ask(Message("user", parts), thinking={"type": "enabled", "budget_tokens": 2000}))
        body = server.last.json
        assert body["reasoning"] == {"max_tokens": 2000}
        assert body["messages"][0]["content"] == [
            {"type": "text", "text": "Long", "cache_control": mark},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.org/a.pdf"}},
        ]
        await hear(chat, ask(thinking={"type": "disabled"}))
        assert server.last.json["reasoning"] == {"enabled": False}
