"""Answers of Bedrock's Converse and ConverseStream, to events.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. What has no place in our
events travels in `extra` under `"bedrock"`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.errors import GuruError, StreamCut
from guru.models.providers.errors import error_for
from guru.models.wire.answers import count, no_answer, read_answer
from guru.models.wire.aws_event_stream import AwsEventStream
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.sse import SentEvent
from guru.types import JSON, Completed, Delta, Event, Finished, FinishReason, ToolCallDelta, Usage

STOP_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
STATUSES: Final = {
    "accessdenied": 403,
    "internalserver": 500,
    "internalstreamfailure": 500,
    "modelerror": 424,
    "modelnotready": 503,
    "modelstreamerror": 424,
    "modeltimeout": 408,
    "resourcenotfound": 404,
    "serviceunavailable": 503,
    "throttling": 429,
    "validation": 400,
}
"""Amazon's exceptions by name, without what they end in."""
API: Final = "Converse"
MEMBERS: Final = ("trace", "performanceConfig", "serviceTier", "additionalModelResponseFields", "metrics")


class ConverseParser:
    """Bytes in any split to Converse's events, each as JSON with its kind as the one member."""

    def __init__(self) -> None:
        self._messages = AwsEventStream()

    def feed(self, data: bytes) -> list[SentEvent]:
        found = []
        for message in self._messages.feed(data):
            kind = message.text(":event-type")
            payload = message.payload or b"{}"
            if message.text(":message-type") != "event":
                kind = message.text(":exception-type") or message.text(":error-code") or "internalServerException"
                if message.text(":message-type") == "error":
                    payload = msgspec.json.encode({"message": message.text(":error-message")})
                elif not is_json(payload):
                    payload = b"{}"  # its kind says enough
                kind += "" if kind.lower().endswith(("exception", "failure")) else "Exception"
            found.append(SentEvent(b"{%b:%b}" % (msgspec.json.encode(kind), payload)))
        return found

    def end(self) -> list[SentEvent]:
        self._messages.end()
        return []


def is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except NOT_JSON:
        return False
    return True


class _Block(Struct):
    """A block that is not finished yet."""

    call: int | None = None
    thinking: str = ""
    signature: str = ""
    redacted: str = ""
    server: JSON | None = None
    """A call that the model made and Amazon ran."""
    arguments: str = ""


class AnswerDecoder:
    """One answer: `feed` for each event of a stream and then `end`, or `whole`."""

    def __init__(self, provider: str, model: str) -> None:
        """`provider` as the configuration calls it, `model` as `provider/model`."""
        self._provider = provider
        self._model = model
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._finished = False
        self._completed = False
        self._members: JSON = {}

    def feed(self, data: bytes) -> list[Event]:
        """Raises `StreamCut` for garbage, and the provider's error."""
        return read_answer(data, self._event, self._provider, API)

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that was not streamed. Raises as `feed`."""
        return read_answer(body, self._message, self._provider, API)

    def end(self) -> list[Event]:
        """Raises `StreamCut` when the answer had not come to its end."""
        if not self._completed:
            raise StreamCut(f"{self._provider} ended its answer in the middle.", hint="Try again.")
        return []

    def _message(self, raw: JSON) -> list[Event]:
        events: list[Event] = []
        for index, block in enumerate(raw["output"]["message"]["content"]):
            events += self._content(index, block)
        return events + self._stop(raw) + self._metadata(raw)

    def _event(self, raw: JSON) -> list[Event]:
        ((kind, value),) = raw.items()
        if self._completed:
            return []  # nothing belongs to an answer that has ended
        match kind:
            case "contentBlockDelta":
                return self._delta(value["contentBlockIndex"], value["delta"])
            case "contentBlockStart":
                return self._start(value["contentBlockIndex"], value["start"])
            case "contentBlockStop":
                return self._close(value["contentBlockIndex"])
            case "messageStop":
                return self._stop(value)
            case "metadata":
                return self._metadata(value)
            case _ if kind.endswith(("Exception", "Failure")):
                raise exception(self._provider, kind, value)
            case _:  # messageStart, and what may come
                return []

    def _start(self, index: int, start: JSON) -> list[Event]:
        block = self._blocks[index] = _Block()
        if (call := start.get("toolUse")) is None:
            return [self._extra({"start": start})]
        if call.get("type") == "server_tool_use":
            block.server = call
            return []
        block.call, self._calls = self._calls, self._calls + 1
        return [Delta(tool_calls=[ToolCallDelta(block.call, call["toolUseId"], call["name"])])]

    def _delta(self, index: int, delta: JSON) -> list[Event]:
        if "text" in delta:
            return [Delta(text=delta["text"])]
        block = self._blocks.setdefault(index, _Block())
        if (call := delta.get("toolUse")) is not None:
            block.arguments += call["input"]
            if block.call is None or not call["input"]:
                return []
            return [Delta(tool_calls=[ToolCallDelta(block.call, arguments=call["input"])])]
        if (thought := delta.get("reasoningContent")) is not None:
            block.signature += thought.get("signature") or ""
            block.redacted += thought.get("redactedContent") or ""
            text = thought.get("text") or ""
            block.thinking += text
            return [Delta(reasoning=text)] if text else []
        return [self._extra(delta)]

    def _close(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        if block is None:
            return []  # text has no beginning either
        if block.call is not None:
            # A call without parameters is streamed as nothing at all; JSON has a word for that.
            return [] if block.arguments else [Delta(tool_calls=[ToolCallDelta(block.call, arguments="{}")])]
        if block.server is not None:
            given = msgspec.json.decode(block.arguments or "{}")
            return [self._extra({"toolUse": block.server | {"input": given}})]
        if block.redacted:
            return [Delta(thinking_block={"type": "redacted_thinking", "data": block.redacted})]
        if block.signature:
            thought = {"type": "thinking", "thinking": block.thinking, "signature": block.signature}
            return [Delta(thinking_block=thought)]
        return []

    def _content(self, index: int, raw: JSON) -> list[Event]:
        """A block of a whole answer."""
        if "text" in raw:
            return [Delta(text=raw["text"])]
        if (call := raw.get("toolUse")) is not None:
            events = self._start(index, raw)
            given = msgspec.json.encode(call.get("input") or {}).decode()
            return events + self._delta(index, {"toolUse": {"input": given}}) + self._close(index)
        if (thought := raw.get("reasoningContent")) is not None:
            said = thought.get("reasoningText") or thought
            return self._delta(index, {"reasoningContent": said}) + self._close(index)
        if (cited := raw.get("citationsContent")) is not None:
            text = "".join(piece.get("text", "") for piece in cited.get("content") or ())
            citations = [self._extra({"citation": citation}) for citation in cited.get("citations") or ()]
            return [Delta(text=text), *citations]
        return [self._extra(raw)]

    def _stop(self, raw: JSON) -> list[Event]:
        self._keep(raw)
        if self._finished:
            return []
        self._finished = True
        reason = raw["stopReason"]
        fields = raw.get("additionalModelResponseFields")
        sequence = fields.get("stop_sequence") if isinstance(fields, dict) else None
        return [Finished(STOP_REASONS.get(reason, "stop"), stop_sequence=sequence, native=str(reason))]

    def _metadata(self, raw: JSON) -> list[Event]:
        self._keep(raw)
        if self._completed:
            return []
        if not self._finished:
            raise no_answer(self._provider, API)
        self._completed = True
        extra = {"bedrock": self._members} if self._members else {}
        return [Completed(model=self._model, usage=read_usage(raw["usage"]), extra=extra)]

    def _keep(self, raw: JSON) -> None:
        self._members |= {name: raw[name] for name in MEMBERS if raw.get(name) is not None}

    def _extra(self, member: JSON) -> Delta:
        return Delta(extra={"bedrock": member})


def read_usage(raw: JSON) -> Usage:
    """`inputTokens` are those that no cache was used for."""
    read, written = count(raw.get("cacheReadInputTokens")), count(raw.get("cacheWriteInputTokens"))
    details: list[Any] = raw.get("cacheDetails") or []
    return Usage(
        prompt_tokens=count(raw["inputTokens"]) + read + written,
        completion_tokens=count(raw["outputTokens"]),
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=sum(count(each["inputTokens"]) for each in details if each.get("ttl") == "1h"),
    )


def exception(provider: str, kind: str, value: Any) -> GuruError:
    """Our error for one of Amazon's exceptions, by its name."""
    raw = value if isinstance(value, dict) else {}
    name = kind.lower().removesuffix("exception")
    given = count(raw.get("originalStatusCode"))
    status = given if 400 <= given < 600 else STATUSES.get(name, 500)
    message = str(raw.get("originalMessage") or raw.get("message") or raw.get("Message") or kind)
    return error_for(provider, status, message, code=kind)
