"""Ollama as a provider: our requests to the bodies of `/api/chat` and `/api/generate`, its JSON lines to events.

Spec: https://github.com/ollama/ollama/blob/main/docs/api.md. What has no place in our events travels in `extra` under
`"ollama"`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, Final

import msgspec

from guru.errors import InvalidParameter, StreamCut
from guru.models.providers.errors import error_for
from guru.models.wire.answers import count, read_answer
from guru.models.wire.ollama_requests import LOADING, SAMPLING_OPTIONS
from guru.models.wire.shared import arguments, parse_data_url, refuse_name
from guru.models.wire.sse import SentEvent
from guru.types import (
    JSON,
    ChatRequest,
    Completed,
    Delta,
    Event,
    Finished,
    FinishReason,
    ImagePart,
    Message,
    NativePart,
    RefusalPart,
    Sampling,
    TextPart,
    TextRequest,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)

__all__ = ["AnswerDecoder", "LineParser", "encode_request", "encode_text_request", "with_options"]

OPTIONS: Final = LOADING | {
    "mirostat", "mirostat_eta", "mirostat_tau", "num_keep", "penalize_newline", "repeat_last_n", "tfs_z",
}  # fmt: skip
"""Fields of a request's `extra` that Ollama takes under `options`."""

LEVELS: Final[dict[str, bool | str]] = {"none": False, "minimal": "low", "xhigh": "max"}
"""`reasoning_effort` as `think`, where Ollama has no such word."""

DONE_REASONS: Final[dict[str, FinishReason]] = {"length": "length", "content_filter": "content_filter"}
SAID: Final = frozenset({
    "model", "created_at", "message", "response", "thinking", "tool_calls", "logprobs", "done", "done_reason",
    "prompt_eval_count", "eval_count",
})  # fmt: skip
"""Members of a line that our events have."""

MAX_LINE: Final = 32 << 20


# --------------------------------------------------------------------------- requests


def encode_request(request: ChatRequest, model: str, drop: Collection[str] = ()) -> JSON:
    """The body of `POST /api/chat`. `model` is Ollama's own name; `drop` names what may be left out.

    Raises `InvalidParameter` for what the API does not have.
    """
    body = _shared(request, model)
    body["messages"] = _messages(request.messages, drop)
    if request.tools and request.tool_choice != "none":
        if request.tool_choice not in (None, "auto") and "tool_choice" not in drop:
            message = "Ollama's models choose themselves whether to call a tool."
            raise InvalidParameter(message, param="tool_choice", hint="Leave it out, or use auto or none.")
        body["tools"] = [{"type": "function", "function": _function(tool.function)} for tool in request.tools]
    kind = (request.response_format or {}).get("type", "text")
    if kind == "json_object":
        body["format"] = "json"
    elif kind == "json_schema" and request.response_format is not None:
        body["format"] = request.response_format["json_schema"]["schema"]
    if request.reasoning_effort is not None:
        body["think"] = LEVELS.get(request.reasoning_effort, request.reasoning_effort)
    elif request.thinking is not None:
        body["think"] = request.thinking.get("type") != "disabled"
    return body


def encode_text_request(request: TextRequest, model: str) -> JSON:
    """The body of `POST /api/generate`. A text with a suffix needs the model's template, any other is sent as it is."""
    if not isinstance(request.prompt, str):
        hint = "Send the prompt as text."
        raise InvalidParameter("Ollama takes no prompt of tokens.", param="prompt", hint=hint)
    if request.echo:
        raise InvalidParameter("Ollama does not take `echo`.", param="echo", hint="Put the prompt before the answer.")
    body = _shared(request, model) | {"prompt": request.prompt}
    return body | ({"suffix": request.suffix} if request.suffix else {"raw": True})


def _shared(request: Sampling, model: str) -> JSON:
    body: JSON = {"model": model, "stream": request.stream}
    options = {name: getattr(request, field) for name, field in SAMPLING_OPTIONS.items()}
    options = {name: value for name, value in options.items() if value is not None}
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if request.seed is not None:
        options["seed"] = request.seed
    if request.stop:
        options["stop"] = request.stop
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs or 0}
    return body | with_options(request.extra, options)


def with_options(extra: JSON, options: JSON | None = None) -> JSON:
    """The fields of `extra` where Ollama wants them: its options under `options`, beside those given."""
    fields, options = dict(extra), dict(options or {})
    for name in OPTIONS & fields.keys():
        options[name] = fields.pop(name)
    if options:
        fields["options"] = options | (fields.get("options") or {})
    return fields


def _function(function: Any) -> JSON:
    """Ollama has no `strict`: it keeps to a tool's schema as well as its models do."""
    parameters = function.parameters or {"type": "object", "properties": {}}
    described = {"description": function.description} if function.description else {}
    return {"name": function.name, **described, "parameters": parameters}


def _messages(messages: list[Message], drop: Collection[str]) -> list[JSON]:
    names: dict[str, str] = {}
    encoded = []
    for place, message in enumerate(messages):
        path = f"messages[{place}]"
        refuse_name(message, path, "Ollama", drop)
        text, images = _content(message, path)
        raw: JSON = {"role": "system" if message.role == "developer" else message.role, "content": text}
        if images:
            raw["images"] = images
        if message.reasoning_content:
            raw["thinking"] = message.reasoning_content
        if message.tool_calls:
            raw["tool_calls"] = [
                {"id": call.id, "function": {"index": index, "name": call.function.name,
                                             "arguments": arguments(call, f"{path}.tool_calls[{index}]")}}
                for index, call in enumerate(message.tool_calls)
            ]  # fmt: skip
            names |= {call.id: call.function.name for call in message.tool_calls}
        if message.role == "tool":
            raw["tool_call_id"] = message.tool_call_id
            if name := message.name or names.get(message.tool_call_id or ""):
                raw["tool_name"] = name
        encoded.append(raw)
    return encoded


def _content(message: Message, path: str) -> tuple[str, list[str]]:
    """The text and the images, in base64."""
    if message.content is None or isinstance(message.content, str):
        return message.content or message.refusal or "", []
    texts, images = [], []
    for place, part in enumerate(message.content):
        match part:
            case TextPart(text=text) | RefusalPart(refusal=text):
                texts.append(text)
            case NativePart(text=str(text)):
                texts.append(text)
            case ImagePart():
                image = parse_data_url(part.image_url.url)
                if image is None:
                    param = f"{path}.content[{place}].image_url.url"
                    hint = "Send a data URL: data:image/png;base64,..."
                    raise InvalidParameter("Ollama does not fetch images.", param=param, hint=hint)
                images.append(image.data)
            case _:
                param = f"{path}.content[{place}]"
                message_ = f"`{param}`: Ollama does not take parts of the kind {part.__struct_config__.tag}."
                raise InvalidParameter(message_, param=param, hint="Send text or images.")
    return "\n".join(texts), images


# --------------------------------------------------------------------------- answers


class LineParser:
    """JSON lines in any split, with the face of `EventStreamParser`."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[SentEvent]:
        """The lines that are complete now. Raises `StreamCut` when one grows beyond all measure."""
        if b"\n" not in data:
            self._held.append(data)
            self._size += len(data)
            if self._size > MAX_LINE:
                message = f"The provider sent one line of more than {MAX_LINE >> 20} MiB."
                raise StreamCut(message, hint="Ask for less at once.")
            return []
        *lines, rest = b"".join((*self._held, data)).split(b"\n")
        self._held, self._size = [rest], len(rest)
        return [SentEvent(line) for line in lines if line.strip()]

    def end(self) -> list[SentEvent]:
        """The last line, where no line end followed."""
        rest, self._held = b"".join(self._held), []
        return [SentEvent(rest)] if rest.strip() else []


class AnswerDecoder:
    """The events of one answer, of chat and of generate."""

    def __init__(self, provider: str, model: str) -> None:
        """`provider` as the configuration calls it, `model` as `provider/model`."""
        self._done = False
        self._provider = provider
        self._model = model
        self._calls = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events of one line. Raises `StreamCut` for garbage, and the error that the line is."""
        return [] if self._done else read_answer(data, self._line, self._provider, "Ollama")

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that was not streamed: one line as well."""
        return self.feed(body) + self.end()

    def end(self) -> list[Event]:
        """After the last byte. Raises `StreamCut` when the answer has no end."""
        if not self._done:
            raise StreamCut(f"{self._provider}: the answer ended in the middle.", hint="Try again.")
        return []

    def _line(self, raw: JSON) -> list[Event]:
        if (error := raw.get("error")) is not None:
            raise error_for(self._provider, int(raw.get("status") or 500), str(error))
        message = raw.get("message", raw)
        text = message.get("content", raw.get("response")) or ""
        delta = Delta(
            text=text,
            reasoning=message.get("thinking") or "",
            tool_calls=[self._call(call) for call in message.get("tool_calls") or ()],
            logprobs=_logprobs(raw["logprobs"]) if raw.get("logprobs") else None,
        )
        done = raw["done"]
        extra = {name: value for name, value in raw.items() if name not in SAID and value is not None}
        if extra and not done:
            delta.extra = {"ollama": extra}
        said = text or delta.reasoning or delta.tool_calls or delta.logprobs or delta.extra
        events: list[Event] = [delta] if said else []
        return [*events, *self._last(raw, extra)] if done else events

    def _call(self, call: JSON) -> ToolCallDelta:
        function = call["function"]
        given = function.get("arguments") or {}
        if not isinstance(given, str):  # servers that only speak its API send text, as OpenAI does
            given = msgspec.json.encode(dict(given)).decode()
        index, self._calls = self._calls, self._calls + 1
        return ToolCallDelta(index, call.get("id") or f"call_{secrets.token_hex(12)}", str(function["name"]), given)

    def _last(self, raw: JSON, extra: JSON) -> list[Event]:
        self._done = True
        native = raw.get("done_reason")
        reason = DONE_REASONS.get(native or "", "tool_calls" if self._calls else "stop")
        usage = Usage(count(raw.get("prompt_eval_count")), count(raw.get("eval_count")))
        if "eval_count" not in raw:
            usage.estimated = True  # nothing was said
        timings = {}
        if usage.completion_tokens and raw.get("eval_duration"):
            timings["tokens_per_second"] = round(usage.completion_tokens / raw["eval_duration"] * 1e9, 2)
        members = {"ollama": extra} if extra else {}
        return [
            Finished(reason, native=native),
            Completed(model=self._model, usage=usage, timings=timings, extra=members),
        ]


def _logprobs(entries: list[JSON]) -> list[TokenLogprob]:
    return [
        TokenLogprob(
            entry["token"], float(entry["logprob"]), entry.get("bytes"),
            [TopLogprob(top["token"], float(top["logprob"]), top.get("bytes"))
             for top in entry.get("top_logprobs") or ()],
        )
        for entry in entries
    ]  # fmt: skip
