"""Bedrock's documented answers, through the suite that every provider passes; signatures as botocore computes them."""

import datetime
import json
import sys

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.config import ProviderSettings
from guru.errors import (
    BadRequest,
    ConfigurationError,
    ContextTooLong,
    GuruError,
    InvalidParameter,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models import providers
from guru.models.wire.bedrock_answer import AnswerDecoder, ConverseParser
from guru.models.wire.bedrock_request import encode_request
from guru.tasks import EmbeddingRequest
from guru.types import FilePart, FunctionCall, ImagePart, ImageUrl, Message, NativePart, TextPart, ToolCall, Usage
from models.providers.conformance import KEY, PIXEL, SCHEMA, WEATHER, Conformance, Exchange, ask, hear
from models.providers.replay import Reply, answer
from models.wire.test_aws_event_stream import encode_message

METRICS = {"metrics": {"latencyMs": 551}}
USAGE = {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}
MARK = {"type": "ephemeral", "ttl": "1h"}


def converse(*content, reason="end_turn", usage=USAGE, **more):
    message = {"role": "assistant", "content": list(content)}
    return answer({"output": {"message": message}, "stopReason": reason, "usage": usage, **METRICS, **more})


def event(kind, payload, **headers):
    headers = {"event_type": kind, "content_type": "application/json", "message_type": "event"} | headers
    return encode_message(json.dumps(payload, ensure_ascii=False).encode(), **headers)


def fault(kind, message):
    payload = json.dumps({"message": message}).encode()
    return encode_message(payload, exception_type=kind, content_type="application/json", message_type="exception")


def converse_stream(*blocks, reason="end_turn", usage=USAGE, more=b""):
    """Each block is its start, or None for those that begin with their first delta, and its deltas."""
    body = event("messageStart", {"role": "assistant", "p": "abcdefgh"})
    for index, (start, *deltas) in enumerate(blocks):
        if start is not None:
            body += event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for delta in deltas:
            body += event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        body += event("contentBlockStop", {"contentBlockIndex": index})
    body += event("messageStop", {"stopReason": reason}) + event("metadata", {"usage": usage, **METRICS}) + more
    return Reply(body, media_type="application/vnd.amazon.eventstream")


def said(*pieces, reason="end_turn", meaning="stop"):
    return Exchange(
        converse({"text": "".join(pieces)}, reason=reason),
        converse_stream((None, *({"text": piece} for piece in pieces)), reason=reason),
        text="".join(pieces), usage=Usage(30, 628), reason=meaning,
    )  # fmt: skip


def calling(*cities):
    starts = [{"toolUse": {"toolUseId": f"tooluse_{city}", "name": "get_weather"}} for city in cities]
    blocks = [
        (start, {"toolUse": {"input": '{"city":'}}, {"toolUse": {"input": f'"{city}"}}'}})
        for start, city in zip(starts, cities, strict=True)
    ]
    whole = [
        {"toolUse": start["toolUse"] | {"input": {"city": city}}} for start, city in zip(starts, cities, strict=True)
    ]
    return Exchange(
        converse(*whole, reason="tool_use"), converse_stream(*blocks, reason="tool_use"),
        calls=[("get_weather", {"city": city}) for city in cities], usage=Usage(30, 628), reason="tool_calls",
    )  # fmt: skip


def thinking():
    usage = USAGE | {
        "cacheReadInputTokens": 100, "cacheWriteInputTokens": 40,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 10}],
    }  # fmt: skip
    whole = ({"reasoningContent": {"reasoningText": {"text": "Hm, so.", "signature": "c2ln"}}}, {"text": "4"})
    blocks = (
        (None, {"reasoningContent": {"text": "Hm,"}}, {"reasoningContent": {"text": " so."}},
         {"reasoningContent": {"signature": "c2ln"}}),
        (None, {"text": "4"}),
    )  # fmt: skip
    return Exchange(
        converse(*whole, usage=usage), converse_stream(*blocks, usage=usage), text="4", reasoning="Hm, so.",
        usage=Usage(170, 628, cached_tokens=100, cache_write_tokens=40, cache_write_1h_tokens=30),
    )  # fmt: skip


def failing(status, kind, message="No.", member="message"):
    return answer({member: message}, status, **{"x-amzn-errortype": f"{kind}:http://internal.amazon.com/"})


@pytest.fixture(autouse=True)
def amazon(monkeypatch, tmp_path):
    """Credentials as the environment gives them, and none of this machine's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def check_signature(sent, url, service, region="eu-west-3", token="a-session"):
    """The signature must be the one that botocore computes for what arrived."""
    given = sent.headers["authorization"]
    assert f"/{region}/{service}/aws4_request" in given
    signed = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: sent.headers[name] for name in signed if name != "host"}
    request = AWSRequest(method=sent.method, url=url + sent.path, data=sent.body, headers=headers)
    request.context["timestamp"] = sent.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", KEY, token), service, region)
    request.headers["host"] = sent.headers["host"]
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert given.endswith(f"Signature={signature}")
    assert sent.headers["x-amz-security-token"] == token
    when = datetime.datetime.strptime(sent.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 600


def corrupt(message):
    """With one bit that turned over on the way."""
    return message[:-6] + bytes([message[-6] ^ 1]) + message[-5:]


class TestBedrock(Conformance):
    kind = "bedrock"
    model = "us.anthropic.claude-sonnet-4-6"
    settings = {"region": "eu-west-3"}
    exchanges = {
        "text": said("Hello", "! 🦊 Ça va?"),
        "tools": calling("Paris"),
        "parallel_tools": calling("Paris", "Rome"),
        "images": said("A single", " pixel."),
        "json_schema": said('{"answer"', ":42}"),
        "stop": said("one, two,", " ", reason="stop_sequence"),
        "long": said("one", reason="max_tokens", meaning="length"),
        "filtered": said("Sorry.", reason="guardrail_intervened", meaning="content_filter"),
        "thinking": thinking(),
    }
    errors = [
        (
            failing(400, "ValidationException", "The model returned the following errors: messages: required"),
            BadRequest,
        ),
        (failing(400, "ValidationException", "Input is too long for requested model."), ContextTooLong),
        (failing(403, "UnrecognizedClientException", "The security token is invalid."), ProviderRefused),
        (failing(403, "InvalidSignatureException", "Mismatch", member="Message"), ProviderRefused),
        (failing(403, "AccessDeniedException", "You don't have access to the model."), ProviderRefused),
        (failing(404, "ResourceNotFoundException", "Could not resolve the foundation model"), ModelNotFound),
        (failing(408, "ModelTimeoutException", "Model has timed out"), ModelTimeout),
        (failing(424, "ModelErrorException", "The model failed."), ModelUnavailable),
        (
            failing(429, "ThrottlingException", "Too many requests, please wait before trying again."),
            UpstreamRateLimited,
        ),
        (failing(500, "InternalServerException"), ModelUnavailable),
        (failing(503, "ServiceUnavailableException", "Bedrock is unable to process your request."), ModelUnavailable),
    ]
    stream_errors = [
        (
            Reply(event("messageStart", {"role": "assistant"}) + fault("throttlingException", "Slow.")),
            UpstreamRateLimited,
        ),
        (Reply(fault("validationException", "Input is too long for requested model.")), ContextTooLong),
        (Reply(fault("modelStreamErrorException", "Broken.")), ModelUnavailable),
        (Reply(fault("modelTimeoutException", "Late.")), ModelTimeout),
        (Reply(fault("serviceUnavailableException", "Down.")), ModelUnavailable),
        (Reply(encode_message(b"", message_type="error", error_code="x", error_message="Odd.")), ModelUnavailable),
        (
            Reply(encode_message(b"\xff", exception_type="throttlingException", message_type="exception")),
            UpstreamRateLimited,
        ),
        (
            Reply(encode_message(b"[]", exception_type="ThrottlingException", message_type="exception")),
            UpstreamRateLimited,
        ),
        (Reply(corrupt(fault("throttlingException", "Slow."))), StreamCut),
    ]

    @pytest.fixture(autouse=True)
    def _amazon(self, amazon):
        return amazon

    def check_credentials(self, sent):
        check_signature(sent, f"http://{sent.headers['host']}", "bedrock")

    def check_request(self, case, sent):
        operation = "converse-stream" if sent.path.endswith("-stream") else "converse"
        assert (sent.method, sent.path) == ("POST", f"/model/us.anthropic.claude-sonnet-4-6/{operation}")
        body = sent.json
        match case:
            case "text":
                assert body == {
                    "system": [{"text": "You are brief."}],
                    "messages": [{"role": "user", "content": [{"text": "Hello!"}]}],
                }
            case "tools":
                spec = body["toolConfig"]["tools"][0]["toolSpec"]
                assert spec["inputSchema"]["json"] == WEATHER.function.parameters
                assert "toolChoice" not in body["toolConfig"]
            case "parallel_tools":
                assert body["toolConfig"]["toolChoice"] == {"auto": {}}
            case "images":
                image = {"format": "png", "source": {"bytes": PIXEL}}
                assert body["messages"][0]["content"] == [{"text": "What is this?"}, {"image": image}]
            case "json_schema":
                form = body["outputConfig"]["textFormat"]
                assert (form["type"], form["structure"]["jsonSchema"]["name"]) == ("json_schema", "result")
                assert json.loads(form["structure"]["jsonSchema"]["schema"]) == SCHEMA
            case "stop":
                assert body["inferenceConfig"] == {"stopSequences": ["five"]}

    async def test_secrets_are_not_repeated(self, server, http):
        server.say(self.exchanges["text"].whole)
        provider = self.make(server, http)
        await hear(provider.chat_model(self.model), ask())
        assert KEY not in repr(provider)
        assert KEY not in json.dumps(server.last.headers)
        bearer = self.make(server, http, api_key=KEY)
        server.say(failing(403, "AccessDeniedException", f"The key {KEY} is wrong."))
        with pytest.raises(ProviderRefused) as caught:
            await hear(bearer.chat_model(self.model), ask())
        assert KEY not in str(caught.value)

    async def test_what_should_have_been_signed_is_shown_without_the_session(self, server, http):
        """As Amazon answers a clock that is wrong, or a proxy that changes headers."""
        canonical = f"The Canonical String should have been 'POST\nx-amz-security-token:a-session\n' by {KEY}."
        server.say(failing(403, "InvalidSignatureException", canonical))
        with pytest.raises(ProviderRefused, match="Canonical String") as caught:
            await hear(self.make(server, http).chat_model(self.model), ask())
        assert "a-session" not in caught.value.message
        assert KEY not in caught.value.message

    # ------------------------------------------------------------------- addresses and credentials

    async def test_an_arn_is_one_part_of_the_path_and_signed_so(self, server, http):
        arn = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"
        server.say(self.exchanges["text"].whole)
        await hear(self.make(server, http).chat_model(arn), ask())
        assert server.last.path == (
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-3%3A123456789012%3Ainference-profile%2F"
            "us.anthropic.claude-sonnet-4-6/converse"
        )
        self.check_credentials(server.last)

    async def test_a_key_of_bedrocks_own_is_a_bearer_token(self, server, http, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        server.say(self.exchanges["text"].whole)
        await hear(self.make(server, http, api_key=KEY).chat_model(self.model), ask())
        assert server.last.headers["authorization"] == f"Bearer {KEY}"

    async def test_a_profile_has_credentials_and_a_region(self, server, http, amazon, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        (amazon / "config").write_text("[profile work]\nregion = ap-south-1\n")
        (amazon / "credentials").write_text("[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\n")
        server.say(self.exchanges["text"].whole)
        await hear(self.make(server, http, profile="work", region=None).chat_model(self.model), ask())
        assert "Credential=AKIDWORK/" in server.last.headers["authorization"]
        assert "/ap-south-1/bedrock/" in server.last.headers["authorization"]
        with pytest.raises(ConfigurationError, match="nobody"):
            self.make(server, http, profile="nobody", region=None)

    async def test_what_is_missing_is_said(self, server, http, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(ConfigurationError, match="region"):
            self.make(server, http, region=None)
        with pytest.raises(ProviderRefused, match="credentials") as caught:
            await hear(self.make(server, http).chat_model(self.model), ask())
        assert "profile" in caught.value.hint
        assert server.requests == []

    def test_without_botocore_it_is_said_what_to_install(self, server, monkeypatch):
        monkeypatch.setitem(sys.modules, "botocore.session", None)
        with pytest.raises(ConfigurationError) as caught:
            self.make(server, None)
        assert "guru[bedrock]" in caught.value.hint
        assert self.make(server, None, api_key=KEY).region == "eu-west-3"

    def test_the_address_is_the_regions(self):
        provider = providers.create("bedrock", ProviderSettings(region="us-west-2"), None)
        assert provider.base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"

    async def test_the_models_are_listed(self, server, http):
        server.say(answer({"modelSummaries": [{"modelId": "amazon.nova-pro-v1:0", "modelName": "Nova"}]}))
        provider = self.make(server, http)
        assert await provider.list_models() == ["amazon.nova-pro-v1:0"]
        assert (server.last.method, server.last.path) == ("GET", "/foundation-models")
        server.say(answer([]))
        with pytest.raises(StreamCut):
            await provider.check()

    # ------------------------------------------------------------------- requests

    async def test_a_conversation_goes_back(self, server, chat):
        server.say(self.exchanges["text"].whole)
        thoughts = [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "ZA=="},
        ]  # fmt: skip
        call = ToolCall(id="call:7", function=FunctionCall("get_weather", '{"city": "Paris"}'), cache_control=MARK)
        await hear(
            chat,
            ask(
                Message("system", [TextPart("Be kind.", {"type": "ephemeral"})]),
                Message("user", [TextPart("Weather?"), NativePart("anthropic", {"type": "x"}, "in words")]),
                Message("assistant", thinking_blocks=thoughts, tool_calls=[call]),
                Message("tool", [TextPart("sun", MARK)], tool_call_id="call:7", is_error=True),
                Message("user", "So?"),
                tools=[WEATHER],
                reasoning_effort="high",
                top_k=3,
                betas=["b"],
            ),
        )
        body = server.last.json
        point = {"cachePoint": {"type": "default", "ttl": "1h"}}
        assert body["system"] == [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}]
        assert body["messages"] == [
            {"role": "user", "content": [{"text": "Weather?"}, {"text": "in words"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "ZA=="}},
                {"toolUse": {"toolUseId": "call_7", "name": "get_weather", "input": {"city": "Paris"}}}, point,
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "call_7", "content": [{"text": "sun"}], "status": "error"}}, point,
                {"text": "So?"},
            ]},
        ]  # fmt: skip
        assert body["additionalModelRequestFields"] == {
            "thinking": {"type": "adaptive"}, "anthropic_beta": ["b"], "top_k": 3,
        }  # fmt: skip
        assert body["outputConfig"] == {"effort": "high"}

    def test_extra_fields_go_to_converse_or_to_the_model(self):
        extra = {"guardrailConfig": {"guardrailIdentifier": "g"}, "brand_new": 1,
                 "additionalModelRequestFields": {"b": 2}}  # fmt: skip
        body = encode_request(ask(extra=extra, user="anna", metadata={"run": 7}), "amazon.nova-pro-v1:0")
        assert body["guardrailConfig"] == {"guardrailIdentifier": "g"}
        assert body["additionalModelRequestFields"] == {"brand_new": 1, "b": 2}
        assert body["requestMetadata"] == {"run": "7", "user": "anna"}
        nova = encode_request(ask(top_k=5, reasoning_effort="low"), "amazon.nova-pro-v1:0")
        assert nova["additionalModelRequestFields"] == {"reasoning_effort": "low", "inferenceConfig": {"topK": 5}}

    @pytest.mark.parametrize(
        ("file", "document"),
        [
            ({"filename": "my_report.v2.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
             {"format": "pdf", "name": "my report v2", "source": {"bytes": "JVBERg=="}}),
            ({"filename": "a.md", "file_data": "data:application/octet-stream;base64,SGk="},
             {"format": "md", "name": "a", "source": {"bytes": "SGk="}}),
            ({"file_url": "s3://bucket/a.pdf"},
             {"format": "pdf", "name": "document", "source": {"s3Location": {"uri": "s3://bucket/a.pdf"}}}),
        ],
    )  # fmt: skip
    def test_documents(self, file, document):
        body = encode_request(ask(Message("user", [FilePart(file)])), "m")
        assert body["messages"][0]["content"] == [{"document": document}]

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"messages": [Message("user", [ImagePart(ImageUrl("https://x.org/a.png"))])]},
             "messages[0].content[0].image_url.url"),
            ({"messages": [Message("user", [FilePart({"file_id": "f"})])]}, "messages[0].content[0].file"),
            ({"messages": [Message("user", [NativePart("anthropic", {})])]}, "messages[0].content[0]"),
            ({"messages": [Message("user", "Hi", name="anna")]}, "messages[0].name"),
            ({"messages": [Message("system", "Hi")]}, "messages"),
            ({"response_format": {"type": "json_object"}}, "response_format.type"),
            ({"messages": [Message("tool", "x", tool_call_id="1")], "tools": [WEATHER], "tool_choice": "none"},
             "tool_choice"),
        ],
    )  # fmt: skip
    async def test_what_bedrock_cannot_take_is_refused(self, server, chat, fields, param):
        with pytest.raises(InvalidParameter) as caught:
            await hear(chat, ask(*fields.pop("messages", ()), **fields))
        assert caught.value.param == param
        assert server.requests == []

    def test_a_choice_of_tools(self):
        def config(choice):
            return encode_request(ask(tools=[WEATHER], tool_choice=choice), "m").get("toolConfig")

        assert config("none") is None
        assert config("required")["toolChoice"] == {"any": {}}
        named = {"type": "function", "function": {"name": "get_weather"}}
        assert config(named)["toolChoice"] == {"tool": {"name": "get_weather"}}

    # ------------------------------------------------------------------- answers

    async def test_calls_without_parameters_and_hidden_thoughts(self, server, chat):
        start = {"toolUse": {"toolUseId": "t", "name": "now"}}
        redacted = (None, {"reasoningContent": {"redactedContent": "ZA=="}})
        server.say(converse_stream(redacted, (start,), reason="tool_use"))
        heard = await hear(chat, ask(stream=True))
        assert heard.calls == [("now", {})]
        assert heard.events[0].thinking_block == {"type": "redacted_thinking", "data": "ZA=="}
        server.say(converse({"toolUse": {"toolUseId": "t", "name": "now", "input": {}}}, reason="tool_use"))
        assert (await hear(chat, ask())).calls == [("now", {})]

    async def test_citations_traces_and_calls_of_amazons_own_are_kept(self, server, chat):
        citation = {"title": "T", "location": {"web": {"url": "https://a.b"}}}
        server.say(converse(
            {"citationsContent": {"content": [{"text": "So."}], "citations": [citation]}}, trace={"guardrail": {"x": 1}}
        ))  # fmt: skip
        heard = await hear(chat, ask())
        assert heard.text == "So."
        assert heard.extra["bedrock"] == {"citation": citation}
        assert heard.completed.extra["bedrock"]["trace"] == {"guardrail": {"x": 1}}
        start = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}}
        server.say(converse_stream((start, {"toolUse": {"input": "{}"}}), (None, {"citation": citation})))
        found = [event.extra["bedrock"] for event in (await hear(chat, ask(stream=True))).events[:2]]
        assert found == [{"toolUse": start["toolUse"] | {"input": {}}}, {"citation": citation}]

    # ------------------------------------------------------------------- embeddings

    async def test_titan_embeds_one_text_a_call(self, server, http):
        model = self.make(server, http).embedding_model("amazon.titan-embed-text-v2:0")
        server.say(answer({"embedding": [0.1, 0.2], "inputTextTokenCount": 3}))
        found = await model.embeddings(EmbeddingRequest(model="m", input=["a", "b"], dimensions=2))
        assert (found.vectors, found.usage.prompt_tokens) == ([[0.1, 0.2]] * 2, 6)
        assert sorted(sent.json["inputText"] for sent in server.requests) == ["a", "b"]
        assert server.last.json["dimensions"] == 2
        assert server.last.path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
        self.check_credentials(server.last)

    @pytest.mark.parametrize("wrapped", [False, True])
    async def test_cohere_embeds_many(self, server, http, wrapped):
        model = self.make(server, http).embedding_model("cohere.embed-v4:0")
        vectors = [[0.1], [0.2]]
        body = {"embeddings": {"float": vectors} if wrapped else vectors}
        server.say(answer(body, **{"x-amzn-bedrock-input-token-count": "9"}))
        found = await model.embeddings(EmbeddingRequest(model="m", input=["a", "b"], input_type="query"))
        assert (found.vectors, found.usage.prompt_tokens) == (vectors, 9)
        assert server.last.json == {"texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"]}

    async def test_embeddings_go_wrong_clearly(self, server, http):
        provider = self.make(server, http)
        model = provider.embedding_model("amazon.titan-embed-text-v2:0")
        for body in ({}, [], {"embedding": "no"}, {"embedding": ["x"]}):
            server.say(answer(body))
            with pytest.raises(StreamCut):
                await model.embeddings(EmbeddingRequest(model="m", input=["a"]))
        server.say(failing(429, "ThrottlingException"))
        with pytest.raises(UpstreamRateLimited):
            await model.embeddings(EmbeddingRequest(model="m", input=["a", "b", "c"]))
        for fields in ({"input": [[1, 2]]}, {"input": ["a"], "input_type": "query"}, {"input": ["a"], "user": "anna"}):
            with pytest.raises(InvalidParameter):
                await model.embeddings(EmbeddingRequest(model="m", **fields))
        with pytest.raises(InvalidParameter, match="acme"):
            provider.embedding_model("meta.llama3")

    async def test_what_embeddings_do_not_take_can_be_left_out(self, server, http):
        provider = self.make(server, http, drop_params=["input_type", "user"])
        server.say(answer({"embedding": [0.1], "inputTextTokenCount": 3}))
        model = provider.embedding_model("amazon.titan-embed-text-v2:0")
        await model.embeddings(EmbeddingRequest(model="m", input=["a"], input_type="query", user="anna"))
        assert server.last.json == {"inputText": "a"}

    def test_what_the_provider_has_not_is_said(self):
        provider = self.make(Nowhere, None)
        for maker in (provider.reranker, provider.moderator, provider.image_model, provider.speech_model):
            with pytest.raises(InvalidParameter, match="acme"):
                maker(self.model)
        assert provider.batches() is None


class Nowhere:
    url = "http://127.0.0.1:9"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["contentBlockIndex", "delta", "start", "toolUse", "text", "input", "stopReason", "usage",
                         "inputTokens", "reasoningContent", "output", "message", "content", "cacheDetails"]),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip
KINDS = ["contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata", "messageStart",
         "validationException", "somethingNew"]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(KINDS), JSON_VALUES | st.just({"stopReason": "end_turn"})), max_size=5))
@settings(max_examples=100, deadline=None)
def test_garbage_is_an_error_of_the_model_and_nothing_else(pieces):
    decoder = AnswerDecoder("acme", "acme/m")
    try:
        for kind, value in pieces:
            payload = msgspec.json.encode(value)
            message = encode_message(payload, event_type=kind, message_type="event")
            for sent in ConverseParser().feed(message):
                decoder.feed(sent.data)
            AnswerDecoder("acme", "acme/m").whole(payload)
        decoder.end()
    except GuruError as error:
        assert error.message


TEXTS = st.text(min_size=1, max_size=8).filter(lambda text: not text.isspace())


@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, max_size=2), st.none() | st.just(MARK))
@settings(max_examples=40, deadline=None)
def test_no_text_and_no_mark_is_lost(texts, stops, mark):
    parts = [TextPart(text, mark) for text in texts]
    body = encode_request(ask(Message("user", parts), stop=stops), "m")
    content = body["messages"][0]["content"]
    assert [block["text"] for block in content if "text" in block] == texts
    assert sum("cachePoint" in block for block in content) == (len(texts) if mark else 0)
    assert body.get("inferenceConfig", {}).get("stopSequences", []) == stops
