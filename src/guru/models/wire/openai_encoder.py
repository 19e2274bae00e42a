"""Events to OpenAI's chat completions, one by one for a stream or together as one answer.

Spec: https://platform.openai.com/docs/api-reference/chat/object. What a provider of the same format added is repeated
in its place; what Guru adds stands under `"guru"`.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final, cast

import msgspec

from guru.models.wire.openai_usage import merge, usage_bytes, usage_json
from guru.types import (
    JSON,
    ChatRequest,
    Cited,
    Completed,
    Delta,
    Disputed,
    Event,
    Finished,
    Progress,
    Retrieved,
    Started,
    TokenLogprob,
    ToolCallDelta,
    Unsupported,
    Usage,
    is_text_alone,
)

encode = msgspec.json.Encoder().encode

NOT_WORTH_A_CHUNK: Final = frozenset({"upstream"})
"""Members that alone need no chunk of their own at the end of a stream."""
ORDINARY: Final = [Started, Delta, Finished, Completed]
_end = attrgetter("index", "native", "stop_sequence")
ORDINARY_END: Final = (0, None, None)
_done = attrgetter("outcome", "confidence")
ORDINARY_DONE: Final = (None, None)

JOINED: Final = ("data", "transcript")
"""Members of `audio` that come in pieces."""


BEFORE_TEXT: Final = b'{"index":0,"message":{"role":"assistant","content":'
AFTER_TEXT: Final = b',"refusal":null},"logprobs":null,"finish_reason":"'


class ChatEncoder:
    """`chunk` or `data` for each event of a stream, or `collect` for a whole answer."""

    def __init__(
        self,
        id: str,
        model: str,
        created: int,
        request: ChatRequest,
        *,
        include_usage: bool = False,
        trace_id: str = "",
    ) -> None:
        """`created` in Unix seconds; `include_usage` as in `StreamOptions`."""
        self._head = {"id": id, "created": created, "model": model}
        self._request = request
        self._include_usage = include_usage
        self._trace_id = trace_id
        self._begun: set[int] = set()
        self._before = b""
        self._after = b""

    # ------------------------------------------------------------------- a stream

    def data(self, event: Event) -> bytes:
        """The server-sent event for one event; nothing where OpenAI's stream has nothing to say."""
        if type(event) is Delta and event.text and event.index == 0 and 0 in self._begun and is_text_alone(event):
            # Nearly all events are a few letters of the first choice: all but those is always the same.
            if not self._before:
                self._make_frame()
            return self._before + encode(event.text) + self._after
        chunk = self.chunk(event)
        return b"" if chunk is None else b"data: " + encode(chunk) + b"\n\n"

    def chunk(self, event: Event) -> JSON | None:
        """The `chat.completion.chunk` for one event, or None where OpenAI's stream has nothing to say."""
        match event:
            case Started(trace_id=trace_id):
                self._trace_id = trace_id or self._trace_id
                return None
            case Delta():
                return self._chunk([self._delta_choice(event)])
            case Finished():
                choice = _choice(event.index, self._role(event.index), event.reason)
                return self._chunk([_with_end(choice, event)])
            case Completed():
                return self._last_chunk(event)
            case _:
                return self._chunk([_choice(0, self._role(0))], guru=_guru_member(event))

    def _make_frame(self) -> None:
        """What stands before and after the text of an ordinary chunk."""
        whole = encode(self._chunk([_choice(0, {"content": ""})]))
        before, _, after = whole.partition(b'"content":""')
        self._before = b"data: " + before + b'"content":'
        self._after = after + b"\n\n"

    def _role(self, index: int) -> JSON:
        """The role opens the first delta of every choice."""
        if index in self._begun:
            return {}
        self._begun.add(index)
        return {"role": "assistant"}

    def _delta_choice(self, event: Delta) -> JSON:
        delta = self._role(event.index)
        if event.text or (delta and not event.tool_calls):
            delta["content"] = event.text
        if event.reasoning:
            delta["reasoning_content"] = event.reasoning
        if event.refusal:
            delta["refusal"] = event.refusal
        if event.thinking_block is not None:
            delta["thinking_blocks"] = [event.thinking_block]
        if event.tool_calls:
            delta["tool_calls"] = [_tool_call_delta_json(call) for call in event.tool_calls]
        choice = _choice(event.index, delta, logprobs=_logprobs_json(event.logprobs))
        return _with_extra(choice, delta, event.extra) if event.extra else choice

    def _last_chunk(self, event: Completed) -> JSON | None:
        outcome = _outcome(event)
        guru = self._with_trace(outcome) if outcome or self._request.guru is not None else None
        extra = {name: value for name, value in event.extra.items() if name != "usage"}
        if self._include_usage:
            chunk = self._chunk([], guru=guru, usage=usage_json(event.usage, event.extra.get("usage")))
        elif guru or not extra.keys() <= NOT_WORTH_A_CHUNK:
            chunk = self._chunk([_choice(0, self._role(0))], guru=guru)
        else:
            return None
        return merge(chunk, extra) if extra else chunk

    def _chunk(self, choices: list[JSON], *, guru: JSON | None = None, usage: JSON | None = None) -> JSON:
        chunk = self._head | {"object": "chat.completion.chunk", "choices": choices}
        if self._include_usage:
            chunk["usage"] = usage
        if guru:
            chunk["guru"] = guru
        return chunk

    # ------------------------------------------------------------------- a whole answer

    def body(self, events: list[Event]) -> bytes:
        """The JSON of `collect`."""
        if list(map(type, events)) != ORDINARY or self._request.guru is not None:
            return encode(self.collect(events))
        _, piece, end, done = cast(tuple[Started, Delta, Finished, Completed], events)
        if (
            piece.index
            or not is_text_alone(piece)
            or _end(end) != ORDINARY_END
            or _done(done) != ORDINARY_DONE
            or "guru" in done.extra
        ):
            return encode(self.collect(events))
        # Nearly all answers that come in one piece are one text: only that, the reason and the numbers differ.
        more, counts = b"", None
        if done.extra:
            counts = done.extra.get("usage")
            extra = done.extra if counts is None else {k: v for k, v in done.extra.items() if k != "usage"}
            more = b"," + encode(extra)[1:-1] if extra else b""
        return b'%b,"object":"chat.completion","choices":[%b%b%b%b"}],"usage":%b%b}' % (
            encode(self._head)[:-1], BEFORE_TEXT, encode(piece.text), AFTER_TEXT, end.reason.encode(),
            usage_bytes(done.usage, counts), more,
        )  # fmt: skip

    def collect(self, events: Iterable[Event]) -> JSON:
        """The `chat.completion` for all events of an answer."""
        choices: dict[int, _Choice] = {}
        guru: JSON = {}
        extra: JSON = {}
        usage = usage_json(Usage())
        for event in events:
            match event:
                case Delta(index=index):
                    choices.setdefault(index, _Choice()).add(event)
                case Finished(index=index):
                    choices.setdefault(index, _Choice()).end = event
                case Started(trace_id=trace_id):
                    self._trace_id = trace_id or self._trace_id
                case Completed():
                    extra = event.extra
                    usage = usage_json(event.usage, extra.get("usage"))
                    guru |= _outcome(event)
                case _:
                    for name, values in _guru_member(event).items():
                        if isinstance(values, list):
                            guru.setdefault(name, []).extend(values)
                        else:
                            guru[name] = values
        answer = self._head | {
            "object": "chat.completion",
            "choices": [choices[index].json(index) for index in sorted(choices)],
            "usage": usage,
        }
        if guru or self._request.guru is not None:
            answer["guru"] = self._with_trace(guru)
        return merge(answer, {name: value for name, value in extra.items() if name != "usage"}) if extra else answer

    def _with_trace(self, guru: JSON) -> JSON:
        return guru | ({"trace_id": self._trace_id} if self._trace_id else {})


class _Choice:
    """One choice of a whole answer, growing."""

    def __init__(self) -> None:
        self.end: Finished | None = None
        self._text = ""
        self._reasoning = ""
        self._refusal = ""
        self._blocks: list[JSON] = []
        self._calls: dict[int, JSON] = {}
        self._logprobs: list[TokenLogprob] | None = None
        self._extra: JSON = {}

    def add(self, delta: Delta) -> None:
        self._text += delta.text
        self._reasoning += delta.reasoning
        self._refusal += delta.refusal
        if delta.thinking_block is not None:
            self._blocks.append(delta.thinking_block)
        for part in delta.tool_calls:
            empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            call = self._calls.setdefault(part.index, empty)
            call["id"] = part.id or call["id"]
            call["function"]["name"] = part.name or call["function"]["name"]
            call["function"]["arguments"] += part.arguments
        if delta.logprobs is not None:
            self._logprobs = [*(self._logprobs or []), *delta.logprobs]
        if delta.extra:
            self._extra = _grown(self._extra, delta.extra)

    def json(self, index: int) -> JSON:
        message: JSON = {
            "role": "assistant",
            "content": None if not self._text and (self._calls or self._refusal) else self._text,
            "refusal": self._refusal or None,
        }
        if self._reasoning:
            message["reasoning_content"] = self._reasoning
        if self._blocks:
            message["thinking_blocks"] = self._blocks
        if self._calls:
            message["tool_calls"] = [self._calls[i] for i in sorted(self._calls)]
        choice: JSON = {
            "index": index,
            "message": message,
            "logprobs": _logprobs_json(self._logprobs),
            "finish_reason": self.end.reason if self.end else None,
        }
        if self._extra:
            places = sorted(self._calls)
            choice = _with_extra(choice, message, self._extra, places)
        return _with_end(choice, self.end) if self.end else choice


def _grown(extra: JSON, more: JSON) -> JSON:
    """The extras of a choice with those of its next piece: lists go on, objects are merged, other values follow."""
    grown = dict(extra)
    for name, value in more.items():
        old: Any = grown.get(name)
        if isinstance(old, list) and isinstance(value, list):
            grown[name] = [*old, *value]
        elif isinstance(old, dict) and isinstance(value, dict):
            joined = {
                key: old[key] + value[key]
                for key in JOINED
                if isinstance(value.get(key), str) and isinstance(old.get(key), str)
            }
            grown[name] = {**old, **value, **(joined if name == "audio" else {})}
        else:
            grown[name] = value
    return grown


def _with_extra(choice: JSON, message: JSON, extra: JSON, places: list[int] | None = None) -> JSON:
    """`choice` with what a provider added to it and to its message. `places`: the indices of a whole answer's calls."""
    for name, value in extra.items():
        if name == "choice" and isinstance(value, dict):
            choice = merge({key: old for key, old in choice.items() if old is not None or key not in value}, value)
        elif name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            by_index = dict(zip(places, calls, strict=True)) if places is not None else {c["index"]: c for c in calls}
            for foreign in value:
                call = by_index.get(foreign["index"])
                if call is not None:
                    _add_to_call(call, {key: member for key, member in foreign.items() if key != "index"})
        elif message.get(name) is None:
            message[name] = value
    return choice


def _add_to_call(call: JSON, foreign: JSON) -> None:
    """A call of another type than function has its text in a member of that name."""
    if foreign.get("type") == "custom" and "function" in call:
        function = call.pop("function")
        call["custom"] = {"name": function.get("name"), "input": function.get("arguments")}
    call |= foreign


def _with_end(choice: JSON, end: Finished) -> JSON:
    if end.native is not None and "native_finish_reason" not in choice:
        choice["native_finish_reason"] = end.native
    if end.stop_sequence is not None:
        choice["stop_sequence"] = end.stop_sequence
    return choice


def _choice(index: int, delta: JSON, reason: str | None = None, logprobs: JSON | None = None) -> JSON:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _tool_call_delta_json(call: ToolCallDelta) -> JSON:
    function = ({"name": call.name} if call.name is not None else {}) | {"arguments": call.arguments}
    head = {"id": call.id, "type": "function"} if call.id is not None else {}
    return {"index": call.index, **head, "function": function}


def _logprobs_json(logprobs: list[TokenLogprob] | None) -> JSON | None:
    return None if logprobs is None else {"content": msgspec.to_builtins(logprobs), "refusal": None}


def _guru_member(event: Event) -> JSON:
    match event:
        case Retrieved(hits):
            return {"hits": msgspec.to_builtins(hits)}
        case Cited(citations):
            return {"citations": msgspec.to_builtins(citations)}
        case Unsupported(start, end):
            return {"unsupported": [{"start": start, "end": end}]}
        case Disputed(conflicts):
            return {"conflicts": msgspec.to_builtins(conflicts)}
        case Progress():
            return {"progress": progress_json(event)}
        case _:
            return {}


def progress_json(event: Progress) -> JSON:
    """How far an answer over many documents is, without the event's own name."""
    members: JSON = msgspec.to_builtins(event)
    del members["type"]
    return members


def _outcome(event: Completed) -> JSON:
    if event.outcome is None and event.confidence is None:
        return {}
    members = {"outcome": event.outcome, "confidence": event.confidence}
    return {name: value for name, value in members.items() if value is not None}
