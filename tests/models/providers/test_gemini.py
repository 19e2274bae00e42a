"""Gemini: the answers of its reference, and what only it has."""

import msgspec
import pytest
from hypothesis import example, given
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
from guru.models.providers.errors import ContentFiltered
from guru.models.wire.anthropic_request import encode_messages
from guru.models.wire.claude import claude
from guru.models.wire.gemini_answer import AnswerDecoder
from guru.models.wire.gemini_request import encode_request
from guru.models.wire.gemini_thoughts import seal
from guru.tasks import EmbeddingRequest
from guru.types import (
    AudioPart,
    Delta,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    NativeTool,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCall,
    TopLogprob,
    Usage,
)
from models.providers.conformance import KEY, PIXEL, SCHEMA, WEATHER, Conformance, Exchange, ask, hear
from models.providers.replay import answer, event_stream

COUNTS = {
    "promptTokenCount": 11, "candidatesTokenCount": 20, "totalTokenCount": 38, "thoughtsTokenCount": 7,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
}  # fmt: skip
USAGE = Usage(11, 27, reasoning_tokens=7)
TAIL = {"modelVersion": "gemini-2.5-flash", "responseId": "mAitaLmkHPPlz7IPvtfUqQ4"}


def piece(*parts, reason=None, **more):
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    candidate |= ({"finishReason": reason} if reason else {}) | more
    return {"candidates": [candidate], "usageMetadata": COUNTS, **TAIL}


def whole(*parts, reason="STOP", **more):
    return answer(piece(*parts, reason=reason, **more))


def stream(*pieces):
    return event_stream(*pieces, done=False)


def said(*texts, native="STOP", reason="stop"):
    parts = [{"text": text} for text in texts]
    return Exchange(
        whole({"text": "".join(texts)}, reason=native),
        stream(*(piece(part) for part in parts[:-1]), piece(parts[-1], reason=native)),
        text="".join(texts), usage=USAGE, reason=reason,
    )  # fmt: skip


def calling(*cities):
    parts = [{"functionCall": {"name": "get_weather", "args": {"city": city}}} for city in cities]
    parts[0]["thoughtSignature"] = "c2ln"
    return Exchange(
        whole(*parts),
        stream(*(piece(part) for part in parts), piece({"text": ""}, reason="STOP")),
        calls=[("get_weather", {"city": city}) for city in cities], usage=USAGE, reason="tool_calls",
    )  # fmt: skip


EXCHANGES = {
    "text": said("The", " sky", " is blue.", " 🦊"),
    "tools": calling("Paris"),
    "parallel_tools": calling("Paris", "Rome"),
    "images": said("A single", " pixel."),
    "json_schema": said('{"answer"', ":42}"),
    "stop": said("one, two,", " three, four, "),
    "long": said("one,", " two", native="MAX_TOKENS", reason="length"),
    "unsafe": said("one,", " two", native="SAFETY", reason="content_filter"),
    "thinking": Exchange(
        whole({"text": "2 and 2.", "thought": True}, {"text": "4", "thoughtSignature": "c2ln"}),
        stream(
            piece({"text": "2 and", "thought": True}),
            piece({"text": " 2.", "thought": True}),
            piece({"text": "4"}),
            piece({"text": "", "thoughtSignature": "c2ln"}, reason="STOP"),
        ),
        text="4", reasoning="2 and 2.", usage=USAGE,
    ),
}  # fmt: skip


def error(code, message, status, *details):
    return answer({"error": {"code": code, "message": message, "status": status, "details": list(details)}}, code)


GOOGLE = "type.googleapis.com/google.rpc"
ERRORS = [
    (error(400, 'Invalid JSON payload received. Unknown name "x" at \'generation_config\': Cannot find field.',
           "INVALID_ARGUMENT", {"@type": f"{GOOGLE}.BadRequest", "fieldViolations": [{"field": "generation_config"}]}),
     BadRequest),
    (error(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
           "INVALID_ARGUMENT"), ContextTooLong),
    (error(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"), BadRequest),
    (error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT",
           {"@type": f"{GOOGLE}.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}), ProviderRefused),
    (error(403, "Permission denied on resource project x.", "PERMISSION_DENIED"), ProviderRefused),
    (error(404, "models/gemini-9 is not found for API version v1beta.", "NOT_FOUND"), ModelNotFound),
    (error(429, "You exceeded your current quota, please check your plan and billing details.", "RESOURCE_EXHAUSTED"),
     UpstreamRateLimited),
    (error(500, "An internal error has occurred.", "INTERNAL"), ModelUnavailable),
    (error(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"), ModelUnavailable),
    (error(504, "Deadline expired before operation could complete.", "DEADLINE_EXCEEDED"), ModelTimeout),
]  # fmt: skip
STREAM_ERRORS = [
    (stream(piece({"text": "Hel"}), {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}),
     ModelUnavailable),
    (stream({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": COUNTS}), ContentFiltered),
    (stream(piece({"text": ""}, reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: f(")),
     StreamCut),
    (stream({"usageMetadata": COUNTS}), StreamCut),
]  # fmt: skip


class TestGemini(Conformance):
    kind = "gemini"
    model = "gemini-2.5-flash"
    base_path = "/v1beta"
    exchanges = EXCHANGES
    errors = ERRORS
    stream_errors = STREAM_ERRORS

    def check_credentials(self, sent):
        assert sent.headers["x-goog-api-key"] == KEY
        assert "authorization" not in sent.headers

    def check_request(self, case, sent):
        path = f"{self.base_path}/models/gemini-2.5-flash:"
        assert sent.path in (f"{path}generateContent", f"{path}streamGenerateContent?alt=sse")
        body = sent.json
        match case:
            case "text":
                assert body == {
                    "systemInstruction": {"parts": [{"text": "You are brief."}]},
                    "contents": [{"role": "user", "parts": [{"text": "Hello!"}]}],
                }
            case "tools" | "parallel_tools":
                (declared,) = body["tools"][0]["functionDeclarations"]
                assert declared["name"] == "get_weather"
                assert declared["parametersJsonSchema"] == WEATHER.function.parameters
            case "images":
                image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
                assert body["contents"][0]["parts"] == [{"text": "What is this?"}, image]
            case "json_schema":
                config = body["generationConfig"]
                assert config == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
            case "stop":
                assert body["generationConfig"] == {"stopSequences": ["five"]}

    async def test_the_wait_in_the_error_is_kept(self, server, chat):
        retry = {"@type": f"{GOOGLE}.RetryInfo", "retryDelay": "34.07s"}
        server.say(error(429, "Quota exceeded.", "RESOURCE_EXHAUSTED", retry))
        with pytest.raises(UpstreamRateLimited) as caught:
            await hear(chat, ask())
        assert caught.value.retry_after == pytest.approx(34.07)

    async def test_a_blocked_prompt_is_the_callers_to_change(self, server, chat):
        server.say(answer({"promptFeedback": {"blockReason": "SAFETY"}}))
        with pytest.raises(ContentFiltered, match="SAFETY") as caught:
            await hear(chat, ask())
        assert caught.value.code == "content_filter"

    async def test_signatures_go_back_with_what_they_sign(self, server, http):
        chat = self.make(server, http).chat_model("gemini-3-pro")
        server.say(EXCHANGES["parallel_tools"].whole)
        heard = await hear(chat, ask(tools=[WEATHER]))
        blocks = [event.thinking_block for event in heard.events if isinstance(event, Delta) and event.thinking_block]
        calls = [
            ToolCall(id=heard.ids[number], function=FunctionCall(name, msgspec.json.encode(arguments).decode()))
            for number, (name, arguments) in enumerate(heard.calls)
        ]
        results = [
            Message("tool", text, tool_call_id=call.id) for text, call in zip(("sun", '{"t": 7}'), calls, strict=True)
        ]
        for kept, signature in ((blocks, "c2ln"), (None, "skip_thought_signature_validator")):
            called = Message("assistant", tool_calls=calls, thinking_blocks=kept)
            await hear(chat, ask(Message("user", "Weather?"), called, *results, tools=[WEATHER]))
            _, model, user = server.last.json["contents"]
            assert model["role"] == "model"
            assert [part.get("thoughtSignature") for part in model["parts"]] == [signature, None]
            assert [part["functionCall"]["id"] for part in model["parts"]] == [call.id for call in calls]
            assert [part["functionResponse"] for part in user["parts"]] == [
                {"id": calls[0].id, "name": "get_weather", "response": {"output": "sun"}},
                {"id": calls[1].id, "name": "get_weather", "response": {"t": 7}},
            ]

    async def test_signatures_come_back_in_messages_of_their_own(self, server, http):
        """Anthropic's clients make a turn of every block of thinking."""
        chat = self.make(server, http).chat_model("gemini-3-pro")
        server.say(whole({"text": "4"}))
        calls = [ToolCall(id=name, function=FunctionCall("f", "{}")) for name in ("a", "b")]
        await hear(chat, ask(
            Message("user", "Go"), Message("assistant", "I call.", tool_calls=[calls[0]]),
            Message("assistant", None, thinking_blocks=[seal("QQ==", "a"), seal("Qg==", "b")], tool_calls=[calls[1]]),
            Message("tool", "1", tool_call_id="a"), Message("tool", "2", tool_call_id="b"),
            Message("assistant", "Done."), Message("assistant", None, thinking_blocks=[seal("Qw==")]),
        ))  # fmt: skip
        _, first, results, last = server.last.json["contents"]
        assert [part.get("thoughtSignature") for part in first["parts"]] == [None, "QQ==", "Qg=="]
        assert len(results["parts"]) == 2
        assert last["parts"] == [{"text": "Done.", "thoughtSignature": "Qw=="}]

    async def test_other_providers_do_not_see_them(self):
        blocks = [seal("QQ=="), {"type": "redacted_thinking", "data": "QUJD"}]
        _, (turn,) = encode_messages([Message("assistant", "Hi", thinking_blocks=blocks)], claude("claude-sonnet-4-5"))
        assert [block["type"] for block in turn["content"]] == ["redacted_thinking", "text"]
        assert turn["content"][0]["data"] == "QUJD"

    async def test_older_models_need_no_signature(self, server, chat):
        server.say(whole({"text": "4"}))
        called = Message("assistant", tool_calls=[ToolCall(id="call_1", function=FunctionCall("f", ""))])
        failed = Message("tool", "It broke.", tool_call_id="call_1", is_error=True)
        await hear(chat, ask(Message("user", "Go"), called, failed))
        _, model, user = server.last.json["contents"]
        assert model["parts"] == [{"functionCall": {"id": "call_1", "name": "f", "args": {}}}]
        assert user["parts"][0]["functionResponse"]["response"] == {"error": "It broke."}

    async def test_the_signature_of_a_text_goes_back_with_it(self, server, chat):
        server.say(EXCHANGES["thinking"].whole)
        heard = await hear(chat, ask())
        blocks = [event.thinking_block for event in heard.events if isinstance(event, Delta) and event.thinking_block]
        await hear(chat, ask(Message("user", "2+2"), Message("assistant", "4", thinking_blocks=blocks)))
        assert server.last.json["contents"][1]["parts"] == [{"text": "4", "thoughtSignature": "c2ln"}]

    @pytest.mark.parametrize(
        ("model", "fields", "config"),
        [
            ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
            ("gemini-2.5-flash", {"reasoning_effort": "high"}, {"thinkingBudget": 24576, "includeThoughts": True}),
            ("gemini-3-pro", {"reasoning_effort": "low"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
            ("gemini-3-pro", {"reasoning_effort": "xhigh"}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
            ("gemini-3-pro", {"thinking": {"type": "enabled", "budget_tokens": 99}},
             {"thinkingBudget": 99, "includeThoughts": True}),
            ("gemini-2.5-pro", {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
            ("gemini-3-pro", {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        ],
    )  # fmt: skip
    async def test_thinking(self, server, http, model, fields, config):
        server.say(whole({"text": "4"}))
        await hear(self.make(server, http).chat_model(model), ask(**fields))
        assert server.last.json["generationConfig"]["thinkingConfig"] == config

    @pytest.mark.parametrize(
        ("choice", "config"),
        [("none", {"mode": "NONE"}), ("auto", {"mode": "AUTO"}), ("required", {"mode": "ANY"}),
         ({"type": "function", "function": {"name": "get_weather"}},
          {"mode": "ANY", "allowedFunctionNames": ["get_weather"]})],
    )  # fmt: skip
    async def test_the_choice_of_tools(self, server, chat, choice, config):
        server.say(whole({"text": "4"}))
        await hear(chat, ask(tools=[WEATHER], tool_choice=choice))
        assert server.last.json["toolConfig"] == {"functionCallingConfig": config}

    async def test_geminis_own_tools_and_fields(self, server, chat):
        server.say(whole({"text": "4"}))
        extra = {
            "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            "response_modalities": ["TEXT"], "cachedContent": "cachedContents/1",
            "generation_config": {"enableEnhancedCivicAnswers": True},
        }  # fmt: skip
        native = [NativeTool("gemini", {"googleSearch": {}})]
        await hear(chat, ask(extra=extra, native_tools=native, tools=[WEATHER], n=2, top_k=3))
        body = server.last.json
        assert body["tools"][1] == {"googleSearch": {}}
        assert body["safetySettings"] == extra["safety_settings"]
        assert body["cachedContent"] == "cachedContents/1"
        assert body["generationConfig"] == {
            "topK": 3, "candidateCount": 2, "enableEnhancedCivicAnswers": True, "responseModalities": ["TEXT"],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("format", "tool", "sent"),
        [("openai", {"type": "google_search"}, {"googleSearch": {}}),
         ("openai", {"type": "web_search_preview"}, {"googleSearch": {}}),
         ("anthropic", {"type": "web_search_20250305", "name": "web_search"}, {"googleSearch": {}}),
         ("anthropic", {"code_execution": {}}, {"code_execution": {}}),
         ("anthropic", {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, None),
         ("openai", {"type": "code_interpreter"}, None)],
    )  # fmt: skip
    async def test_tools_that_gemini_runs(self, server, chat, format, tool, sent):
        server.say(whole({"text": "4"}))
        request = ask(native_tools=[NativeTool(format, tool)])
        if sent is None:
            with pytest.raises(InvalidParameter, match="has no tool"):
                await hear(chat, request)
        else:
            await hear(chat, request)
            assert server.last.json["tools"] == [sent]

    async def test_media_of_all_kinds(self, server, chat):
        server.say(whole({"text": "4"}))
        parts = [
            ImagePart(ImageUrl("https://x.org/a.jpg", "low")),
            AudioPart({"data": "AA==", "format": "wav"}),
            FilePart({"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}),
            FilePart({"file_id": "files/abc"}),
            FilePart({"file_url": "gs://bucket/a.pdf"}),
        ]
        await hear(chat, ask(Message("user", parts)))
        assert server.last.json["contents"][0]["parts"] == [
            {"fileData": {"fileUri": "https://x.org/a.jpg", "mimeType": "image/jpeg"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
            {"fileData": {"fileUri": f"{server.url}/v1beta/files/abc"}},
            {"fileData": {"fileUri": "gs://bucket/a.pdf", "mimeType": "application/pdf"}},
        ]
        assert server.last.json["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}

    async def test_sources_pictures_and_code_are_kept(self, server, chat):
        picture = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        code = {"executableCode": {"language": "PYTHON", "code": "print(4)"}}
        grounding = {"webSearchQueries": ["a", "b"], "groundingChunks": [{"web": {"uri": "https://x.org"}}]}
        server.say(whole({"text": "4"}, picture, code, groundingMetadata=grounding, avgLogprobs=-0.1))
        heard = await hear(chat, ask())
        kept = [event.extra["gemini"] for event in heard.events if isinstance(event, Delta) and event.extra]
        assert kept == [
            {"parts": [picture]}, {"parts": [code]}, {"groundingMetadata": grounding, "avgLogprobs": -0.1},
        ]  # fmt: skip
        assert heard.completed.usage.searches == 1
        assert heard.completed.extra == {"gemini": TAIL}

    async def test_usage_says_what_was_cached_heard_and_fetched(self, server, chat):
        body = piece({"text": "4"}, reason="STOP")
        body["usageMetadata"] = {
            "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5,
            "thoughtsTokenCount": 3, "toolUsePromptTokenCount": 9,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 80}, {"modality": "AUDIO", "tokenCount": 20}],
        }  # fmt: skip
        server.say(answer(body))
        usage = (await hear(chat, ask())).completed.usage
        assert usage == Usage(109, 8, 60, 3, audio_prompt_tokens=20)

    async def test_usage_says_what_was_seen_and_drawn(self, server, chat):
        body = piece({"text": "Here."}, reason="STOP")
        body["usageMetadata"] = {
            "promptTokenCount": 270, "candidatesTokenCount": 1295,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}, {"modality": "IMAGE", "tokenCount": 258}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        }  # fmt: skip
        server.say(answer(body))
        usage = (await hear(chat, ask())).completed.usage
        assert usage == Usage(270, 1295, image_prompt_tokens=258, image_completion_tokens=1290)

    async def test_several_candidates_and_logprobs(self, server, chat):
        result = {
            "chosenCandidates": [{"token": "4", "logProbability": -0.1}],
            "topCandidates": [{"candidates": [{"token": "4", "logProbability": -0.1}]}],
        }
        first = {"content": {"parts": [{"text": "4"}]}, "index": 0, "finishReason": "STOP", "logprobsResult": result}
        second = {"content": {"parts": [{"text": "5"}]}, "index": 1, "finishReason": "MAX_TOKENS"}
        server.say(stream({"candidates": [first]}, {"candidates": [second]}))
        heard = await hear(chat, ask(n=2, logprobs=True, top_logprobs=1, stream=True))
        assert server.last.json["generationConfig"] == {"candidateCount": 2, "responseLogprobs": True, "logprobs": 1}
        assert heard.reasons == ["stop", "length"]
        assert heard.events[1].logprobs == [TokenLogprob("4", -0.1, [52], [TopLogprob("4", -0.1, [52])])]
        server.say(stream({"candidates": [first, second | {"finishReason": None}]}))
        with pytest.raises(StreamCut):
            await hear(chat, ask(n=2, stream=True))

    async def test_embeddings(self, server, http):
        model = self.make(server, http).embedding_model("gemini-embedding-001")
        server.say(answer({"embeddings": [{"values": [0.1, 0.2]}] * 100}), answer({"embeddings": [{"values": [0.3]}]}))
        request = EmbeddingRequest(model="m", input=["text"] * 101, dimensions=2, input_type="query")
        found = await model.embeddings(request)
        assert len(found.vectors) == 101
        assert found.vectors[100] == [0.3]
        assert found.usage.estimated
        assert found.usage.prompt_tokens > 0
        assert server.last.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
        assert server.last.json == {"requests": [{
            "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "text"}]},
            "outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY",
        }]}  # fmt: skip
        server.say(answer({"embeddings": []}))
        with pytest.raises(StreamCut):
            await model.embeddings(EmbeddingRequest(model="m", input=["a"]))
        with pytest.raises(InvalidParameter):
            await model.embeddings(EmbeddingRequest(model="m", input=[[1]]))

    async def test_the_models_are_listed_page_by_page(self, server, http):
        server.say(
            answer({"models": [{"name": "models/gemini-2.5-flash"}], "nextPageToken": "a&b"}),
            answer({"models": [{"name": "models/gemini-3-pro"}]}),
        )
        assert await self.make(server, http).list_models() == ["gemini-2.5-flash", "gemini-3-pro"]
        assert server.last.path == "/v1beta/models?pageSize=1000&pageToken=a%26b"

    def test_it_needs_a_key_or_an_authorization(self):
        with pytest.raises(ConfigurationError, match="api_key"):
            self.cls()("gemini", ProviderSettings(), None)
        headers = {"Authorization": "Bearer ya29"}
        vertex = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/google"
        provider = self.cls()("gemini", ProviderSettings(base_url=vertex, headers=headers), None)
        assert provider.url("gemini-2.5-pro", "generateContent") == f"{vertex}/models/gemini-2.5-pro:generateContent"


NAMES = st.sampled_from([
    "candidates", "content", "parts", "text", "functionCall", "name", "args", "finishReason", "index", "error", "code",
    "usageMetadata", "promptFeedback", "groundingMetadata", "logprobsResult", "thoughtsTokenCount", "details",
])  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=14,
)


@given(JSON_VALUES | st.binary(max_size=30))
@example({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"thoughtsTokenCount": "x"}})
def test_garbage_is_an_error_of_ours_or_an_answer(value):
    decoder = AnswerDecoder("acme", "acme/m")
    try:
        decoder.feed(value if isinstance(value, bytes) else msgspec.json.encode(value))
        decoder.end()
    except GuruError:
        pass


PARTS = st.one_of(
    st.text(min_size=1).map(TextPart),
    st.text(min_size=1).map(RefusalPart),
    st.just(ImagePart(ImageUrl(f"data:image/png;base64,{PIXEL}"))),
    st.just(AudioPart({"data": "AA==", "format": "mp3"})),
)


@given(st.lists(st.lists(PARTS, min_size=1), min_size=1))
def test_no_part_is_lost(messages):
    body = encode_request(ask(*(Message("user", parts) for parts in messages)), "gemini-3-pro")
    assert [len(content["parts"]) for content in body["contents"]] == [len(parts) for parts in messages]
