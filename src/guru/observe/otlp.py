"""Sends traces to an OpenTelemetry collector: OTLP over HTTP with JSON.

Protocol: https://opentelemetry.io/docs/specs/otlp/#otlphttp. Attributes follow the semantic conventions for
generative AI; what has no place there keeps its `guru.` name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from guru.observe import names
from guru.observe.spans import Span, TraceRecord

log = logging.getLogger(__name__)

Send = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Posts a body to a URL with headers; the status of the answer. Raises when there was none."""

QUEUE: Final = 2048
BATCH: Final = 256
PAUSE: Final = 2.0
"""Seconds between batches."""
ATTEMPTS: Final = 5
RETRIED: Final = frozenset({429, 502, 503, 504})
SERVER, CLIENT, INTERNAL = 2, 3, 1
"""Kinds of spans."""
PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "stop": "gen_ai.request.stop_sequences",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
}


class Exporter:
    """Queues ended traces and sends them in batches. A collector that is away costs memory for `QUEUE` traces."""

    def __init__(
        self, endpoint: str, send: Send, *, headers: Mapping[str, str] | None = None, content: bool = False
    ) -> None:
        """`endpoint` as OTEL_EXPORTER_OTLP_ENDPOINT has it; `content`: whether prompts and answers are sent."""
        self.dropped = 0
        """Traces that were not sent, because the collector was away or did not want them."""
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._send = send
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._content = content
        self._queue: deque[TraceRecord] = deque()
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    def add(self, record: TraceRecord) -> None:
        """Take a trace that has ended. Never waits."""
        if len(self._queue) >= QUEUE:
            self._drop(1, "the queue is full")
            return
        self._queue.append(record)

    async def flush(self) -> None:
        """Send everything that waits."""
        async with self._sending:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                try:
                    body = await asyncio.to_thread(encode_traces, batch, content=self._content)
                    await self._deliver(body, len(batch))
                except asyncio.CancelledError:
                    self._queue.extendleft(reversed(batch))  # `aclose` sends it once more
                    raise
                except Exception as error:
                    self._drop(len(batch), f"they cannot be written ({type(error).__name__})")

    async def aclose(self) -> None:
        """Send the rest, once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE):
                await self.flush()
        if self._queue:
            self._drop(len(self._queue), "the server stops")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            await self.flush()

    async def _deliver(self, body: bytes, count: int) -> None:
        reason = ""
        for attempt in range(ATTEMPTS):
            try:
                status = await self._send(self._url, self._headers, body)
            except Exception as error:  # whatever the network does
                reason = str(error) or type(error).__name__
            else:
                if status < 300:
                    return
                reason = f"it answered {status}"
                if status not in RETRIED:
                    break
            await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
        self._drop(count, reason)

    def _drop(self, count: int, reason: str) -> None:
        if self.dropped == 0 or count > 1:
            log.error("%s traces were not sent to %s: %s. They are kept here.", count, self._url, reason)
        self.dropped += count


def encode_traces(records: list[TraceRecord], *, content: bool = False) -> bytes:
    """An `ExportTraceServiceRequest` as JSON: ids in hexadecimal, times in nanoseconds since 1970 as text."""
    spans = [span for record in records for span in encode_spans(record, content=content)]
    scope = {"scope": {"name": "guru"}, "spans": spans}
    resource = {"attributes": [attribute("service.name", "guru")]}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def encode_spans(record: TraceRecord, *, content: bool) -> Iterator[dict[str, Any]]:
    steps = msgspec.json.decode(record.spans, type=list[Span])
    for step in steps:
        attributes = dict(conventional(step.attributes, content=content))
        if step.parent_id is None:
            said = msgspec.json.decode(record.attributes)
            attributes |= about(record) | dict(conventional(said, content=content))
        yield {
            "traceId": digest(record.id, 16),
            "spanId": digest(f"{record.id}/{step.id}", 8),
            **({"parentSpanId": digest(f"{record.id}/{step.parent_id}", 8)} if step.parent_id else {}),
            "name": step.name,
            "kind": SERVER if step.parent_id is None else CLIENT if names.OPERATION in step.attributes else INTERNAL,
            "startTimeUnixNano": nanoseconds(record.started_at + step.start),
            "endTimeUnixNano": nanoseconds(record.started_at + step.end),
            "attributes": [attribute(name, value) for name, value in attributes.items() if value is not None],
            "status": status(step),
        }


def about(record: TraceRecord) -> dict[str, Any]:
    """What the root span says of the request."""
    return {
        "guru.trace_id": record.id,
        "guru.tenant": record.tenant,
        "guru.key": record.key,
        "guru.team": record.team,
        "enduser.id": record.user,
        "guru.tags": record.tags or None,
        "guru.cache": record.cache,
        names.COST: record.cost,
    }


def conventional(attributes: dict[str, Any], *, content: bool) -> Iterator[tuple[str, Any]]:
    """A span's attributes as the conventions name them, without what people wrote unless `content`."""
    for name, value in attributes.items():
        if name == names.REQUEST_MODEL and names.OPERATION in attributes:
            provider, _, model = str(value).partition("/")
            yield "gen_ai.provider.name", provider
            yield name, model or provider
        elif name == names.REQUEST_PARAMETERS:
            for parameter, setting in value.items():
                yield PARAMETERS.get(parameter, f"guru.request.{parameter}"), setting
        elif content or name not in names.CONTENT:
            yield name, msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def status(step: Span) -> dict[str, Any]:
    if step.status != "error":
        return {}
    return {"code": 2, "message": str(step.attributes.get(names.ERROR_MESSAGE, ""))}


def attribute(name: str, value: Any) -> dict[str, Any]:
    return {"key": name, "value": any_value(value)}


def any_value(value: Any) -> dict[str, Any]:
    """OTLP's `AnyValue`. 64-bit integers are text in its JSON."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list() if all(isinstance(item, str | bool | int | float) for item in value):
            return {"arrayValue": {"values": [any_value(item) for item in value]}}
        case _:
            return {"stringValue": msgspec.json.encode(value).decode()}


def digest(text: str, size: int) -> str:
    """Our ids are longer than theirs: `size` bytes that stand for one, in hexadecimal."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def nanoseconds(seconds: float) -> str:
    return str(int(seconds * 1e9))
