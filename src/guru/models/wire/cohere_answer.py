"""Answers of Cohere's Chat API, whole or as a stream, to events.

Spec: https://docs.cohere.com/v2/docs/streaming. Citations and what else has no place in our events travel in `extra`
under `"cohere"`.
"""

from __future__ import annotations

from typing import Any, Final

from guru.errors import ContextTooLong, GuruError, ModelTimeout, ModelUnavailable, StreamCut
from guru.models.providers.errors import ContentFiltered, error_of_json
from guru.models.wire.answers import count, read_answer
from guru.types import JSON, Completed, Delta, Event, Finished, FinishReason, TokenLogprob, ToolCallDelta, Usage

__all__ = ["AnswerDecoder", "error_of", "read_usage"]

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}

DENIED: Final = 498
"""The status for a prompt or an answer with a word that is on a list of Cohere's."""


class AnswerDecoder:
    """The events of one answer."""

    def __init__(self, provider: str, model: str) -> None:
        """`provider` as the configuration calls it, `model` as `provider/model`."""
        self._provider = provider
        self._model = model
        self._done = False
        self._calls: dict[int, int] = {}
        self._said: set[int] = set()
        self._members: JSON = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events of one `data:` of the stream. Raises `StreamCut` for garbage, and the provider's error."""
        if data == b"[DONE]" or self._done:
            return []
        return read_answer(data, self._event, self._provider, "Cohere")

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that was not streamed. Raises as `feed`."""
        return read_answer(body, self._answer, self._provider, "Cohere") + self.end()

    def end(self) -> list[Event]:
        """After the last byte. Raises `StreamCut` when the answer has no end."""
        if not self._done:
            raise StreamCut(f"{self._provider}: the answer ended in the middle.", hint="Try again.")
        return []

    # ------------------------------------------------------------------- the stream

    def _event(self, raw: JSON) -> list[Event]:
        delta = raw.get("delta") or {}
        message = delta.get("message") or {}
        match raw["type"]:
            case "content-delta" | "content-start":
                return self._content(message["content"], raw.get("logprobs"))
            case "tool-plan-delta":
                return [Delta(reasoning=message["tool_plan"])] if message["tool_plan"] else []
            case "tool-call-start" | "tool-call-delta":
                call = message["tool_calls"]
                function = call.get("function") or {}
                number = self._calls.setdefault(raw["index"], len(self._calls))
                part = ToolCallDelta(number, call.get("id"), function.get("name"), function.get("arguments") or "")
                if part.arguments:
                    self._said.add(number)
                return [Delta(tool_calls=[part])]
            case "tool-call-end":
                number = self._calls.get(raw["index"], -1)
                if number >= 0 and number not in self._said:  # it has none: an object all the same
                    return [Delta(tool_calls=[ToolCallDelta(number, arguments="{}")])]
            case "citation-start":
                cited = message["citations"]
                cited = cited if isinstance(cited, list) else [cited]
                return [Delta(extra={"cohere": {"citations": cited}})]
            case "message-start":
                self._keep("id", raw.get("id"))
            case "message-end":
                return self._last(delta)
            case "debug":
                return [Delta(extra={"cohere": {"prompt": raw.get("prompt")}})]
        return []  # the ends of blocks, and kinds that may come

    def _content(self, content: JSON, logprobs: JSON | None = None) -> list[Event]:
        text, thinking = content.get("text") or "", content.get("thinking") or ""
        if not text and not thinking and not logprobs:
            return []
        return [Delta(text=text, reasoning=thinking, logprobs=[_logprob(logprobs)] if logprobs else None)]

    def _last(self, raw: JSON) -> list[Event]:
        native = raw["finish_reason"]
        if (error := self._failure(native, raw.get("error"))) is not None:
            raise error
        self._done = True
        reason = FINISH_REASONS.get(native, "stop")
        self._keep("usage", raw.get("usage"))
        extra = {"cohere": self._members} if self._members else {}
        return [
            Finished(reason, native=native),
            Completed(model=self._model, usage=read_usage(raw.get("usage")), extra=extra),
        ]

    def _failure(self, native: str, message: str | None) -> GuruError | None:
        """An answer may end in an error as if that were a reason to finish."""
        said = f"{self._provider}: {message or f'the answer ended with {native}.'}"
        match native:
            case "TIMEOUT":
                return ModelTimeout(said, hint="Try again.")
            case "ERROR_LIMIT":
                return ContextTooLong(said, hint="Send less, or use a model with a larger context.")
            case "ERROR":
                return ModelUnavailable(said, hint="Try again.")
        return None

    def _keep(self, name: str, value: Any) -> None:
        if value is not None:
            self._members[name] = value

    # ------------------------------------------------------------------- whole

    def _answer(self, raw: JSON) -> list[Event]:
        message = raw["message"]
        self._keep("id", raw.get("id"))
        events: list[Event] = []
        if message.get("tool_plan"):
            events.append(Delta(reasoning=message["tool_plan"]))
        for block in message.get("content") or ():
            events += self._content(block)
        for number, call in enumerate(message.get("tool_calls") or ()):
            function = call["function"]
            part = ToolCallDelta(number, call["id"], function["name"], function.get("arguments") or "{}")
            events.append(Delta(tool_calls=[part]))
        if raw.get("logprobs"):
            events.append(Delta(logprobs=[_logprob(item) for item in raw["logprobs"]]))
        if message.get("citations"):
            events.append(Delta(extra={"cohere": {"citations": message["citations"]}}))
        return [*events, *self._last(raw)]


def read_usage(raw: JSON | None) -> Usage:
    """What is billed: Cohere counts its own instructions among `tokens`, and does not charge for them."""
    raw = raw or {}
    tokens, billed = raw.get("tokens") or {}, raw.get("billed_units") or {}

    def counted(name: str) -> int:
        value = billed.get(name)
        return count(tokens.get(name) if value is None else value)

    prompt = counted("input_tokens")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=counted("output_tokens"),
        cached_tokens=min(prompt, count(raw.get("cached_tokens"))),
        searches=count(billed.get("search_units")),
        estimated=not tokens and not billed,
    )


def _logprob(item: JSON) -> TokenLogprob:
    """Cohere gives texts with the numbers and log probabilities of their tokens; that of a text is their sum."""
    text = item.get("text") or ""
    return TokenLogprob(text, float(sum(item.get("logprobs") or ())), list(text.encode()))


def error_of(provider: str, status: int, raw: Any, wait: float | None) -> GuruError:
    """Our error for one of Cohere's: `{"message"}`. https://docs.cohere.com/reference/errors."""
    if status == DENIED:
        message = raw.get("message") if isinstance(raw, dict) else None
        said = f"{provider}: {message or 'the prompt or the answer was blocked.'}"
        return ContentFiltered(said, hint="Change the prompt.")
    return error_of_json(provider, status, raw, wait)
