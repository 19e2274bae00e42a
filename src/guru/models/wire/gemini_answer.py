"""Answers of Gemini's generateContent, whole or as a stream, to events.

Spec: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse. What has no place in our events travels
in `extra` under `"gemini"`: sources of a search, code that the provider ran, pictures, ratings.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

import msgspec

from guru.errors import GuruError, ProviderRefused, StreamCut
from guru.models.providers.errors import ContentFiltered, error_for
from guru.models.wire.answers import count, no_answer, read_answer
from guru.models.wire.gemini_request import thinks_in_levels
from guru.models.wire.gemini_thoughts import seal
from guru.types import (
    JSON,
    Completed,
    Delta,
    Event,
    Finished,
    FinishReason,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)

__all__ = ["AnswerDecoder", "error_of"]

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}

BROKEN: Final = frozenset({
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
})  # fmt: skip
"""Reasons for which there is no answer: the model wrote what Gemini itself could not read."""

API: Final = "Gemini"
SAID: Final = {"content", "index", "finishReason", "logprobsResult"}
OF_PART: Final = {"text", "thought", "thoughtSignature", "functionCall"}
MEMBERS: Final = {"candidates", "usageMetadata", "promptFeedback"}
RETRY: Final = re.compile(r"([\d.]+)s")


class AnswerDecoder:
    """The events of one answer. The stream has no last word: it is whole when every candidate has ended."""

    def __init__(self, provider: str, model: str) -> None:
        """`provider` as the configuration calls it, `model` as `provider/model`."""
        self._provider = provider
        self._model = model
        self._open: dict[int, bool] = {}
        self._calls: dict[int, int] = {}
        self._usage: JSON = {}
        self._searches: dict[int, int] = {}
        self._members: JSON = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events of one piece of the stream. Raises `StreamCut` for garbage, and the provider's error."""
        return read_answer(data, self._piece, self._provider, API)

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that was not streamed: one piece as well."""
        return self.feed(body) + self.end()

    def end(self) -> list[Event]:
        """After the last byte. Raises `StreamCut` when the answer has no end."""
        if not self._open or any(self._open.values()):
            raise StreamCut(f"{self._provider}: the answer ended in the middle.", hint="Try again.")
        try:
            return [self.so_far()]
        except Exception as error:
            raise no_answer(self._provider, API) from error

    def so_far(self) -> Completed:
        """The last event, if the answer ended here: every piece may say what was used until then."""
        extra = {"gemini": self._members} if self._members else {}
        return Completed(model=self._model, usage=self._read_usage(), extra=extra)

    def _piece(self, raw: JSON) -> list[Event]:
        if "error" in raw:
            raise error_of(self._provider, int(raw["error"].get("code") or 500), raw, None)
        self._usage |= raw.get("usageMetadata") or {}
        self._members |= {name: value for name, value in raw.items() if name not in MEMBERS}
        feedback = raw.get("promptFeedback") or {}
        if reason := feedback.get("blockReason"):
            said = feedback.get("blockReasonMessage") or f"the prompt was blocked ({reason})."
            raise ContentFiltered(f"{self._provider}: {said}", hint="Change the prompt, or `safetySettings`.")
        events: list[Event] = []
        for candidate in raw.get("candidates") or ():
            events += self._candidate(candidate)
        return events

    def _candidate(self, raw: JSON) -> list[Event]:
        index = int(raw.get("index") or 0)
        self._open.setdefault(index, True)
        events: list[Event] = []
        for part in (raw.get("content") or {}).get("parts") or ():
            events += self._part(index, part)
        extra = {name: value for name, value in raw.items() if name not in SAID and value is not None}
        logprobs = _logprobs(raw["logprobsResult"]) if raw.get("logprobsResult") else None
        if extra or logprobs:
            events.append(Delta(index=index, logprobs=logprobs, extra={"gemini": extra} if extra else {}))
        queries = (raw.get("groundingMetadata") or {}).get("webSearchQueries") or ()
        self._searches[index] = max(self._searches.get(index, 0), len(queries))
        if (reason := raw.get("finishReason")) and self._open[index]:
            events.append(self._finished(index, reason, raw.get("finishMessage")))
        return events

    def _part(self, index: int, part: JSON) -> list[Event]:
        events: list[Event] = []
        call, signature = part.get("functionCall"), part.get("thoughtSignature")
        if text := part.get("text"):
            events.append(Delta(index=index, reasoning=text) if part.get("thought") else Delta(index=index, text=text))
        if call:
            number = self._calls[index] = self._calls.get(index, -1) + 1
            call_id = str(call.get("id") or f"call_{secrets.token_hex(12)}")
            arguments = msgspec.json.encode(dict(call.get("args") or {})).decode()
            if signature:  # before its call, as thinking comes before what is done
                events.append(Delta(index=index, thinking_block=seal(signature, call_id)))
            delta = ToolCallDelta(number, call_id, str(call["name"]), arguments)
            events.append(Delta(index=index, tool_calls=[delta]))
        elif signature:
            events.append(Delta(index=index, thinking_block=seal(signature)))
        if any(name not in OF_PART for name in part):
            rest = {name: value for name, value in part.items() if name not in ("text", "thoughtSignature")}
            events.append(Delta(index=index, extra={"gemini": {"parts": [rest]}}))
        return events

    def _finished(self, index: int, native: str, message: str | None) -> Finished:
        if native in BROKEN:
            said = message or f"the model ended with {native}."
            raise StreamCut(f"{self._provider}: {said}", hint="Try again, or make the tools simpler.")
        self._open[index] = False
        reason = FINISH_REASONS.get(native, "stop")
        if reason == "stop" and index in self._calls:
            reason = "tool_calls"
        return Finished(reason, index, native=native)

    def _read_usage(self) -> Usage:
        said = self._usage
        thoughts = count(said.get("thoughtsTokenCount"))
        searches = sum(self._searches.values())
        return Usage(
            prompt_tokens=count(said.get("promptTokenCount")) + count(said.get("toolUsePromptTokenCount")),
            completion_tokens=count(said.get("candidatesTokenCount")) + thoughts,
            cached_tokens=count(said.get("cachedContentTokenCount")),
            reasoning_tokens=thoughts,
            audio_prompt_tokens=_of("AUDIO", said.get("promptTokensDetails")),
            audio_completion_tokens=_of("AUDIO", said.get("candidatesTokensDetails")),
            image_prompt_tokens=_of("IMAGE", said.get("promptTokensDetails")),
            image_completion_tokens=_of("IMAGE", said.get("candidatesTokensDetails")),
            # Before Gemini 3 a prompt that is grounded is billed once, however often it is searched for.
            searches=searches if thinks_in_levels(self._model) else min(1, searches),
            estimated=not said,
        )


def _of(modality: str, details: list[JSON] | None) -> int:
    return sum(count(each.get("tokenCount")) for each in details or () if each.get("modality") == modality)


def _logprobs(raw: JSON) -> list[TokenLogprob]:
    chosen = raw.get("chosenCandidates") or []
    tops = raw.get("topCandidates") or [{}] * len(chosen)
    return [
        TokenLogprob(
            entry["token"], float(entry["logProbability"]), list(entry["token"].encode()),
            [TopLogprob(each["token"], float(each["logProbability"]), list(each["token"].encode()))
             for each in top.get("candidates") or ()],
        )
        for entry, top in zip(chosen, tops, strict=False)
    ]  # fmt: skip


def error_of(provider: str, status: int, raw: Any, wait: float | None) -> GuruError:
    """Our error for one of Google's: `{"error": {"code", "message", "status", "details"}}`, or a list of it.

    https://ai.google.dev/gemini-api/docs/troubleshooting and google.rpc.ErrorInfo, RetryInfo and BadRequest.
    """
    error = raw[0] if isinstance(raw, list) and raw else raw
    error = error.get("error", error) if isinstance(error, dict) else {"message": str(error)}
    error = error if isinstance(error, dict) else {"message": str(error)}
    param = None
    for detail in error.get("details") or ():
        kind = str(detail.get("@type", "")) if isinstance(detail, dict) else ""
        if kind.endswith("RetryInfo") and (found := RETRY.fullmatch(str(detail.get("retryDelay")))):
            wait = float(found[1])
        elif kind.endswith("BadRequest"):
            violations = detail.get("fieldViolations") or [{}]
            param = violations[0].get("field") or None
        elif kind.endswith("ErrorInfo") and detail.get("reason") == "API_KEY_INVALID":
            # Google answers 400 to a wrong key, as if the caller had made a mistake.
            said = f"{provider}: {error.get('message')}"
            return ProviderRefused(said, hint=f"Check api_key under [providers.{provider}].")
    message = str(error.get("message") or error.get("status") or "")
    return error_for(provider, status, message, code=error.get("status"), param=param, retry_after=wait)
