"""Traces in the form that OpenTelemetry collectors read, checked with the project's own message definitions."""

import asyncio
import base64
import json

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from guru.observe import names, otlp
from guru.observe.otlp import Exporter, encode_traces
from guru.observe.spans import Trace


def record(error=None):
    trace = Trace("tr_1", "local", "chat.completions")
    trace.tags = ("web",)
    try:
        with trace.span("chat.completions"), trace.span("chat openai/gpt-4o-mini") as span:
            span.attributes |= {
                names.OPERATION: "chat",
                names.REQUEST_MODEL: "openai/gpt-4o-mini",
                names.REQUEST_PARAMETERS: {"temperature": 0.5, "stop": ["."]},
                names.INPUT_MESSAGES: [{"role": "user", "content": "a secret"}],
                names.TOOL_ARGUMENTS: '{"text": "a secret"}',
                names.INPUT_TOKENS: 12,
                names.FINISH_REASONS: ["stop"],
            }
            if error:
                raise error
    except ValueError:
        pass
    return trace.record()


def parse(body):
    """OTLP's JSON says ids in hexadecimal, where protobuf's own mapping says base64."""
    tree = json.loads(body)
    for resource in tree["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.ParseDict(tree, ExportTraceServiceRequest())


def attributes(span):
    return {item.key: item.value for item in span.attributes}


def test_spans_follow_the_conventions():
    (resource,) = parse(encode_traces([record()])).resource_spans
    root, chat = resource.scope_spans[0].spans
    assert len(root.trace_id) == 16
    assert (chat.parent_span_id, root.parent_span_id) == (root.span_id, b"")
    assert (root.kind, chat.kind) == (root.SPAN_KIND_SERVER, chat.SPAN_KIND_CLIENT)
    found = attributes(chat)
    assert found["gen_ai.provider.name"].string_value == "openai"
    assert found["gen_ai.request.model"].string_value == "gpt-4o-mini"
    assert found["gen_ai.request.temperature"].double_value == 0.5
    assert found["gen_ai.usage.input_tokens"].int_value == 12
    assert [item.string_value for item in found["gen_ai.request.stop_sequences"].array_value.values] == ["."]
    assert root.start_time_unix_nano <= chat.start_time_unix_nano <= chat.end_time_unix_nano
    assert attributes(root)["guru.trace_id"].string_value == "tr_1"


def test_what_people_wrote_stays_here_unless_asked_for():
    assert b"a secret" not in encode_traces([record()])
    assert b"a secret" in encode_traces([record()], content=True)


def test_an_error_is_a_status():
    (resource,) = parse(encode_traces([record(ValueError("it broke"))])).resource_spans
    chat = resource.scope_spans[0].spans[1]
    assert (chat.status.code, chat.status.message) == (chat.status.STATUS_CODE_ERROR, "it broke")


class Collector:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []

    async def send(self, url, headers, body):
        self.bodies.append((url, dict(headers), body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(otlp.random, "uniform", lambda *_: 0)


async def test_a_collector_that_is_away_for_a_moment_gets_everything():
    collector = Collector(ConnectionError("away"), 503, 200)
    exporter = Exporter("http://collector:4318/", collector.send, headers={"x-key": "k"})
    for _ in range(3):
        exporter.add(record())
    await exporter.flush()
    assert len(collector.bodies) == 3
    url, headers, body = collector.bodies[-1]
    assert (url, headers["x-key"]) == ("http://collector:4318/v1/traces", "k")
    assert len(parse(body).resource_spans[0].scope_spans[0].spans) == 6
    assert exporter.dropped == 0


async def test_what_cannot_be_sent_is_counted(monkeypatch, caplog):
    monkeypatch.setattr(otlp, "QUEUE", 2)
    collector = Collector(400)
    exporter = Exporter("http://collector:4318", collector.send)
    for _ in range(3):
        exporter.add(record())
    await exporter.flush()
    assert exporter.dropped == 3
    assert "answered 400" in caplog.text


async def test_closing_sends_the_rest_and_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(otlp, "PAUSE", 0.05)
    collector = Collector()
    exporter = Exporter("http://collector:4318", collector.send)
    exporter.open()
    exporter.add(record())
    await exporter.aclose()
    assert len(collector.bodies) == 1

    async def hang(*_):
        await asyncio.sleep(60)

    exporter = Exporter("http://collector:4318", hang)
    exporter.add(record())
    await exporter.aclose()
    assert exporter.dropped == 1


async def test_what_was_on_its_way_when_the_server_stops_is_sent_once_more(monkeypatch):
    monkeypatch.setattr(otlp, "PAUSE", 0)
    bodies, sending = [], asyncio.Event()

    async def send(url, headers, body):
        bodies.append(body)
        if len(bodies) == 1:
            sending.set()
            await asyncio.sleep(600)
        return 200

    exporter = Exporter("http://collector:4318", send)
    exporter.add(record())
    exporter.open()
    await sending.wait()
    exporter.add(record())
    monkeypatch.setattr(otlp, "PAUSE", 600)
    await exporter.aclose()
    assert sum(len(parse(body).resource_spans[0].scope_spans[0].spans) for body in bodies[1:]) == 4
    assert exporter.dropped == 0


async def test_a_batch_that_cannot_be_written_is_counted_and_the_next_is_sent(monkeypatch, caplog):
    collector = Collector()
    exporter = Exporter("http://collector:4318", collector.send)
    broken = record()
    broken.spans = b"no JSON"
    exporter.add(broken)
    await exporter.flush()
    exporter.add(record())
    await exporter.flush()
    assert (exporter.dropped, len(collector.bodies)) == (1, 1)
    assert "traces were not sent" in caplog.text


def test_the_root_says_what_was_cut_from_the_prompt():
    trace = Trace("tr_2", "local", "chat.completions")
    trace.attributes[names.CONTEXT_CHANGE] = {"policy": "window", "dropped_messages": 6}
    with trace.span("chat.completions"):
        pass
    ((root,),) = ([*scope.spans] for resource in parse(encode_traces([trace.record()], content=False)).resource_spans
                  for scope in resource.scope_spans)  # fmt: skip
    said = {attribute.key: attribute.value.string_value for attribute in root.attributes}
    assert json.loads(said["guru.context"]) == {"policy": "window", "dropped_messages": 6}
