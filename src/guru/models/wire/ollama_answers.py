"""Our events to Ollama's answers: JSON lines for a stream, or one object.

Spec: https://github.com/ollama/ollama/blob/main/docs/api.md. Durations are nanoseconds. What Guru adds stands under
`"guru"`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from guru.errors import GuruError, ModelError
from guru.models.wire.answers import members
from guru.models.wire.fields import JSON
from guru.types import (
    Cited,
    Completed,
    Delta,
    Disputed,
    Event,
    Finished,
    FinishReason,
    Progress,
    Retrieved,
    TokenLogprob,
    ToolCallDelta,
    Unsupported,
)

__all__ = ["ChatEncoder", "GenerateEncoder", "nanoseconds", "now"]

encode = msgspec.json.Encoder().encode

DONE_REASONS: dict[FinishReason, str] = {"tool_calls": "stop"}
"""Ollama's word for a finish reason, where it is not ours."""

OURS = frozenset({"message", "response", "thinking", "tool_calls", "logprobs", "guru", "model", "created_at", "done"})
"""Members of a line that the encoder writes itself."""


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def nanoseconds(seconds: float) -> int:
    """At least one: clients divide by durations."""
    return max(1, round(seconds * 1e9))


class ChatEncoder:
    """The answers of `/api/chat`; an `AnswerEncoder` of `guru.server.road`."""

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`model` is the name that the caller used, as Ollama repeats it."""
        self._model = model
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._calls: dict[int, ToolCallDelta] = {}
        self._reason: FinishReason = "stop"

    def chunk(self, event: Event) -> bytes:
        """The line for one event. A tool call is one line, sent when it is whole."""
        lines = [self._head() | line for line in self._lines(event)]
        return b"".join(encode(line) + b"\n" for line in lines)

    def end(self) -> bytes:
        return b""

    def failed(self, error: GuruError) -> bytes:
        return encode({"error": str(error)}) + b"\n"

    def collect(self, events: list[Event]) -> bytes:
        """The whole answer: the last line, with what all lines said."""
        text, thinking, calls, logprobs = "", "", [], []
        guru: JSON = {}
        last: JSON = {}
        for event in events:
            for line in self._lines(event):
                piece = self._piece_of(line)
                text += piece.get(self._text, "")
                thinking += piece.get("thinking", "")
                calls += piece.get("tool_calls", [])
                logprobs += line.get("logprobs", [])
                for name, value in line.get("guru", {}).items():
                    guru[name] = guru[name] + value if isinstance(guru.get(name), list) else value
                last |= line
        whole = last | self._piece(text, thinking, calls)
        members = {"logprobs": logprobs, "guru": guru}
        return encode(self._head() | whole | {name: value for name, value in members.items() if value})

    def loaded(self) -> bytes:
        """The answer to a request without a question: the model is there."""
        return encode(self._head() | self._piece("") | {"done": True, "done_reason": "load"})

    def _lines(self, event: Event) -> list[JSON]:
        match event:
            case Delta():
                return self._delta(event)
            case Finished(reason):
                self._reason = reason
                return self._called()
            case Completed():
                return [self._done(event)]
            case Retrieved() | Cited() | Unsupported() | Disputed() | Progress():
                return [self._piece("") | {"done": False, "guru": _guru(event)}]
            case _:
                return []

    def _delta(self, event: Delta) -> list[JSON]:
        if self._first is None:
            self._first = self._clock()
        for part in event.tool_calls:
            call = self._calls.setdefault(part.index, ToolCallDelta(part.index, name=""))
            call.id, call.name = part.id or call.id, part.name or call.name
            call.arguments += part.arguments
        text = event.text + event.refusal  # Ollama has no refusals: they are text
        extra = _foreign(event.extra)
        if not (text or event.reasoning or event.logprobs or extra):
            return []
        line = extra | self._piece(text, event.reasoning) | {"done": False}
        if event.logprobs:
            line["logprobs"] = [_logprob(entry) for entry in event.logprobs]
        return [line]

    def _called(self) -> list[JSON]:
        """The tool calls, now whole."""
        calls = [_call(self._calls[index]) for index in sorted(self._calls)]
        self._calls.clear()
        return [self._piece("", "", calls) | {"done": False}] if calls else []

    def _done(self, event: Completed) -> JSON:
        ended = self._clock()
        total = event.timings.get("total", ended - self._began)
        first = event.timings.get("first_token", (self._first or ended) - self._began)
        line = self._piece("") | {
            "done": True,
            "done_reason": DONE_REASONS.get(self._reason, self._reason),
            "total_duration": nanoseconds(total),
            "load_duration": nanoseconds(event.timings.get("queue", 0.0)),
            "prompt_eval_count": event.usage.prompt_tokens,
            "prompt_eval_duration": nanoseconds(first - event.timings.get("queue", 0.0)),
            "eval_count": event.usage.completion_tokens,
            "eval_duration": nanoseconds(total - first),
        }
        line |= _foreign(event.extra)  # what an Ollama server measured itself
        outcome = {"outcome": event.outcome, "confidence": event.confidence}
        return line | ({"guru": outcome} if event.outcome else {})

    def _head(self) -> JSON:
        return {"model": self._model, "created_at": now()}

    # ----------------------------------------------------------------- where chat and generate differ

    _text = "content"

    def _piece(self, text: str, thinking: str = "", calls: list[JSON] | None = None) -> JSON:
        message: JSON = {"role": "assistant", "content": text}
        return {"message": message | _said(thinking, calls)}

    def _piece_of(self, line: JSON) -> JSON:
        message: JSON = line["message"]
        return message


class GenerateEncoder(ChatEncoder):
    """The answers of `/api/generate`, which keep the text at the top."""

    _text = "response"

    def _piece(self, text: str, thinking: str = "", calls: list[JSON] | None = None) -> JSON:
        return {"response": text} | _said(thinking, calls)

    def _piece_of(self, line: JSON) -> JSON:
        return line


def _foreign(extra: JSON) -> JSON:
    """What an Ollama server said besides that which is ours to say."""
    return {name: value for name, value in members(extra, "ollama").items() if name not in OURS}


def _said(thinking: str, calls: list[JSON] | None) -> JSON:
    return ({"thinking": thinking} if thinking else {}) | ({"tool_calls": calls} if calls else {})


def _call(call: ToolCallDelta) -> JSON:
    """Ollama's arguments are an object. Raises `ModelError` where the model wrote something else."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict)
    except (msgspec.MsgspecError, RecursionError):
        message = f"The model called {call.name!r} with arguments that are no JSON object."
        raise ModelError(message, hint="Ask again, or take a model that is better with tools.") from None
    function = {"index": call.index, "name": call.name, "arguments": arguments}
    return ({"id": call.id} if call.id else {}) | {"function": function}


def _logprob(entry: TokenLogprob) -> JSON:
    raw: JSON = msgspec.to_builtins(entry)
    for each in (raw, *raw["top_logprobs"]):
        if each.get("bytes") is None:
            each.pop("bytes", None)
    return raw


def _guru(event: Retrieved | Cited | Unsupported | Disputed | Progress) -> JSON:
    members: JSON = msgspec.to_builtins(event)
    del members["type"]
    if isinstance(event, Progress):
        return {"progress": members}
    return {"unsupported": [members]} if isinstance(event, Unsupported) else members
