"""Answers of providers that speak OpenAI's chat completions, whole or as a stream, to events.

Spec: https://platform.openai.com/docs/api-reference/chat-streaming. Nothing that a provider adds is lost: members of a
message stand in `Delta.extra`, those of a choice there under `choice`, those of the answer in `Completed.extra`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from guru.errors import GuruError, StreamCut
from guru.models.providers.errors import error_of_json
from guru.models.wire.answers import checked
from guru.models.wire.fields import NOT_JSON, logprob_token
from guru.models.wire.openai_usage import OrdinaryUsage, merge, read_usage
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

__all__ = ["FINISH_REASONS", "AnswerDecoder", "decode_logprobs"]

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "eos_token": "stop",  # TGI
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "model_length": "length",  # Mistral
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Providers' words to ours; any other is an ordinary stop, kept in `Finished.native`."""

BROKEN_OFF: Final = frozenset({"error", "insufficient_system_resource"})
"""OpenRouter's and DeepSeek's words for an answer that did not come to its end."""

HEAD: Final = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation"})
"""Members of an answer that are read, or that mean nothing behind us: padding against traffic analysis."""
CHOICE: Final = frozenset({"index", "delta", "message", "text", "finish_reason", "logprobs"})
MESSAGE: Final = frozenset({
    "role", "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning",
})  # fmt: skip

LOGPROBS: Final = frozenset({"content", "tokens", "token_logprobs", "top_logprobs"})
CALL: Final = frozenset({"index", "id", "type", "function", "custom"})

STATUS: Final = {
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
    "overloaded_error": 503,
    "timeout": 504,
}
"""What an error in the middle of a stream means, which has no status of its own."""


class _FastDelta(Struct, forbid_unknown_fields=True):
    content: str | None = None
    role: str | None = None
    refusal: None = None


class _FastChoice(Struct, forbid_unknown_fields=True):
    delta: _FastDelta
    index: int = 0
    finish_reason: str | None = None
    logprobs: None = None


class _FastChunk(Struct, forbid_unknown_fields=True):
    choices: list[_FastChoice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    usage: OrdinaryUsage | None = None
    obfuscation: str | None = None


class _FastMessage(Struct, forbid_unknown_fields=True):
    content: str | None = None
    role: str | None = None
    refusal: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None


class _FastWholeChoice(Struct, forbid_unknown_fields=True):
    message: _FastMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class _FastAnswer(Struct, forbid_unknown_fields=True):
    choices: Annotated[list[_FastWholeChoice], Meta(min_length=1)]
    usage: OrdinaryUsage
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


_fast = msgspec.json.Decoder(_FastChunk).decode
_fast_whole = msgspec.json.Decoder(_FastAnswer).decode
_decode = msgspec.json.Decoder().decode
MALFORMED: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading an answer raises in which something stands in the place of something else."""
MISSES: Final = 3
"""Chunks that the quick decoder may fail on, before it is left alone for the rest of an answer."""


class AnswerDecoder:
    """One answer: `feed` for each chunk of a stream and then `end`, or `whole`."""

    def __init__(self, provider: str, model: str, name: str) -> None:
        """`provider` and `model` as the configuration and the provider call them; `name` is `provider/model`."""
        self._provider = provider
        self._model = model
        self._name = name
        self._usage: JSON | OrdinaryUsage | None = None
        self._extra: JSON = {}
        self._upstream: JSON = {}
        self._open: dict[int, bool] = {}
        self._calls: dict[int, dict[int, tuple[str | None, int]]] = {}
        self._done = False
        self._misses = 0

    # ------------------------------------------------------------------- a stream

    def feed(self, data: bytes) -> list[Event]:
        """What one server-sent event says. Raises the provider's error, and `StreamCut` for what is no JSON."""
        if self._misses < MISSES:
            try:
                return self._quick(_fast(data))
            except msgspec.ValidationError:
                self._misses += 1
            except NOT_JSON:
                pass
        if data.strip() == b"[DONE]":
            self._done = True
            return []
        raw = self._object(data)
        try:
            return checked(self.chunk(raw))
        except MALFORMED:
            raise self._unreadable() from None

    def _quick(self, chunk: _FastChunk) -> list[Event]:
        """The road of nearly all chunks: a piece of text, or an end."""
        if not self._upstream:
            self._keep_names(chunk.id, chunk.model)
        if chunk.system_fingerprint is not None:
            self._extra["system_fingerprint"] = chunk.system_fingerprint
        if chunk.service_tier is not None:
            self._extra["service_tier"] = chunk.service_tier
        if chunk.usage is not None:
            self._usage = chunk.usage
        events: list[Event] = []
        for choice in chunk.choices:
            index = choice.index
            self._open.setdefault(index, True)
            if choice.delta.content:
                events.append(Delta(index=index, text=choice.delta.content))
            if choice.finish_reason in BROKEN_OFF:
                raise self.error({"error": "the answer broke off"})
            if choice.finish_reason and self._open[index]:
                events.append(self._finished(choice.finish_reason, index))
        return events

    def chunk(self, chunk: JSON) -> list[Event]:
        """The same for a chunk of any form."""
        self._head(chunk)
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta")  # Perplexity repeats the whole message beside it, even where it is empty
            events += self._choice(choice, (choice.get("message") if delta is None else delta) or {})
        return events

    def end(self) -> list[Event]:
        """After the stream's last byte. Raises `StreamCut` when it was not its end."""
        if not self._open or any(self._open.values()) or not (self._done or self._usage is not None):
            raise StreamCut(f"{self._provider} ended its answer in the middle.", hint="Send the request again.")
        return [self.so_far()]

    # ------------------------------------------------------------------- a whole answer

    def whole(self, body: bytes) -> list[Event]:
        """The events of a whole answer. Raises the error in it, and `StreamCut` for what is none."""
        try:
            return self._quick_whole(_fast_whole(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # there is more in it, or it is no answer
        answer = self._object(body)
        events: list[Event] = []
        try:
            self._head(answer)
            for choice in answer.get("choices") or ():
                events += self._choice(choice, choice.get("message") or choice.get("delta") or {})
            checked(events)
        except MALFORMED:
            raise self._unreadable() from None
        if not events:
            raise StreamCut(f"{self._provider} answered without a choice.", hint="Send the request again.")
        for index, is_open in self._open.items():
            if is_open:  # it is all there: only the reason is missing
                events.append(self._finished("tool_calls" if self._calls.get(index) else "stop", index))
        return [*events, self.so_far()]

    def _quick_whole(self, answer: _FastAnswer) -> list[Event]:
        """Nearly all answers are text."""
        self._keep_names(answer.id, answer.model)
        if answer.system_fingerprint is not None:
            self._extra["system_fingerprint"] = answer.system_fingerprint
        if answer.service_tier is not None:
            self._extra["service_tier"] = answer.service_tier
        self._usage = answer.usage
        events: list[Event] = []
        for choice in answer.choices:
            if choice.message.content:
                events.append(Delta(index=choice.index, text=choice.message.content))
            if choice.finish_reason in BROKEN_OFF:
                raise self.error({"error": "the answer broke off"})
            events.append(self._finished(choice.finish_reason, choice.index))
        events.append(self.so_far())
        return events

    # ------------------------------------------------------------------- parts

    def _object(self, data: bytes) -> JSON:
        try:
            value = _decode(data)
        except NOT_JSON:
            value = None
        if not isinstance(value, dict):
            raise self._unreadable()
        return value

    def _unreadable(self) -> StreamCut:
        return StreamCut(f"{self._provider} answered with something that cannot be read.", hint="Send it again.")

    def _head(self, raw: JSON) -> None:
        if raw.get("error") or raw.get("object") == "error":  # vLLM's lies flat
            raise self.error(raw)
        if not self._upstream:
            self._keep_names(raw.get("id"), raw.get("model"))
        if isinstance(usage := raw.get("usage"), dict):
            self._usage = usage
        elif isinstance(groq := raw.get("x_groq"), dict):
            if groq.get("error"):  # "why a stream was stopped early"
                raise self.error(groq)
            if isinstance(groq.get("usage"), dict):
                self._usage = groq["usage"]
        for name, value in raw.items():
            if name not in HEAD and value is not None:
                self._extra[name] = value

    def error(self, raw: JSON) -> GuruError:
        """The error in the middle of a stream, or in an answer whose status said that all was well."""
        error = raw.get("error")
        fields = error if isinstance(error, dict) else {} if error else raw
        numbers = [fields.get(name) for name in ("status_code", "http_status_code", "status", "code")]
        status = next((int(str(n)) for n in numbers if re.fullmatch("[45]\\d\\d", str(n))), None)
        words = [str(fields.get(name)).lower() for name in ("code", "type")]
        return error_of_json(
            self._provider, status or next((STATUS[word] for word in words if word in STATUS), 500), raw
        )

    def _choice(self, choice: JSON, message: JSON) -> list[Event]:
        index = choice.get("index") or 0
        self._open.setdefault(index, True)
        events: list[Event] = []
        text, thought, pieces = read_content(message.get("content") if message else choice.get("text"))
        extra = {name: value for name, value in message.items() if name not in MESSAGE and value is not None}
        if pieces:
            extra["content_parts"] = pieces
        if isinstance(message.get("reasoning"), dict | list):
            extra["reasoning"] = message["reasoning"]
        of_choice = {name: value for name, value in choice.items() if name not in CHOICE and value not in (None, {})}
        if of_choice:
            extra["choice"] = of_choice
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict):
            more = {name: value for name, value in logprobs.items() if name not in LOGPROBS and value is not None}
            if more:
                extra["choice"] = {**extra.get("choice", {}), "logprobs": more}
        elif type(logprobs) in (int, float):  # Together's chunks: of the token, as a number
            logprobs = {"tokens": [text], "token_logprobs": [logprobs], "top_logprobs": [choice.get("top_logprobs")]}
        delta = Delta(
            index=index,
            text=text,
            reasoning=message.get("reasoning_content") or reasoning_text(message) or thought,
            refusal=message.get("refusal") or "",
            tool_calls=self._tool_calls(index, message, extra),
            logprobs=decode_logprobs(logprobs) if logprobs else None,
            extra=extra,
        )
        if delta.text or delta.reasoning or delta.refusal or delta.tool_calls or delta.logprobs or extra:
            events.append(delta)
        if (reason := choice.get("finish_reason")) in BROKEN_OFF:
            raise self.error({"error": choice.get("error") or "the answer broke off"})
        if reason and self._open[index]:  # some say it again
            stopped = choice.get("stop_reason")  # vLLM's
            events.append(self._finished(reason, index, stopped if isinstance(stopped, str) else None))
        return events

    def _tool_calls(self, index: int, message: JSON, extra: JSON) -> list[ToolCallDelta]:
        """The parts of calls; what is foreign in them goes to `extra`."""
        calls, foreign = [], []
        for place, call in enumerate(message.get("tool_calls") or ()):
            function = call.get("function") or call.get("custom") or {}
            arguments = function.get("arguments", function.get("input"))
            if arguments is not None and not isinstance(arguments, str):  # some write the object itself
                arguments = msgspec.json.encode(arguments).decode()
            number = self._number(index, call, function.get("name"), place)
            calls.append(ToolCallDelta(number, call.get("id"), function.get("name"), arguments or ""))
            others = {name: value for name, value in call.items() if name not in CALL and value is not None}
            if call.get("type", "function") not in ("function", None, ""):
                others["type"] = call["type"]
            if others:
                foreign.append({"index": number, **others})
        if foreign:
            extra["tool_calls"] = foreign
        if legacy := message.get("function_call"):
            # The form before tools has no id; the first part alone has the name.
            name = legacy.get("name")
            calls.append(ToolCallDelta(0, f"call_{index}" if name else None, name, legacy.get("arguments") or ""))
        return calls

    def _number(self, index: int, call: JSON, name: str | None, place: int) -> int:
        """Which call this is a part of. Some number all alike, or none: another id with a name is another call."""
        given = call["index"] if type(call.get("index")) is int else place
        begun, call_id = self._calls.setdefault(index, {}), call.get("id")
        known = begun.get(given)
        if known is None or (name and call_id and known[0] and call_id != known[0]):
            used = {number for _, number in begun.values()}
            begun[given] = (call_id, 1 + max(used) if given in used else given)
        return begun[given][1]

    def _finished(self, reason: str, index: int, stopped: str | None = None) -> Finished:
        self._open[index] = False
        known = FINISH_REASONS.get(reason, "stop")
        return Finished(known, index, stopped, None if known == reason else reason)

    def _keep_names(self, id: str | None, model: str | None) -> None:
        """The provider's own names for the answer, once; some send a first chunk without any."""
        if id:
            self._upstream["id"] = id
            if model and model != self._model:
                self._upstream["model"] = model

    def so_far(self) -> Completed:
        """The last event, if the answer ended here: some say in every chunk what was used until then."""
        extra = self._extra
        if self._upstream:
            extra["upstream"] = self._upstream
        if isinstance(self._usage, OrdinaryUsage):
            usage = self._usage.read()
        elif self._usage is None:
            usage = Usage(estimated=True)
        else:
            usage, rest = read_usage(self._usage)
            if rest:
                extra["usage"] = merge(rest, extra.get("usage", {}))
        return Completed(model=self._name, usage=usage, extra=extra)


def read_content(content: Any) -> tuple[str, str, list[JSON]]:
    """Text, reasoning and other pieces of a content, which may be a text or Mistral's list of pieces."""
    if content is None or isinstance(content, str):
        return content or "", "", []
    text, thought, others = [], [], []
    for piece in content if isinstance(content, list) else ():
        if not isinstance(piece, dict):
            text.append(str(piece))
        elif isinstance(piece.get("text"), str):
            text.append(piece["text"])
        elif piece.get("type") == "thinking":
            thought.append(read_content(piece.get("thinking"))[0])
        else:
            others.append(piece)
    return "".join(text), "".join(thought), others


def reasoning_text(message: JSON) -> str:
    reasoning = message.get("reasoning")
    return reasoning if isinstance(reasoning, str) else ""


def decode_logprobs(logprobs: JSON | None) -> list[TokenLogprob] | None:
    """`{"content": [...]}`, as chats have it, or the columns of text completions."""
    if not logprobs:
        return None
    entries = logprobs.get("content")
    if isinstance(entries, list):
        return [_token(entry, [_token(top, []) for top in entry.get("top_logprobs") or ()]) for entry in entries]
    if isinstance(tokens := logprobs.get("tokens"), list):
        chosen = logprobs.get("token_logprobs") or []
        columns = logprobs.get("top_logprobs") or []
        columns = columns if isinstance(columns, list) else []
        return [
            TokenLogprob(
                token, chosen[place] if place < len(chosen) and chosen[place] is not None else 0.0, None,
                [TopLogprob(text, value) for text, value in (columns[place] or {}).items()]
                if place < len(columns) else [],
            )
            for place, token in enumerate(tokens)
        ]  # fmt: skip
    return None


def _token(entry: JSON, tops: list[Any]) -> TokenLogprob:
    raw = entry.get("bytes")
    shown = logprob_token(entry["token"], raw)
    return TokenLogprob(shown, entry["logprob"], raw, [TopLogprob(t.token, t.logprob, t.bytes) for t in tops])
