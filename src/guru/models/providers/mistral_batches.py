"""Mistral's batches: half the price. Reference: https://docs.mistral.ai/api/endpoint/batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guru.models.providers.batch_api import BatchStatus, HandIn, State, encode
from guru.models.providers.batch_lines import CHATS, ask, json_lines, members, text
from guru.models.providers.openai_batches import PAGES, OpenAIBatches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JSON = dict[str, Any]

STATES: Final[dict[str, State]] = {
    "SUCCESS": "completed", "FAILED": "failed", "TIMEOUT_EXCEEDED": "expired", "CANCELLED": "cancelled",
}  # fmt: skip
PAGE: Final = 100


class MistralBatches(OpenAIBatches):
    """Its files are OpenAI's; its jobs have names of their own, and one model for all lines."""

    ENDPOINTS = CHATS | {"/v1/embeddings", "/v1/moderations"}
    MAX_LINES = 1_000_000
    MAX_BYTES = 512 << 20

    def wrapped(self, endpoint: str, id: str, body: JSON) -> JSON:
        body = {name: value for name, value in body.items() if name != "model"}  # the job has it
        return {"custom_id": id, "body": body}

    async def start(self, handed: HandIn, lines: bytes) -> str:
        body = {
            "input_files": [handed.file], "model": handed.model, "endpoint": self.endpoint(handed.endpoint),
            "timeout_hours": 24,
        }  # fmt: skip
        return text(await ask(self.provider, "POST", self.url("/batch/jobs"), encode(body)), "id", self.provider)

    async def find(self, handed: HandIn) -> str | None:
        for page in range(PAGES):
            raw = await ask(self.provider, "GET", self.url(f"/batch/jobs?page={page}&page_size={PAGE}"))
            found = members(raw, "data")
            for job in found:
                if handed.file in (job.get("input_files") or ()):
                    return text(job, "id", self.provider)
            if len(found) < PAGE:
                break
        return None

    async def status(self, id: str) -> BatchStatus:
        job = await self._batch(id)
        errors = "; ".join(str(error.get("message")) for error in members(job, "errors"))
        return BatchStatus(state=STATES.get(str(job.get("status")), "running"), error=errors or None)

    async def results(self, id: str) -> AsyncIterator[tuple[str, JSON]]:
        job = await self._batch(id)
        for name in ("output_file", "error_file"):
            if job.get(name):
                response = await self.provider.send("GET", self.url(f"/files/{job[name]}/content"))
                async for raw in json_lines(self.provider, response):
                    yield str(raw.get("custom_id")), raw

    async def cancel(self, id: str) -> None:
        await ask(self.provider, "POST", self.url(f"/batch/jobs/{id}/cancel"))

    async def _batch(self, id: str) -> JSON:
        raw = await ask(self.provider, "GET", self.url(f"/batch/jobs/{id}"))
        text(raw, "status", self.provider)
        return dict(raw)
