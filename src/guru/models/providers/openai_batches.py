"""Batches of OpenAI and of those that copied it: half the price, within a day.

References: https://platform.openai.com/docs/api-reference/batch (OpenAI; Groq has the same),
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch, https://docs.together.ai/reference/batch-create.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from guru.errors import ModelError
from guru.models.providers.batch_api import BatchAnswer, BatchStatus, HandIn, State, encode
from guru.models.providers.batch_lines import CHATS, Lines, ask, json_lines, members, text
from guru.models.wire.openai_answer import AnswerDecoder
from guru.models.wire.openai_tasks import multipart
from guru.tasks import FormFile
from guru.types import Event

if TYPE_CHECKING:
    from guru.models.providers.compatible import Compatible

JSON = dict[str, Any]

STATES: Final[dict[str, State]] = {
    "completed": "completed", "failed": "failed", "expired": "expired", "cancelled": "cancelled",
}  # fmt: skip
EARLIER: Final = 3600.0
"""Seconds that the provider's clock may be behind ours, when a batch is looked for."""
PAGES: Final = 50


class OpenAIBatches:
    """Implements `BatchApi`."""

    ENDPOINTS: frozenset[str] = CHATS | {
        "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/moderations", "/v1/images/generations",
    }  # fmt: skip
    ONE_MODEL = True
    MAX_LINES = 50_000
    MAX_BYTES = 200 << 20
    PURPOSE = "batch"
    UPLOAD = "/files"

    def __init__(self, provider: Compatible) -> None:
        self.provider = provider
        self._lines = lines_of(provider)

    # ------------------------------------------------------------------- what may differ

    def url(self, path: str) -> str:
        return self.provider.account_url(path)

    def endpoint(self, endpoint: str) -> str:
        """As the provider calls it. Lines of Anthropic's shape are sent as chats."""
        return "/v1/chat/completions" if endpoint in CHATS else endpoint

    def wrapped(self, endpoint: str, id: str, body: JSON) -> JSON:
        return {"custom_id": id, "method": "POST", "url": self.endpoint(endpoint), "body": body}

    async def ready(self, file: str) -> None:
        """Wait until the provider has looked at a file that was uploaded."""

    # ------------------------------------------------------------------- the batch

    def line(self, endpoint: str, id: str, model: str, body: JSON) -> bytes:
        return encode(self.wrapped(endpoint, id, self._lines.request(endpoint, model, body)))

    async def upload(self, handed: HandIn, lines: bytes) -> str:
        name = f"{handed.mark}.jsonl"
        form, content_type = multipart(self.upload_fields(name), FormFile("file", name, "application/jsonl", lines))
        headers = self.provider.headers | {"content-type": content_type}
        return text(await ask(self.provider, "POST", self.url(self.UPLOAD), form, headers), "id", self.provider)

    def upload_fields(self, name: str) -> list[tuple[str, str]]:
        return [("purpose", self.PURPOSE)]

    async def start(self, handed: HandIn, lines: bytes) -> str:
        await self.ready(handed.file)
        endpoint = self.endpoint(handed.endpoint)
        body = {"input_file_id": handed.file, "endpoint": endpoint, "completion_window": "24h"}
        raw = await ask(self.provider, "POST", self.url("/batches"), encode(body))
        # Together wraps it, for a warning beside it.
        return text(raw.get("job", raw) if isinstance(raw, dict) else raw, "id", self.provider)

    async def find(self, handed: HandIn) -> str | None:
        """By its file, which nobody else has."""
        after = ""
        for _ in range(PAGES):
            raw = await ask(self.provider, "GET", self.url(f"/batches?limit=100{after}"))
            found = (
                [entry for entry in raw if isinstance(entry, dict)] if isinstance(raw, list) else members(raw, "data")
            )
            for batch in found:
                if batch.get("input_file_id") == handed.file:
                    return text(batch, "id", self.provider)
            older = bool(found) and created(found[-1]) < handed.since - EARLIER
            if older or not found or not isinstance(raw, dict) or not raw.get("has_more"):
                return None
            after = f"&after={text(found[-1], 'id', self.provider)}"
        return None

    async def status(self, id: str) -> BatchStatus:
        batch = await self._batch(id)
        errors = batch.get("errors")
        said = [str(error.get("message")) for error in members(errors, "data")] + [str(batch.get("error") or "")]
        state = STATES.get(str(batch.get("status")).lower(), "running")
        return BatchStatus(state=state, error="; ".join(filter(None, said)) or None)

    async def results(self, id: str) -> AsyncIterator[tuple[str, JSON]]:
        """The lines that succeeded and those that failed, in no order."""
        batch = await self._batch(id)
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                response = await self.provider.send("GET", self.url(f"/files/{batch[name]}/content"))
                async for raw in json_lines(self.provider, response):
                    yield str(raw.get("custom_id")), raw

    def answer(self, endpoint: str, name: str, raw: JSON) -> BatchAnswer:
        return read_line(self._lines, endpoint, name, raw)

    async def cancel(self, id: str) -> None:
        await ask(self.provider, "POST", self.url(f"/batches/{id}/cancel"))

    async def _batch(self, id: str) -> JSON:
        raw = await ask(self.provider, "GET", self.url(f"/batches/{id}"))
        text(raw, "status", self.provider)
        return dict(raw)


class GroqBatches(OpenAIBatches):
    ENDPOINTS = CHATS


class AzureBatches(OpenAIBatches):
    """Models are deployments of the kind Global-Batch or Data-Zone-Batch."""

    ENDPOINTS = CHATS | {"/v1/responses", "/v1/embeddings"}
    MAX_LINES = 100_000
    PAUSE = 2.0
    LOOKS = 150

    def endpoint(self, endpoint: str) -> str:
        """The older addresses have names without a version."""
        name = super().endpoint(endpoint)
        return name if self.provider.settings.api_version is None else name.removeprefix("/v1")

    async def ready(self, file: str) -> None:
        for _ in range(self.LOOKS):
            raw = await ask(self.provider, "GET", self.url(f"/files/{file}"))
            status = raw.get("status") if isinstance(raw, dict) else None
            if status == "error":
                raise ModelError(f"{self.provider.name} does not take the file: {raw.get('status_details')}.")
            if status not in ("pending", "running", "notRunning"):
                return
            await asyncio.sleep(self.PAUSE)


class TogetherBatches(OpenAIBatches):
    ENDPOINTS = CHATS
    MAX_BYTES = 100 << 20
    PURPOSE = "batch-api"
    UPLOAD = "/files/upload"

    def wrapped(self, endpoint: str, id: str, body: JSON) -> JSON:
        return {"custom_id": id, "body": body}

    def upload_fields(self, name: str) -> list[tuple[str, str]]:
        return [("purpose", self.PURPOSE), ("file_name", name), ("file_type", "jsonl")]


def lines_of(provider: Compatible) -> Lines:
    """Chats as the provider's chat models are asked."""

    def whole(name: str, body: bytes) -> list[Event]:
        return AnswerDecoder(provider.name, name.partition("/")[2], name).whole(body)

    return Lines(provider, lambda request, model: provider.chat_body(provider.filter.apply(request), model), whole)


def read_line(lines: Lines, endpoint: str, name: str, raw: JSON) -> BatchAnswer:
    """A line of OpenAI's output file."""
    response, error = raw.get("response"), raw.get("error")
    if not isinstance(response, dict):
        said = error if isinstance(error, dict) else {"message": str(error or "The provider gave no answer.")}
        return BatchAnswer(error={"code": str(said.get("code") or "not_answered"), "message": str(said.get("message"))})
    status = response.get("status_code", 200)
    body, request_id = response.get("body", response), str(response.get("request_id") or "")
    status = status if type(status) is int and 200 <= status < 600 else 500
    return lines.answer(endpoint, name, body, status=status, request_id=request_id)


def created(batch: JSON) -> float:
    """Seconds since 1970, from a number or a date."""
    at = batch.get("created_at")
    if isinstance(at, int | float):
        return float(at)
    try:
        return datetime.fromisoformat(str(at)).timestamp()
    except ValueError:
        return float("inf")
