"""Gemini's batches: half the price. Spec: https://ai.google.dev/api/batch-api and https://ai.google.dev/api/files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from guru.errors import ModelError
from guru.models.providers.batch_api import BatchAnswer, BatchStatus, HandIn, State, encode
from guru.models.providers.batch_lines import CHATS, Lines, ask, json_lines, members, text
from guru.models.providers.openai_batches import PAGES
from guru.models.wire.gemini_answer import AnswerDecoder
from guru.models.wire.gemini_request import encode_request
from guru.types import ChatRequest

if TYPE_CHECKING:
    from guru.models.providers.gemini import Gemini

JSON = dict[str, Any]

STATES: Final[dict[str, State]] = {
    "SUCCEEDED": "completed", "PARTIALLY_SUCCEEDED": "completed", "FAILED": "failed", "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}  # fmt: skip
"""What follows `BATCH_STATE_`, or `JOB_STATE_` as it was called before."""
CODES: Final = {
    1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 12: 501, 13: 500, 14: 503, 16: 401,
}  # fmt: skip
"""google.rpc.Code to HTTP: https://cloud.google.com/apis/design/errors."""


class GeminiBatches:
    """Implements `BatchApi`: a file of lines, and a batch of one model over it."""

    ENDPOINTS = CHATS
    ONE_MODEL = True
    MAX_LINES = 1_000_000
    MAX_BYTES = 1 << 30

    def __init__(self, provider: Gemini) -> None:
        self.provider = provider
        root, _, version = provider.base_url.rpartition("/")
        self._upload_url = f"{root}/upload/{version}/files"
        self._download_url = f"{root}/download/{version}"
        self._root = root

        def body(request: ChatRequest, model: str) -> JSON:
            drop = provider.settings.drop_params
            return encode_request(provider.filter.apply(request), model, drop, provider.base_url)

        self._lines = Lines(provider, body, lambda name, raw: AnswerDecoder(provider.name, name).whole(raw))

    def line(self, endpoint: str, id: str, model: str, body: JSON) -> bytes:
        return encode({"key": id, "request": self._lines.request(endpoint, model, body)})

    async def upload(self, handed: HandIn, lines: bytes) -> str:
        """Google's resumable upload, in one piece."""
        provider = self.provider
        start = provider.headers | {
            "x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(len(lines)),
            "x-goog-upload-header-content-type": "application/jsonl",
        }  # fmt: skip
        named = encode({"file": {"display_name": handed.mark, "mime_type": "application/jsonl"}})
        response = await provider.send("POST", self._upload_url, named, start)
        await response.read()
        url = response.headers.get("x-goog-upload-url") or ""
        if not url.startswith(self._root + "/"):  # our key goes nowhere else
            raise ModelError(f"{provider.name} names no address of its own for the upload.", hint="Check base_url.")
        send = provider.headers | {"x-goog-upload-offset": "0", "x-goog-upload-command": "upload, finalize"}
        raw = await ask(provider, "POST", url, lines, send)
        return text(raw.get("file") if isinstance(raw, dict) else None, "name", provider)

    async def start(self, handed: HandIn, lines: bytes) -> str:
        batch = {"display_name": handed.mark, "input_config": {"file_name": handed.file}}
        url = self.provider.url(handed.model, "batchGenerateContent")
        return text(await ask(self.provider, "POST", url, encode({"batch": batch})), "name", self.provider)

    async def find(self, handed: HandIn) -> str | None:
        """By its name, which is our mark."""
        page = ""
        for _ in range(PAGES):
            raw = await ask(self.provider, "GET", f"{self.provider.base_url}/batches?pageSize=100{page}")
            for operation in members(raw, "operations"):
                if inner(operation, "metadata").get("displayName") == handed.mark:
                    return text(operation, "name", self.provider)
            token = raw.get("nextPageToken") if isinstance(raw, dict) else None
            if not token:
                break
            page = f"&pageToken={token}"
        return None

    async def status(self, id: str) -> BatchStatus:
        operation = await self._batch(id)
        error = inner(operation, "error")
        said = str(inner(operation, "metadata").get("state") or "").partition("_STATE_")[2]
        state = STATES.get(said) or ("failed" if error else "completed" if operation.get("done") else "running")
        return BatchStatus(state=state, error=str(error["message"]) if error.get("message") else None)

    async def results(self, id: str) -> AsyncIterator[tuple[str, JSON]]:
        operation = await self._batch(id)
        output = inner(operation, "response") or inner(inner(operation, "metadata"), "output")
        file = output.get("responsesFile")
        if not isinstance(file, str):
            return
        response = await self.provider.send("GET", f"{self._download_url}/{file}:download?alt=media")
        async for raw in json_lines(self.provider, response):
            yield str(raw.get("key")), raw

    def answer(self, endpoint: str, name: str, raw: JSON) -> BatchAnswer:
        if isinstance(raw.get("response"), dict):
            return self._lines.answer(endpoint, name, raw["response"])
        error = inner(raw, "error") or inner(raw, "status")
        code = error.get("code")
        status = code if type(code) is int and 400 <= code < 600 else CODES.get(code if type(code) is int else 13, 500)
        return self._lines.answer(endpoint, name, {"error": error}, status=status)

    async def cancel(self, id: str) -> None:
        await ask(self.provider, "POST", f"{self.provider.base_url}/{id}:cancel", b"{}")

    async def _batch(self, id: str) -> JSON:
        raw = await ask(self.provider, "GET", f"{self.provider.base_url}/{id}")
        text(raw, "name", self.provider)
        return dict(raw)


def inner(raw: JSON, name: str) -> JSON:
    """The object `name`; an empty one where there is none."""
    found = raw.get(name)
    return found if isinstance(found, dict) else {}
