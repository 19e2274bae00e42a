"""OpenAI text completions (`/v1/completions`), both ways.

A body may hold several prompts; each is a `TextRequest` of its own. The choices of prompt `i` are numbered from
`i * n` on: `shift` moves the events of one prompt there, and one `TextEncoder` takes them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from guru.errors import InvalidParameter
from guru.models.wire.answers import members
from guru.models.wire.fields import (
    JSON,
    NonEmpty,
    StreamOptions,
    decode_object,
    require,
    rest,
    take,
    take_sampling,
    take_stream_options,
)
from guru.models.wire.openai_answer import FINISH_REASONS, decode_logprobs
from guru.models.wire.openai_chat import ChunkDecoder
from guru.models.wire.openai_usage import merge, usage_json
from guru.types import Completed, Delta, Event, Finished, FinishReason, TextRequest, TokenLogprob, Usage

encode = msgspec.json.Encoder().encode

COUNTS: Final = (
    "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens",
    "cache_write_1h_tokens", "audio_prompt_tokens", "audio_completion_tokens", "image_prompt_tokens",
    "image_completion_tokens", "searches",
)  # fmt: skip

__all__ = ["TextChunkDecoder", "TextEncoder", "decode_text_request", "encode_text_request", "shift"]


def decode_text_request(body: bytes) -> tuple[list[TextRequest], StreamOptions]:
    """Read the body of `POST /v1/completions`: one request for each prompt. Raises `InvalidParameter`."""
    raw = decode_object(body)
    options = take_stream_options(raw)
    model = require(raw, "model", NonEmpty)
    prompts = _split_prompts(require(raw, "prompt", str | list[Any]))
    shared = take_sampling(raw) | {"stream": options.stream}
    top = take(raw, "logprobs", Annotated[int, Meta(ge=0, le=20)])
    shared |= {"logprobs": top is not None, "top_logprobs": top}
    shared |= {"suffix": take(raw, "suffix", str), "echo": take(raw, "echo", bool, False)}
    best_of = take(raw, "best_of", int, 1)
    if best_of > shared.get("n", 1):
        message = "`best_of` above `n` is not supported."
        raise InvalidParameter(message, param="best_of", hint="Ask for `n` choices and take the best.")
    shared["extra"] = rest(raw)
    return [TextRequest(model=model, prompt=prompt, **shared) for prompt in prompts], options


def encode_text_request(request: TextRequest) -> JSON:
    """The JSON of a request: the reverse of `decode_text_request`."""
    raw: JSON = msgspec.to_builtins(request)
    raw |= raw.pop("extra", {})
    if raw.pop("logprobs", False):
        raw["logprobs"] = request.top_logprobs or 0
    raw.pop("top_logprobs", None)
    return raw


def shift(event: Event, by: int) -> Event:
    """The same event for a choice `by` places further on."""
    return msgspec.structs.replace(event, index=event.index + by) if isinstance(event, Delta | Finished) else event


def _split_prompts(prompt: str | list[Any]) -> list[str | list[int]]:
    if isinstance(prompt, str):
        return [prompt]
    if prompt and all(isinstance(part, int) and not isinstance(part, bool) for part in prompt):
        return [prompt]
    many = [part for part in prompt if isinstance(part, str) or _is_tokens(part)]
    if not prompt or len(many) < len(prompt):
        message = "`prompt` must be a text, a list of texts, a list of tokens or a list of lists of tokens."
        raise InvalidParameter(message, param="prompt")
    return many


def _is_tokens(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(type(token) is int for token in part)


class TextEncoder:
    """Events to OpenAI's `text_completion`s: `chunk` for a stream, or `collect` for a whole answer."""

    def __init__(
        self, id: str, model: str, created: int, requests: list[TextRequest], *, include_usage: bool = False
    ) -> None:
        """`requests` are all requests of one body."""
        self._head = {"id": id, "object": "text_completion", "created": created, "model": model}
        self._open = len(requests)
        self._include_usage = include_usage
        self._offsets: dict[int, int] = {}
        self._usage = Usage()
        self._extra: JSON = {}
        self._counts: JSON = {}
        self._prompts = len(requests)

    def data(self, event: Event) -> bytes:
        """The server-sent event for one event, or nothing."""
        chunk = self.chunk(event)
        return b"" if chunk is None else b"data: " + encode(chunk) + b"\n\n"

    def chunk(self, event: Event) -> JSON | None:
        """The chunk for one event, or None. The usage follows the `Completed` of the last prompt."""
        match event:
            case Delta(index=index, text=text):
                logprobs = self._logprobs(index, event.logprobs)
                choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": None}
                return self._chunk([merge(choice, members(event.extra, "choice"))])
            case Finished(reason, index):
                return self._chunk([{"text": "", "index": index, "logprobs": None, "finish_reason": reason}])
            case Completed():
                self._add(event)
                if self._open or not self._include_usage:
                    return None
                return merge(self._chunk([], usage_json(self._usage, self._more)), self._extra)
            case _:
                return None

    def body(self, events: Iterable[Event]) -> bytes:
        """The JSON of `collect`."""
        return encode(self.collect(events))

    def collect(self, events: Iterable[Event]) -> JSON:
        """The whole answer."""
        texts: dict[int, str] = {}
        reasons: dict[int, FinishReason] = {}
        logprobs: dict[int, list[TokenLogprob]] = {}
        extra: dict[int, JSON] = {}
        for event in events:
            match event:
                case Delta(index=index, text=text):
                    texts[index] = texts.get(index, "") + text
                    extra[index] = extra.get(index, {}) | members(event.extra, "choice")
                    if event.logprobs is not None:
                        logprobs.setdefault(index, []).extend(event.logprobs)
                case Finished(reason, index):
                    texts.setdefault(index, "")
                    reasons[index] = reason
                case Completed():
                    self._add(event)
        choices = [
            merge(
                {"text": texts[index], "index": index, "logprobs": self._logprobs(index, logprobs.get(index)),
                 "finish_reason": reasons.get(index)},
                extra.get(index, {}),
            )
            for index in sorted(texts)
        ]  # fmt: skip
        answer = self._head | {"choices": choices, "usage": usage_json(self._usage, self._more)}
        return merge(answer, self._extra)

    def _add(self, event: Completed) -> None:
        """The usage of one prompt more, and what the provider added."""
        self._open -= 1
        for field in COUNTS:
            setattr(self._usage, field, getattr(self._usage, field) + getattr(event.usage, field))
        self._extra |= {name: value for name, value in event.extra.items() if name != "usage"}
        self._counts = members(event.extra, "usage")

    @property
    def _more(self) -> JSON:
        """A provider's own counts are shown where they are those of the whole answer."""
        return self._counts if self._prompts == 1 else {}

    def _logprobs(self, index: int, logprobs: list[TokenLogprob] | None) -> JSON | None:
        """The columns of the old format; `text_offset` counts characters from the start of the choice."""
        if logprobs is None:
            return None
        offsets, position = [], self._offsets.get(index, 0)
        for entry in logprobs:
            offsets.append(position)
            position += len(entry.token)
        self._offsets[index] = position
        return {
            "tokens": [entry.token for entry in logprobs],
            "token_logprobs": [entry.logprob for entry in logprobs],
            "top_logprobs": [{top.token: top.logprob for top in entry.top_logprobs} for entry in logprobs],
            "text_offset": offsets,
        }

    def _chunk(self, choices: list[JSON], usage: JSON | None = None) -> JSON:
        return self._head | {"choices": choices} | ({"usage": usage} if self._include_usage else {})


class TextChunkDecoder(ChunkDecoder):
    """A model's `text_completion` chunks to events."""

    def events(self, chunk: JSON) -> list[Event]:
        """What one chunk says: deltas and the end of choices."""
        self._keep_usage(chunk)
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            index, logprobs = choice.get("index", 0), decode_logprobs(choice.get("logprobs"))
            if choice.get("text") or logprobs:
                events.append(Delta(index=index, text=choice.get("text") or "", logprobs=logprobs))
            if reason := choice.get("finish_reason"):
                events.append(Finished(FINISH_REASONS.get(reason, "stop"), index))
        return events
