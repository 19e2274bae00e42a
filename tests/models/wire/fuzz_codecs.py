"""Every codec of `guru.models.wire`, in both directions, with documented samples, as targets of mutation.

A target takes one mutated input and returns how it ended: a word, or the name of an error of ours. Anything else that
is raised is a finding. The upstream codecs are driven by the providers themselves, over a client that replays; what
they make of an answer goes through every door's encoder.
"""

import asyncio
import importlib
import json
import pkgutil
import signal
from dataclasses import dataclass, field

import msgspec

import models.providers
from guru.config import ProviderSettings
from guru.errors import GuruError, StreamCut
from guru.models import providers
from guru.models.http.headers import Headers
from guru.models.providers.parameters import NAMES
from guru.models.providers.sagemaker import PayloadParser
from guru.models.wire import ollama_requests, openai_chat, openai_responses, openai_text
from guru.models.wire.answers import MOST
from guru.models.wire.anthropic_door_answer import MessageEncoder
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.models.wire.aws_event_stream import AwsEventStream
from guru.models.wire.bedrock_answer import ConverseParser
from guru.models.wire.ollama import LineParser
from guru.models.wire.ollama_answers import ChatEncoder as OllamaChat
from guru.models.wire.ollama_answers import GenerateEncoder as OllamaGenerate
from guru.models.wire.openai_encoder import ChatEncoder
from guru.models.wire.openai_responses_answer import ResponseWriter
from guru.models.wire.openai_text import TextEncoder
from guru.models.wire.sse import EventStreamParser
from guru.server.anthropic_api import AnthropicEncoder
from guru.server.bodies import decode_known
from guru.server.openai_api import OpenAIEncoder, decode_embedding_request
from guru.server.responses_api import ResponseEncoder
from guru.types import ChatRequest, Completed, Delta, Event, Message, Started, TextRequest
from models.providers.conformance import KEY, Conformance
from models.wire import fuzz_mutations as mutations
from models.wire.fuzz_samples import (
    EMBED,
    EMBED_BY,
    EMBEDDINGS,
    ESSENTIAL,
    EVENTS,
    GENERATE,
    MODELS,
    RESPONSES,
    TASKS,
    TEXT,
)
from models.wire.test_anthropic_request import CONVERSATION
from models.wire.test_aws_event_stream import pack
from models.wire.test_ollama import FULL as OLLAMA_CHAT
from models.wire.test_openai_chat import FULL as OPENAI_CHAT

SECONDS = 2.0
"""Of this process's own time that one input may take."""
DROPPABLE = [name for name in (*NAMES, "name", "input_audio", "file") if name != "messages"]

# --------------------------------------------------------------------------- one run


class TooSlow(BaseException):
    """An input took longer than `SECONDS`."""


def alarm(signum, frame):
    raise TooSlow


def limited(work):
    """What `work()` gives, within `SECONDS`. Raises `TooSlow`."""
    before = signal.signal(signal.SIGVTALRM, alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def finish(coroutine):
    """The value of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def collect(events):
    """All of an asynchronous generator that waits for nothing, and the error that ended it."""
    found = []
    try:
        while True:
            try:
                found.append(finish(anext(events)))
            except StopAsyncIteration:
                return found, None
            except GuruError as error:
                return found, error
    finally:
        finish(events.aclose())


# --------------------------------------------------------------------------- a client that replays


class Replayed:
    """An answer of `guru.models.http`."""

    def __init__(self, status, media_type, pieces, headers):
        self.status = status
        raw = {"content-type": media_type, **headers}
        self.headers = Headers([(name.encode(), value.encode("latin-1", "replace")) for name, value in raw.items()])
        self._pieces = pieces

    async def read(self, limit=0):
        return b"".join(self._pieces)

    async def iter(self):
        for piece in self._pieces:
            yield piece

    async def aclose(self):
        pass


class Replaying:
    """A client that always gives the same answer, and keeps what it was asked."""

    def __init__(self, status, media_type, pieces, headers):
        self._answer = (status, media_type, pieces, headers)
        self.body = None

    async def request(self, method, url, *, body=b"", **how):
        self.body = body
        return Replayed(*self._answer)


# --------------------------------------------------------------------------- codecs


@dataclass
class Codec:
    """`samples` are of whatever kind `make` mutates; `run` takes what `make` gives."""

    name: str
    family: str
    samples: list
    run: object
    make: object
    words: list = field(default_factory=list)

    def input(self, random):
        return self.make(self, random)


def make_body(codec, random):
    """Bytes of one JSON value."""
    value = random.choice(codec.samples)
    changed = value if random.random() < 0.02 else mutations.mutate_json(value, random, codec.words)
    data = mutations.write_json(changed, random)
    return mutations.mutate_bytes(data, random) if random.random() < 0.15 else data


def body_codec(name, family, samples, run):
    return Codec(name, family, samples, run, make_body, mutations.words_of(*samples))


# --------------------------------------------------------------------------- doors: requests


def door(name, samples, decode):
    """What a door reads must also be what it can be told again: the request is written as JSON."""

    def run(data):
        read = decode(data)
        msgspec.json.encode(read)
        return "read"

    return body_codec(f"door.{name}", "doors", samples, run)


def read_chat(data):
    request, options = openai_chat.decode_chat_request(data)
    msgspec.json.encode(openai_chat.encode_chat_request(request))
    return request, options


def read_text(data):
    requests, options = openai_text.decode_text_request(data)
    return [openai_text.encode_text_request(request) for request in requests], options


def door_codecs():
    from guru.server import audio_api, images_api, moderations_api, rerank_api

    plain = OPENAI_CHAT | {"messages": [{"role": "user", "content": "Hi"}]}
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    small = asked | {"stream": True, "stream_options": {"include_usage": True},
                     "guru": {"collection": "c", "k": 3, "mode": "hybrid", "filter": {"a": 1}}}  # fmt: skip
    speech = {"model": "m", "input": "Hi", "voice": "alloy", "response_format": "mp3", "speed": 1.0}
    image = {"model": "m", "prompt": "a", "n": 1, "size": "1x1", "quality": "hd", "response_format": "url", "user": "u"}
    ranked = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True}
    moderated = {"model": "m", "input": [{"type": "text", "text": "a"}]}
    return [
        door("chat", [OPENAI_CHAT, plain, small, asked], read_chat),
        door("text", [TEXT, TEXT | {"prompt": "a"}, TEXT | {"prompt": [[1, 2]]}], read_text),
        door("responses", [RESPONSES, RESPONSES | {"input": "Hi"}], openai_responses.decode_responses_request),
        door("messages", [CONVERSATION], decode_messages_request),
        door("ollama.chat", [OLLAMA_CHAT], ollama_requests.decode_chat_request),
        door("ollama.generate", [GENERATE], ollama_requests.decode_generate_request),
        door("ollama.embed", [EMBED], ollama_requests.decode_embed_request),
        door("embeddings", EMBEDDINGS, decode_embedding_request),
        door("moderations", [moderated], lambda data: decode_known(data, moderations_api.ModerationBody)),
        door("rerank", [ranked], lambda data: decode_known(data, rerank_api.RerankBody)),
        door("images", [image], lambda data: decode_known(data, images_api.ImageBody)),
        door("speech", [speech], lambda data: decode_known(data, audio_api.SpeechBody)),
    ]


# --------------------------------------------------------------------------- doors: answers


def encoders():
    """One of every door's."""
    chat = ChatRequest(model="m", messages=[Message("user", "Hi")])
    text = TextRequest(model="m", prompt="a")
    response = openai_responses.decode_responses_request(b'{"model": "m", "input": "Hi"}')
    return [
        OpenAIEncoder(ChatEncoder("chatcmpl_1", "p/m", 1, chat, include_usage=True, trace_id="tr_1")),
        OpenAIEncoder(TextEncoder("cmpl_1", "p/m", 1, [text], include_usage=True)),
        AnthropicEncoder(MessageEncoder("msg_1", "p/m", trace_id="tr_1"), "tr_1"),
        OllamaChat("m"),
        OllamaGenerate("m"),
        ResponseEncoder(ResponseWriter("resp_1", 1.0, response, lambda prefix: f"{prefix}_1", trace_id="tr_1")),
    ]


def show(events, failure=None):
    """Send events through every door, as a stream and whole. Returns the names of the errors that they were."""
    outcomes = set()
    for encoder, whole in zip(encoders(), encoders(), strict=True):
        try:
            for event in events:
                if isinstance(encoder, ResponseEncoder):
                    encoder.feed(event)
                check_stream(encoder.chunk(event))
            check_stream(encoder.end() if failure is None else encoder.failed(failure))
        except GuruError as error:
            outcomes.add(type(error).__name__)
            check_stream(encoder.failed(error))
        if failure is None:
            try:
                if isinstance(whole, ResponseEncoder):
                    for event in events:
                        whole.feed(event)
                json.loads(whole.collect(list(events)))
            except GuruError as error:
                outcomes.add(type(error).__name__)
    return outcomes


def check_stream(data):
    """What a door sends must be JSON in server-sent events, or in lines."""
    for line in data.split(b"\n"):
        if line.startswith((b"data: {", b"{")):
            json.loads(line.removeprefix(b"data: "))
        else:
            assert line in (b"", b"data: [DONE]") or line.startswith(b"event: "), line


def make_events(codec, random):
    """Events of every kind in any order; their texts and numbers are odd at times, but of their types."""
    events = [random.choice(EVENTS) for _ in range(random.choice((1, 3, 8, 20)))]
    changed = []
    for event in events:
        if type(event) is Delta and random.random() < 0.2:
            texts = [value for value in mutations.ODD if isinstance(value, str) and value != "\ud800"]
            extra = mutations.mutate_json(event.extra or {"annotations": []}, random, mutations.OURS)
            event = msgspec.structs.replace(
                event, index=random.choice((0, 0, 1, 5)), text=random.choice(texts), reasoning=random.choice(texts),
                extra=mutations.read_back(extra, random),
            )  # fmt: skip
        changed.append(event)
    return changed


def run_events(events):
    first = next((event for event in events if isinstance(event, Started)), Started("p/m"))
    show([first, *events], StreamCut("cut"))
    ends = [event for event in events if isinstance(event, Completed)] or [EVENTS[-1]]
    outcomes = show([first, *(event for event in events if not isinstance(event, Completed)), ends[-1]])
    return min(outcomes, default="shown")


# --------------------------------------------------------------------------- upstream: answers


@dataclass
class Answer:
    """A documented answer: its pieces can be taken apart."""

    kind: str
    """`body`, `sse`, `lines`, `converse` or `payload`."""
    reply: object
    pieces: list
    """(what frames it, JSON) of each."""


def read_answer(reply, provider):
    kind = {"text/event-stream": "sse", "application/x-ndjson": "lines"}.get(reply.media_type, "body")
    if "amazon.eventstream" in reply.media_type or (provider == "sagemaker" and reply.body[:1] == b"\0"):
        kind = "payload" if provider == "sagemaker" else "converse"
    if kind == "body":
        return Answer(kind, reply, [])
    pieces, data = [], reply.body
    if kind in ("converse", "payload"):
        messages = AwsEventStream().feed(data)
        if kind == "converse":
            return Answer(kind, reply, [(each.headers, json.loads(each.payload or b"{}")) for each in messages])
        faults = [each for each in messages if each.text(":message-type") == "exception"]
        if faults:
            return Answer("converse", reply, [(each.headers, each.payload) for each in messages])
        data = b"".join(each.payload for each in messages)
    if kind == "lines":
        return Answer(kind, reply, [(None, json.loads(line)) for line in data.splitlines() if line])
    parser = EventStreamParser()
    for sent in [*parser.feed(data), *parser.end()]:
        try:
            pieces.append((sent.event, json.loads(sent.data)))
        except ValueError:
            pieces.append((sent.event, sent.data))
    return Answer(kind, reply, pieces)


def write_answer(answer, pieces, random):
    """The bytes of a stream of pieces."""
    written = []
    for frame, value in pieces:
        data = value if isinstance(value, bytes) else mutations.write_json(value, random)
        match answer.kind:
            case "lines":
                written.append(data + b"\n")
            case "converse":
                written.append(pack(frame, data))
            case _:
                name = b"event: " + frame.encode() + b"\n" if frame else b""
                written.append(name + b"data: " + data + b"\n\n")
    whole = b"".join(written)
    if answer.kind == "payload":
        headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
        return b"".join(pack(headers, part) for part in mutations.split(whole, random))
    return whole


def make_answer(codec, random):
    """Status, media type, pieces of bytes, headers, whether it is a stream."""
    answer, streamed = random.choice(codec.samples)
    reply, data = answer.reply, answer.reply.body
    if answer.kind == "body":
        try:
            value = json.loads(data)
        except ValueError:
            data = mutations.mutate_bytes(data, random)
        else:
            data = mutations.write_json(mutations.mutate_json(value, random, codec.words), random)
    else:
        others = [piece for other, _ in codec.samples for piece in other.pieces if other.kind == answer.kind]
        pieces = list(answer.pieces)
        if random.random() < 0.4:
            pieces = mutations.mutate_list(pieces, random, others)
        for _ in range(random.choice((0, 1, 1, 2))):
            if pieces:
                place = random.randrange(len(pieces))
                frame, value = pieces[place]
                if not isinstance(value, bytes):
                    pieces[place] = frame, mutations.mutate_json(value, random, codec.words)
        data = write_answer(answer, pieces, random)
    if random.random() < 0.15:
        data = mutations.mutate_bytes(data, random)
    status = 200 if random.random() < 0.3 else reply.status
    return status, reply.media_type, mutations.split(data, random), dict(reply.headers), streamed


def suites():
    """The conformance suite of every kind of provider."""
    found = {}
    for module in pkgutil.iter_modules(models.providers.__path__):
        if module.name.startswith("test_"):
            loaded = importlib.import_module(f"models.providers.{module.name}")
            for value in vars(loaded).values():
                if isinstance(value, type) and issubclass(value, Conformance) and value.kind:
                    found.setdefault(value.kind, value)
    assert set(found) == set(providers.KINDS), set(providers.KINDS) ^ set(found)
    return found


def create(suite, http, **settings):
    """The provider of a suite, over a client that replays."""
    given = {"base_url": "http://127.0.0.1:1" + suite.base_path, "kind": suite.kind, **suite.settings, **settings}
    given.setdefault("api_key", KEY)
    if suite.kind in ("bedrock", "sagemaker"):
        given |= {"api_key": KEY, "region": "eu-west-3"}
    return providers.create("acme", ProviderSettings(**given), http)


def answer_codec(kind, suite):
    samples = []
    for exchange in suite.exchanges.values():
        samples += [(read_answer(exchange.whole, kind), False), (read_answer(exchange.stream, kind), True)]
    samples += [(read_answer(reply, kind), False) for reply, _ in suite.errors]
    samples += [(read_answer(reply, kind), True) for reply, _ in suite.stream_errors]
    values = [value for answer, _ in samples for _, value in answer.pieces if not isinstance(value, bytes)]
    for answer, _ in samples:
        if answer.kind == "body" and answer.reply.body[:1] in (b"{", b"["):
            values.append(json.loads(answer.reply.body))

    def run(given):
        status, media_type, pieces, headers, streamed = given
        model = create(suite, Replaying(status, media_type, pieces, headers)).chat_model(suite.model)
        request = ChatRequest(model="m", messages=[Message("user", "Hi")], stream=streamed)
        return heard(*collect(model.chat(request)))

    return Codec(f"answer.{kind}", "answers", samples, run, make_answer, mutations.words_of(*values))


def heard(events, error):
    """A stream ends in one `Completed` or in an error, its events are of their types, and every door can show them."""
    for event in events:
        assert msgspec.convert(msgspec.to_builtins(event), Event) is not None
        if isinstance(event, Completed):
            check_usage(event.usage)
    completed = [place for place, event in enumerate(events) if isinstance(event, Completed)]
    if error is None:
        assert completed == [len(events) - 1], "a stream without one Completed at its end"
    else:
        assert error.message
    show([Started("p/m"), *events], error)
    return "completed" if error is None else type(error).__name__


def check_usage(usage):
    """Counts are added up, billed and stored: they must be numbers that can be."""
    for name, value in msgspec.structs.asdict(usage).items():
        assert name == "estimated" or 0 <= value <= 4 * MOST, (name, value)


# --------------------------------------------------------------------------- upstream: requests


def request_codec(kind, suite):
    """What any door reads, asked of one provider."""
    doors = {
        "chat": (lambda data: [openai_chat.decode_chat_request(data)[0]], OPENAI_CHAT),
        "text": (lambda data: openai_text.decode_text_request(data)[0], TEXT),
        "responses": (lambda data: [openai_responses.decode_responses_request(data).chat], RESPONSES),
        "messages": (lambda data: [decode_messages_request(data)], CONVERSATION),
        "ollama.chat": (lambda data: [ollama_requests.decode_chat_request(data).request], OLLAMA_CHAT),
        "ollama.generate": (lambda data: [ollama_requests.decode_generate_request(data).request], GENERATE),
    }
    slim = {name: {key: value for key, value in sample.items() if key in ESSENTIAL} for name, (_, sample) in
            doors.items()}  # fmt: skip
    words = {name: mutations.words_of(sample) for name, (_, sample) in doors.items()}
    reply = suite.exchanges["text"]

    def make(codec, random):
        name = random.choice(list(doors))
        share = random.choice((0.0, 0.1, 0.5, 1.0))  # a request with every field is one that no provider takes
        sample = slim[name] | {key: value for key, value in doors[name][1].items() if random.random() < share}
        changed = mutations.mutate_json(sample, random, words[name])
        return name, mutations.write_json(changed, random), random.random() < 0.7

    def run(given):
        name, data, drop = given
        requests = doors[name][0](data)
        outcome = "nothing"
        for request in requests[:2]:
            answer = reply.stream if request.stream else reply.whole
            http = Replaying(answer.status, answer.media_type, [answer.body], dict(answer.headers))
            model = create(suite, http, drop_params=DROPPABLE if drop else []).chat_model(suite.model)
            try:
                ask = model.chat if isinstance(request, ChatRequest) else model.complete
                _, error = collect(ask(request))
            except GuruError as refused:
                error = refused
            if http.body is not None:
                json.loads(http.body)
            outcome = "asked" if http.body is not None else type(error).__name__
        return outcome

    return Codec(f"request.{kind}", "requests", [], run, make)


# --------------------------------------------------------------------------- parsers


def parser_codec(name, make_parser, samples):
    def make(codec, random):
        data = random.choice(samples)
        for _ in range(random.choice((0, 1, 1, 3))):
            data = mutations.mutate_bytes(data, random)
        return mutations.split(data, random)

    def run(pieces):
        parser = make_parser()
        count = sum(len(parser.feed(piece)) for piece in pieces)
        parser.end()
        return f"{min(count, 3)} events"

    return Codec(f"parser.{name}", "parsers", samples, run, make)


# --------------------------------------------------------------------------- tasks


def task_codecs():
    """Every task of every provider that has it."""
    codecs = []
    for kind, suite in suites().items():
        for task, of_provider, ask, request, samples in TASKS:
            names = MODELS.get(kind, ("m",)) if task == "embeddings" else ("m",)
            for name in names:
                try:
                    getattr(create(suite, Replaying(200, "application/json", [], {})), of_provider)(name)
                except GuruError:
                    continue
                given = EMBED_BY.get(kind, samples) if task == "embeddings" else samples
                label = f"task.{kind}.{task}" + (f".{name.split('-')[0]}" if len(names) > 1 else "")
                codecs.append(task_codec(label, suite, of_provider, name, ask, request, given))
    return codecs


def task_codec(label, suite, of_provider, name, ask, request, samples):
    def run(data):
        http = Replaying(200, "application/json", [data], {})
        model = getattr(create(suite, http), of_provider)(name)
        asked = getattr(model, ask)(request)
        found = asyncio.run(asked) if suite.kind == "bedrock" else finish(asked)  # Bedrock asks several at once
        shape = type(found)
        if hasattr(found, "chunks"):
            assert b"".join(collect(found.chunks)[0]) == data
        else:
            assert msgspec.convert(msgspec.to_builtins(found), shape) is not None
            msgspec.json.encode(found)
            check_usage(found.usage)
        if ask == "embeddings":
            assert len(found.vectors) == len(request.input)
        if ask == "rerank":
            assert all(0 <= each.index < len(request.documents) for each in found.results)
        return "answered"

    return body_codec(label, "tasks", samples, run)


# --------------------------------------------------------------------------- all


def codecs():
    """All targets, by name."""
    found = [*door_codecs(), Codec("encoders", "encoders", EVENTS, run_events, make_events)]
    known = suites()
    for kind, suite in known.items():
        found += [answer_codec(kind, suite), request_codec(kind, suite)]

    def streams(kind):
        return [exchange.stream.body for exchange in known[kind].exchanges.values()]

    found += [
        parser_codec("sse", EventStreamParser, streams("openai") + streams("anthropic")),
        parser_codec("lines", LineParser, streams("ollama")),
        parser_codec("aws", AwsParser, streams("bedrock")),
        parser_codec("converse", ConverseParser, streams("bedrock")),
        parser_codec("payload", lambda: PayloadParser("acme"), streams("sagemaker")),
    ]
    found += task_codecs()
    return {codec.name: codec for codec in found}


class AwsParser(AwsEventStream):
    """With an `end` as the others have it."""


def attempt(codec, given):
    """How one input ended. Raises what should not have been raised, and `TooSlow`."""
    try:
        return limited(lambda: codec.run(given))
    except GuruError as error:
        assert error.message
        return type(error).__name__
