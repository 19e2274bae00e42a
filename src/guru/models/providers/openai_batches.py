"""OpenAI's own batches: half the price, within a day. Reference: https://platform.openai.com/docs/api-reference/batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from guru.errors import ModelError
from guru.models.providers.base import BatchStatus
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.openai_tasks import multipart

if TYPE_CHECKING:
    from guru.models.providers.base import Provider

JSON = dict[str, Any]

STATES: Final[dict[str, Literal["running", "completed", "failed", "expired", "cancelled"]]] = {
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}


class OpenAIBatches:
    """Implements `BatchApi` for OpenAI and whoever has the same endpoints."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def submit(self, lines: bytes, endpoint: str) -> str:
        """Hand in a file of lines, and start it."""
        provider = self._provider
        form, content_type = multipart([("purpose", "batch")], ("file", "batch.jsonl", "application/jsonl", lines))
        headers = provider.headers | {"content-type": content_type}
        file = await self._json("POST", "/files", form, headers)
        body = {"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h"}
        batch = await self._json("POST", "/batches", msgspec.json.encode(body))
        return str(batch["id"])

    async def status(self, id: str) -> BatchStatus:
        batch = await self._json("GET", f"/batches/{id}")
        counts = batch.get("request_counts") or {}
        errors = (batch.get("errors") or {}).get("data") or []
        return BatchStatus(
            state=STATES.get(batch.get("status", ""), "running"),
            total=counts.get("total", 0),
            completed=counts.get("completed", 0),
            failed=counts.get("failed", 0),
            error="; ".join(str(error.get("message")) for error in errors) or None,
        )

    async def results(self, id: str) -> AsyncGenerator[JSON]:
        """The lines that succeeded and those that failed, in no order."""
        batch = await self._json("GET", f"/batches/{id}")
        for name in ("output_file_id", "error_file_id"):
            if not batch.get(name):
                continue
            response = await self._provider.send("GET", f"{self._provider.base_url}/files/{batch[name]}/content")
            rest = b""
            async for data in response.iter():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield msgspec.json.decode(line)
            if rest.strip():
                yield msgspec.json.decode(rest)

    async def cancel(self, id: str) -> None:
        await self._json("POST", f"/batches/{id}/cancel")

    async def _json(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> JSON:
        response = await self._provider.send(method, self._provider.base_url + path, body, headers)
        try:
            raw = msgspec.json.decode(await response.read())
        except NOT_JSON:
            raw = None
        if not isinstance(raw, dict) or "id" not in raw:
            raise ModelError(f"{self._provider.name} answered {path} with something unknown.", hint="Try again.")
        return raw
