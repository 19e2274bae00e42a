"""Our events as Anthropic's answers: the events of a stream, which collected are the whole message.

Spec: https://platform.claude.com/docs/en/build-with-claude/streaming. What Guru adds stands under `"guru"`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.errors import StreamCut
from guru.models.wire.answers import members
from guru.models.wire.anthropic_answer import STOP_REASONS
from guru.models.wire.openai_encoder import progress_json
from guru.types import (
    JSON,
    Citation,
    Cited,
    Completed,
    Delta,
    Disputed,
    Event,
    Finished,
    FinishReason,
    Progress,
    Retrieved,
    ToolCallDelta,
    Unsupported,
    Usage,
)

REASONS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
EMPTY: Final[dict[str, JSON]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class _Call(Struct):
    """A tool call of which parts have come."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    waiting: str = ""
    """Arguments that are not sent yet, as another call's block is open."""
    members: JSON = {}
    opened: bool = False


class MessageEncoder:
    """The events of one message. Blocks follow one another, as in Anthropic's own streams: parts of calls that
    another provider interleaves wait for their turn."""

    def __init__(self, id: str, model: str, *, trace_id: str = "") -> None:
        self._head = {"id": id, "type": "message", "role": "assistant", "model": model}
        self._trace_id = trace_id
        self._next = 0
        self._open: str | None = None
        self._begun = False
        self._calls: dict[int, _Call] = {}
        self._current: int | None = None
        self._finish: Finished | None = None
        self._refused = False
        self._guru: JSON = {}

    @property
    def text_block(self) -> int | None:
        """The number of the block of text that is open: text can go there without any ado."""
        return self._next - 1 if self._open == "text" else None

    def events(self, event: Event) -> Iterator[JSON]:
        """What Anthropic's stream says for one event."""
        if not self._begun:
            self._begun = True
            yield {"type": "message_start", "message": self._message([], usage_json(Usage()))}
            yield {"type": "ping"}
        match event:
            case Delta(index=0):
                yield from self._delta(event)
            case Finished(index=0):
                self._finish = event
            case Cited(citations):
                for citation in citations:
                    yield from self._text_member({"type": "citations_delta", "citation": citation_json(citation)})
            case Retrieved(hits):
                self._guru["hits"] = msgspec.to_builtins(hits)
            case Unsupported(start, end):
                self._guru.setdefault("unsupported", []).append({"start": start, "end": end})
            case Disputed(conflicts):
                self._guru.setdefault("conflicts", []).extend(msgspec.to_builtins(conflicts))
            case Progress():
                self._guru["progress"] = progress_json(event)
            case Completed():
                yield from self._end(event)

    def collect(self, events: Iterable[Event]) -> JSON:
        """The whole message for all events of an answer."""
        message: JSON = {}
        texts: dict[int, list[str]] = {}
        for event in events:
            for said in self.events(event):
                match said["type"]:
                    case "message_start":
                        message = said["message"]
                    case "content_block_start":
                        message["content"].append(dict(said["content_block"]))
                    case "content_block_delta":
                        _grow(message["content"][said["index"]], said["delta"], texts.setdefault(said["index"], []))
                    case "message_delta":
                        message |= said["delta"] | {"usage": said["usage"]}
                        message |= {"guru": said["guru"]} if "guru" in said else {}
        for index, pieces in texts.items():
            _settle(message["content"][index], "".join(pieces))
        return message

    # ------------------------------------------------------------------- pieces

    def _delta(self, delta: Delta) -> Iterator[JSON]:
        if delta.reasoning:
            yield from self._enter("thinking")
            yield self._said({"type": "thinking_delta", "thinking": delta.reasoning})
        if delta.thinking_block is not None:
            yield from self._thought(delta.thinking_block)
        native = members(delta.extra, "anthropic")
        if "new_block" in native:
            yield from self._close()
        if block := members(native, "content_block"):
            yield from self._start("native", block)
            yield from self._close()
        if delta.text or delta.refusal:
            self._refused = self._refused or bool(delta.refusal)
            yield from self._enter("text")
            yield self._said({"type": "text_delta", "text": delta.text + delta.refusal})
        for citation in _citations(delta.extra, native):
            yield from self._text_member({"type": "citations_delta", "citation": citation})
        for part in delta.tool_calls:
            yield from self._call(part, members(native, "tool_use"))

    def _thought(self, block: JSON) -> Iterator[JSON]:
        if block.get("type") != "thinking":
            yield from self._start("native", block)
            yield from self._close()
            return
        yield from self._enter("thinking")
        yield self._said({"type": "signature_delta", "signature": block.get("signature") or ""})
        yield from self._close()

    def _text_member(self, delta: JSON) -> Iterator[JSON]:
        yield from self._enter("text")
        yield self._said(delta)

    def _call(self, part: ToolCallDelta, rest: JSON) -> Iterator[JSON]:
        call = self._calls.setdefault(part.index, _Call())
        call.id, call.name = part.id or call.id, part.name or call.name
        call.members = rest or call.members
        call.waiting += part.arguments
        if self._current is not None and self._current != part.index:
            if not _is_whole(self._calls[self._current].arguments):
                return  # its other parts may still come; this one waits
            yield from self._close()
        if call.name:
            yield from self._say_call(part.index)

    def _say_call(self, index: int) -> Iterator[JSON]:
        call = self._calls[index]
        if not call.opened:
            call.opened = True
            call.id = call.id or f"toolu_{secrets.token_hex(12)}"
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            yield from self._start("tool_use", block | call.members)
            self._current = index
        if call.waiting.strip() or (call.waiting and index == self._current):
            if index != self._current:
                raise StreamCut("The model went on with a call that it had left.", hint="Try again.")
            said, call.waiting = call.waiting, ""
            call.arguments += said
            yield self._said({"type": "input_json_delta", "partial_json": said})

    def _enter(self, kind: str) -> Iterator[JSON]:
        if self._open != kind:
            yield from self._start(kind, EMPTY[kind])

    def _start(self, kind: str, block: JSON) -> Iterator[JSON]:
        yield from self._close()
        self._open = kind
        self._next += 1
        yield {"type": "content_block_start", "index": self._next - 1, "content_block": block}

    def _close(self) -> Iterator[JSON]:
        if self._open is not None:
            self._open = self._current = None
            yield {"type": "content_block_stop", "index": self._next - 1}

    def _said(self, delta: JSON) -> JSON:
        return {"type": "content_block_delta", "index": self._next - 1, "delta": delta}

    def _end(self, event: Completed) -> Iterator[JSON]:
        for index in sorted(self._calls):
            if self._calls[index].waiting or not self._calls[index].opened:
                yield from self._say_call(index)
        yield from self._close()
        native = members(event.extra, "anthropic")
        usage = usage_json(event.usage) | members(native, "usage")
        finish = self._finish or Finished("stop")
        delta = {"stop_reason": self._reason(finish), "stop_sequence": finish.stop_sequence}
        delta |= {name: value for name, value in native.items() if name not in ("id", "usage")}
        guru = self._guru | {
            name: value
            for name, value in (("outcome", event.outcome), ("confidence", event.confidence))
            if value is not None
        }
        if guru:
            guru["trace_id"] = self._trace_id
        yield {"type": "message_delta", "delta": delta, "usage": usage} | ({"guru": guru} if guru else {})

    def _reason(self, finish: Finished) -> str:
        if finish.native in STOP_REASONS:
            return finish.native
        if self._refused:
            return "refusal"
        if finish.reason == "stop" and finish.stop_sequence is not None:
            return "stop_sequence"
        # Some providers say "stop" after calls.
        return "tool_use" if self._calls and finish.reason == "stop" else REASONS[finish.reason]

    def _message(self, content: list[JSON], usage: JSON) -> JSON:
        return self._head | {"content": content, "stop_reason": None, "stop_sequence": None, "usage": usage}


def usage_json(usage: Usage) -> JSON:
    """Anthropic's usage: what was read from a cache or written to it is not among `input_tokens`."""
    shown: JSON = {
        "input_tokens": max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    if usage.cache_write_tokens:
        hour = usage.cache_write_1h_tokens
        minutes = usage.cache_write_tokens - hour
        shown["cache_creation"] = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
    if usage.reasoning_tokens:
        shown["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.searches:
        shown["server_tool_use"] = {"web_search_requests": usage.searches, "web_fetch_requests": 0}
    return shown


def citation_json(citation: Citation) -> JSON:
    """A verified quote, as Anthropic writes a citation of a document. `guru` tells it from Anthropic's own."""
    return {
        "type": "char_location",
        "cited_text": citation.quote,
        "document_index": citation.n - 1,
        "document_title": citation.document,
        "start_char_index": citation.start,
        "end_char_index": citation.end,
        "guru": msgspec.to_builtins(citation),
    }


def _citations(extra: JSON, native: JSON) -> list[JSON]:
    """Anthropic's own citation, or OpenAI's annotations as what Anthropic has for an address."""
    if citation := members(native, "citation"):
        return [citation]
    found: list[JSON] = []
    annotations = extra.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        cited: Any = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(cited, dict):
            found.append(
                {
                    "type": "web_search_result_location",
                    "cited_text": str(cited.get("content") or ""),
                    "encrypted_index": "",
                    "title": cited.get("title"),
                    "url": str(cited.get("url") or ""),
                    "guru": {},
                }
            )
    return found


def _is_whole(arguments: str) -> bool:
    """Whether the arguments of a call have come to their end."""
    try:
        msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _grow(block: JSON, delta: JSON, pieces: list[str]) -> None:
    """Add a delta to a block of a whole message; texts are kept in pieces for `_settle`."""
    match delta["type"]:
        case "text_delta":
            pieces.append(delta["text"])
        case "thinking_delta":
            pieces.append(delta["thinking"])
        case "input_json_delta":
            pieces.append(delta["partial_json"])
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]


def _settle(block: JSON, said: str) -> None:
    match block["type"]:
        case "text":
            block["text"] += said
        case "thinking":
            block["thinking"] += said
        case "tool_use" if said:
            # A model may write arguments that are no object. They are shown as they are, for the caller to judge.
            try:
                value = msgspec.json.decode(said)
            except (msgspec.DecodeError, RecursionError):
                value = None
            block["input"] = value if isinstance(value, dict) else {"_arguments": said}
