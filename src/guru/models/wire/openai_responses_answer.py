"""OpenAI's Responses API: the answer, as the documented sequence of events and as the response that they build.

Spec: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from guru.errors import BadRequest, GuruError, RateLimited, StreamCut, UpstreamRateLimited
from guru.models.wire.fields import JSON
from guru.models.wire.openai_responses import ResponsesRequest
from guru.models.wire.openai_responses_items import seal
from guru.types import (
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
    Started,
    TokenLogprob,
    ToolCallDelta,
    Unsupported,
    Usage,
)

__all__ = ["ResponseWriter", "usage_json", "without_seal"]

INCOMPLETE: Final[dict[FinishReason, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}

DEEPEST: Final = 100
"""Lists and objects in each other in an annotation; documented ones have two."""


class ResponseWriter:
    """Events in, documented stream events out; `response` is what they have built so far.

    The items of the output are numbered in the order in which they begin. Text and reasoning end when something else
    begins; function calls, which may come side by side, end with the answer.
    """

    def __init__(
        self, id: str, created: float, request: ResponsesRequest, new_id: Callable[[str], str], *, trace_id: str = ""
    ) -> None:
        """`new_id` makes the ids of items from a prefix."""
        self._request = request
        self._new_id = new_id
        self._sequence = -1
        self._events: list[JSON] = []
        self._open: _Item | None = None
        self._calls: dict[int, _Call] = {}
        self._reason: FinishReason = "stop"
        self._guru: JSON = {"trace_id": trace_id} if trace_id else {}
        self.response: JSON = {
            "id": id, "object": "response", "created_at": created, "status": "in_progress", "error": None,
            "incomplete_details": None, "model": request.chat.model, "output": [], "usage": None, **request.shown,
        }  # fmt: skip

    def feed(self, event: Event) -> list[JSON]:
        """The stream events that one event of the road makes."""
        match event:
            case Started():
                self.response["model"] = event.model
                if self._sequence < 0:
                    self.emit("response.created", response=self.shown())
                    self.emit("response.in_progress", response=self.shown())
            case Delta(index=0):
                self._delta(event)
            case Finished(index=0):
                self._reason = event.reason
            case Completed():
                self._complete(event)
            case Retrieved() | Cited() | Unsupported() | Disputed() | Progress():
                self._ground(event)
            case _:
                pass
        return self._take()

    def fail(self, error: GuruError) -> list[JSON]:
        """How a stream ends that failed."""
        self._close_all("incomplete")
        code = "server_error"
        if isinstance(error, RateLimited | UpstreamRateLimited):
            code = "rate_limit_exceeded"
        elif isinstance(error, BadRequest):
            code = "invalid_prompt"
        self.response |= {"status": "failed", "error": {"code": code, "message": str(error)}}
        self.emit("error", code=error.code or code, message=str(error), param=error.param)
        self.emit("response.failed", response=self.shown())
        return self._take()

    def emit(self, type: str, **members: Any) -> None:
        self._sequence += 1
        self._events.append({"type": type, "sequence_number": self._sequence, **members})

    def start(self, item: _Item) -> None:
        """Number an item and announce it."""
        item.output_index = len(self.response["output"])
        self.response["output"].append(item.json)
        self.emit("response.output_item.added", output_index=item.output_index, item=_copy(item.json))

    def done(self, item: _Item, status: str) -> None:
        item.json["status"] = status
        self.emit("response.output_item.done", output_index=item.output_index, item=self._shown_item(item.json))

    def shown(self) -> JSON:
        """The response as the caller sees it. `response` itself also keeps signed thinking, for the next turn."""
        return {**_copy(self.response), "output": [self._shown_item(item) for item in self.response["output"]]}

    def _shown_item(self, item: JSON) -> JSON:
        return _copy(item) if self._request.encrypted else without_seal(item)

    def _take(self) -> list[JSON]:
        events, self._events = self._events, []
        return events

    def _delta(self, event: Delta) -> None:
        if event.reasoning or event.thinking_block is not None:
            self._reasoning().add(event)
        if event.text or event.refusal or event.extra.get("annotations"):
            self._message().add(event)
        for part in event.tool_calls:
            self._call(part)

    def _reasoning(self) -> _Reasoning:
        if not isinstance(self._open, _Reasoning):
            self._close()
            self._open = _Reasoning(self, self._new_id("rs"), self._request)
        return self._open

    def _message(self) -> _Message:
        if not isinstance(self._open, _Message):
            self._close()
            self._open = _Message(self, self._new_id("msg"))
        return self._open

    def _call(self, part: ToolCallDelta) -> None:
        self._close()
        call = self._calls.get(part.index)
        if call is None:
            call = self._calls[part.index] = _Call(self, self._new_id("fc"), self._new_id("call"))
        call.add(part)

    def _ground(self, event: Retrieved | Cited | Unsupported | Disputed | Progress) -> None:
        """What stands under `guru`, and citations as annotations of the text too."""
        builtin = msgspec.to_builtins(event)
        builtin.pop("type", None)
        match event:
            case Retrieved():
                self._guru["hits"] = builtin["hits"]
            case Cited(citations):
                self._guru.setdefault("citations", []).extend(builtin["citations"])
                for citation in citations:
                    self._message().annotate(file_citation(citation))
            case Unsupported():
                self._guru.setdefault("unsupported", []).append(builtin)
            case Disputed():
                self._guru.setdefault("conflicts", []).extend(builtin["conflicts"])
            case Progress():
                self._guru["progress"] = builtin

    def _close(self, status: str = "completed") -> None:
        if self._open is not None:
            self._open.close(status)
            self._open = None

    def _close_all(self, status: str) -> None:
        self._close(status)
        for _, call in sorted(self._calls.items()):
            call.close(status)
        self._calls = {}

    def _complete(self, event: Completed) -> None:
        incomplete = INCOMPLETE.get(self._reason)
        self._close_all("incomplete" if incomplete else "completed")
        if event.outcome is not None:
            self._guru |= {"outcome": event.outcome, "confidence": event.confidence}
        self.response |= {
            "status": "incomplete" if incomplete else "completed",
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "usage": usage_json(event.usage),
            "completed_at": None if incomplete else self.response["created_at"] + event.timings.get("total", 0.0),
        }
        if len(self._guru) > 1:
            self.response["guru"] = self._guru
        self.emit(f"response.{self.response['status']}", response=self.shown())


class _Item:
    """An item of the output while it is written."""

    def __init__(self, writer: ResponseWriter, json: JSON) -> None:
        self.json = json
        self.output_index = -1
        self._writer = writer

    def close(self, status: str) -> None:
        self._writer.done(self, status)

    def emit(self, type: str, **members: Any) -> None:
        self._writer.emit(type, item_id=self.json["id"], output_index=self.output_index, **members)


class _Message(_Item):
    """What the assistant says: parts of text or of refusal."""

    def __init__(self, writer: ResponseWriter, id: str) -> None:
        head = {"id": id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        super().__init__(writer, head)
        self._texts: list[str] = []
        writer.start(self)

    def add(self, event: Delta) -> None:
        if event.text:
            part = self._part("output_text")
            logprobs = _logprobs(event.logprobs)
            part["logprobs"] += logprobs
            self._texts.append(event.text)
            self._emit("response.output_text.delta", delta=event.text, logprobs=logprobs)
        annotations = event.extra.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                if not _is_within(annotation, DEEPEST):
                    raise StreamCut("The model's annotations are nested too deeply.", hint="Try again.")
                self.annotate(flat_annotation(annotation))
        if event.refusal:
            self._part("refusal")
            self._texts.append(event.refusal)
            self._emit("response.refusal.delta", delta=event.refusal)

    def annotate(self, annotation: JSON) -> None:
        annotations = self._part("output_text")["annotations"]
        annotations.append(annotation)
        self._emit(
            "response.output_text.annotation.added", annotation=annotation, annotation_index=len(annotations) - 1
        )

    def close(self, status: str) -> None:
        self._end_part()
        super().close(status)

    def _part(self, kind: str) -> JSON:
        """The part that is being written, of this kind."""
        content: list[JSON] = self.json["content"]
        if not content or content[-1]["type"] != kind:
            self._end_part()
            empty: JSON = {"type": kind, "refusal": ""}
            if kind == "output_text":
                empty = {"type": kind, "text": "", "annotations": [], "logprobs": []}
            content.append(empty)
            self._emit("response.content_part.added", part=_copy(empty))
        return content[-1]

    def _end_part(self) -> None:
        if not self.json["content"]:
            return
        part, text = self.json["content"][-1], "".join(self._texts)
        self._texts = []
        if part["type"] == "refusal":
            part["refusal"] = text
            self._emit("response.refusal.done", refusal=text)
        else:
            part["text"] = text
            self._emit("response.output_text.done", text=text, logprobs=part["logprobs"])
        self._emit("response.content_part.done", part=_copy(part))

    def _emit(self, type: str, **members: Any) -> None:
        self.emit(type, content_index=len(self.json["content"]) - 1, **members)


class _Reasoning(_Item):
    """What the model thinks: as a summary for callers that asked for one, else as the text it is."""

    def __init__(self, writer: ResponseWriter, id: str, request: ResponsesRequest) -> None:
        super().__init__(writer, {"id": id, "type": "reasoning", "summary": [], "status": "in_progress"})
        self._kind, self._member, self._index = (
            ("reasoning_summary_text", "summary", "summary_index")
            if request.summary
            else ("reasoning_text", "content", "content_index")
        )
        self._texts: list[str] = []
        self._blocks: list[JSON] = []
        writer.start(self)

    def add(self, event: Delta) -> None:
        if event.reasoning:
            if not self._texts:
                self._emit_part("added", "")
            self._texts.append(event.reasoning)
            self.emit(f"response.{self._kind}.delta", delta=event.reasoning, **{self._index: 0})
        if event.thinking_block is not None:
            self._blocks.append(event.thinking_block)

    def close(self, status: str) -> None:
        if self._texts:
            text = "".join(self._texts)
            self.emit(f"response.{self._kind}.done", text=text, **{self._index: 0})
            self._emit_part("done", text)
            self.json[self._member] = [self._part(text)]
        if self._blocks:
            self.json["encrypted_content"] = seal(self._blocks)
        super().close(status)

    def _part(self, text: str) -> JSON:
        return {"type": "summary_text" if self._member == "summary" else "reasoning_text", "text": text}

    def _emit_part(self, what: str, text: str) -> None:
        name = "reasoning_summary_part" if self._member == "summary" else "content_part"
        self.emit(f"response.{name}.{what}", part=self._part(text), **{self._index: 0})


class _Call(_Item):
    """A call of a function. It is announced when its name is known."""

    def __init__(self, writer: ResponseWriter, id: str, call_id: str) -> None:
        head = {"id": id, "type": "function_call", "status": "in_progress", "call_id": call_id}
        super().__init__(writer, {**head, "name": "", "arguments": ""})
        self._arguments: list[str] = []

    def add(self, part: ToolCallDelta) -> None:
        if self.output_index < 0:
            self.json["call_id"] = part.id or self.json["call_id"]
            self.json["name"] += part.name or ""
        waiting = "".join(self._arguments) if self.output_index < 0 else ""
        self._arguments.append(part.arguments)
        if self.output_index < 0 and self.json["name"]:
            self._writer.start(self)
        if self.output_index >= 0 and (waiting or part.arguments):
            self.emit("response.function_call_arguments.delta", delta=waiting + part.arguments)

    def close(self, status: str) -> None:
        if self.output_index < 0:
            self._writer.start(self)
        self.json["arguments"] = "".join(self._arguments)
        name, arguments = self.json["name"], self.json["arguments"]
        self.emit("response.function_call_arguments.done", name=name, arguments=arguments)
        super().close(status)


def usage_json(usage: Usage) -> JSON:
    """The usage object of this API."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def file_citation(citation: Citation) -> JSON:
    """A verified quote as OpenAI's file search cites; `guru` on the response has the offsets."""
    return {
        "type": "file_citation",
        "index": citation.n,
        "file_id": citation.document_id or citation.document,
        "filename": citation.document,
    }


def flat_annotation(annotation: JSON) -> JSON:
    """An annotation of chat completions, whose members stand one level deeper there."""
    kind = annotation.get("type")
    inner = annotation.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else annotation


def _logprobs(logprobs: list[TokenLogprob] | None) -> list[JSON]:
    return [
        {
            "token": entry.token, "logprob": entry.logprob, "bytes": entry.bytes or [],
            "top_logprobs": [
                {"token": top.token, "logprob": top.logprob, "bytes": top.bytes or []} for top in entry.top_logprobs
            ],
        }
        for entry in logprobs or ()
    ]  # fmt: skip


def without_seal(item: JSON) -> JSON:
    """A copy of an item of the output, without the signed thinking."""
    return {name: value for name, value in _copy(item).items() if name != "encrypted_content"}


def _is_within(value: Any, depth: int) -> bool:
    """Whether lists and objects stand in each other no deeper than that."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_is_within(each, depth - 1) for each in inner)


def _copy(value: JSON) -> JSON:
    """A copy that later changes do not reach."""
    return {name: _copied(item) for name, item in value.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return _copy(value)
    return [_copied(item) for item in value] if isinstance(value, list) else value
