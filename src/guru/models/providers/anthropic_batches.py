"""Anthropic's message batches: half the price. Spec: https://platform.claude.com/docs/en/api/creating-message-batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from guru.errors import ModelUnavailable
from guru.models.providers.batch_api import BatchAnswer, BatchStatus, HandIn, encode
from guru.models.providers.batch_lines import CHATS, Lines, ask, json_lines, members, text
from guru.models.providers.openai_batches import EARLIER, PAGES, created
from guru.models.wire.answers import count
from guru.models.wire.anthropic_answer import AnswerDecoder
from guru.models.wire.anthropic_request import encode_request
from guru.types import ChatRequest

if TYPE_CHECKING:
    from guru.models.providers.anthropic import Anthropic

JSON = dict[str, Any]

ERRORS: Final = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
"""https://platform.claude.com/docs/en/api/errors"""
UNASKED: Final = {
    "canceled": ("batch_cancelled", "The batch was cancelled before this line was asked."),
    "expired": ("batch_expired", "The batch ended before this line was asked."),
}


class AnthropicBatches:
    """Implements `BatchApi`. The lines travel in the request itself; there are no files."""

    ENDPOINTS = CHATS
    ONE_MODEL = False
    MAX_LINES = 100_000
    MAX_BYTES = 256 << 20

    def __init__(self, provider: Anthropic) -> None:
        self.provider = provider
        self._url = f"{provider.base_url}/messages/batches"

        def body(request: ChatRequest, model: str) -> JSON:
            return encode_request(provider.filter.apply(request), model, provider.settings.drop_params)

        self._lines = Lines(provider, body, lambda name, raw: AnswerDecoder(provider.name, name).whole(raw))

    def line(self, endpoint: str, id: str, model: str, body: JSON) -> bytes:
        return encode({"custom_id": id, "params": self._lines.request(endpoint, model, body)})

    async def upload(self, handed: HandIn, lines: bytes) -> str:
        return ""

    async def start(self, handed: HandIn, lines: bytes) -> str:
        body = b'{"requests":[' + lines.strip().replace(b"\n", b",") + b"]}"  # a line of JSON has no line end in it
        return text(await ask(self.provider, "POST", self._url, body), "id", self.provider)

    async def find(self, handed: HandIn) -> str | None:
        """By the ids of its lines, which are shown when it has ended: a batch has no name of ours."""
        waiting = False
        after = ""
        for _ in range(PAGES):
            raw = await ask(self.provider, "GET", f"{self._url}?limit=100{after}")
            for batch in (found := members(raw, "data")):
                counts = batch.get("request_counts")
                total = sum(map(count, counts.values())) if isinstance(counts, dict) else 0
                if created(batch) < handed.since - EARLIER or total != handed.total:
                    continue
                if batch.get("processing_status") != "ended":
                    waiting = True
                    continue
                async for line, _ in self.results(text(batch, "id", self.provider)):
                    if line.startswith(f"{handed.mark}-"):
                        return text(batch, "id", self.provider)
                    break
            if not found or not raw.get("has_more") or created(found[-1]) < handed.since - EARLIER:
                break
            after = f"&after_id={raw.get('last_id')}"
        if waiting:
            message = f"{self.provider.name} may be running this batch already: it shows when that has ended."
            raise ModelUnavailable(message, hint="Wait.")
        return None

    async def status(self, id: str) -> BatchStatus:
        batch = await self._batch(id)
        ended = batch.get("processing_status") == "ended"
        cancelled = ended and batch.get("cancel_initiated_at") is not None
        return BatchStatus(state="cancelled" if cancelled else "completed" if ended else "running")

    async def results(self, id: str) -> AsyncIterator[tuple[str, JSON]]:
        batch = await self._batch(id)
        if not batch.get("results_url"):
            return
        # The address that it names has our key's host; the documented one is asked, so that no other is sent the key.
        response = await self.provider.send("GET", f"{self._url}/{id}/results")
        async for raw in json_lines(self.provider, response):
            yield str(raw.get("custom_id")), raw

    def answer(self, endpoint: str, name: str, raw: JSON) -> BatchAnswer:
        result = raw.get("result")
        result = result if isinstance(result, dict) else {}
        kind = result.get("type")
        if kind == "succeeded":
            message = result.get("message")
            said = str(message.get("id") or "") if isinstance(message, dict) else ""
            return self._lines.answer(endpoint, name, message, request_id=said)
        if kind == "errored":
            error = result.get("error")
            inner = error.get("error") if isinstance(error, dict) else None
            status = ERRORS.get(str(inner.get("type")), 500) if isinstance(inner, dict) else 500
            return self._lines.answer(endpoint, name, error, status=status)
        code, message = UNASKED.get(str(kind), ("not_answered", "The provider gave no answer."))
        return BatchAnswer(error={"code": code, "message": message})

    async def cancel(self, id: str) -> None:
        await ask(self.provider, "POST", f"{self._url}/{id}/cancel")

    async def _batch(self, id: str) -> JSON:
        raw = await ask(self.provider, "GET", f"{self._url}/{id}")
        text(raw, "processing_status", self.provider)
        return dict(raw)
