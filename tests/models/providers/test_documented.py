"""The followers' own answers and chunks, as each documents them: whatever differs from OpenAI's survives.

Groq: https://console.groq.com/docs/api-reference. OpenRouter: https://openrouter.ai/docs/api/reference/streaming.
DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion. xAI: https://docs.x.ai/docs/api-reference.
Perplexity: https://docs.perplexity.ai/api-reference. Mistral: https://docs.mistral.ai/api. Together: its published
OpenAPI document. Fireworks: https://docs.fireworks.ai/api-reference. vLLM: https://docs.vllm.ai.
TGI: https://huggingface.co/docs/text-generation-inference/messages_api.
"""

import dataclasses

import pytest

from guru.config import ProviderSettings
from guru.errors import BadRequest, GuruError, InvalidParameter, ModelError, ModelUnavailable, UpstreamRateLimited
from guru.models import providers
from guru.models.http import HttpClient
from guru.types import Usage
from models.providers.conformance import ask, hear
from models.providers.replay import answer, event_stream, replaying


@pytest.fixture
async def server():
    async with replaying() as server:
        yield server


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
def say(server, http):
    """Streams `chunks` (or answers with one whole object) as a provider of a kind, and gives what was heard."""

    async def heard(kind, *chunks, split=None, prefix=b"", done=True, **asked):
        provider = providers.create("acme", ProviderSettings(kind=kind, api_key="k", base_url=server.url), http)
        streamed = len(chunks) > 1 or "message" not in chunks[0]["choices"][0]
        reply = event_stream(*chunks, done=done) if streamed else answer(chunks[0])
        server.say(dataclasses.replace(reply, body=prefix + reply.body, split=split))
        return await hear(provider.chat_model("m"), ask(stream=streamed, **asked))

    return heard


def chunk(delta, reason=None, head=None, choice=None, **more):
    first = {"index": 0, "delta": delta, "finish_reason": reason, **(choice or {})}
    head = head or {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1726171421, "model": "m"}
    return {**head, "choices": [first], **more}


def logprobs(found):
    return [each for event in found.events for each in getattr(event, "logprobs", None) or ()]


def whole(message, counts, reason="stop", choice=None, **more):
    first = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason, **(choice or {})}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1726171421, "model": "m"}
    return {**head, "choices": [first], "usage": counts, **more}


# --------------------------------------------------------------------------- Groq

GROQ_USAGE = {
    "queue_time": 0.037493756, "prompt_tokens": 18, "prompt_time": 0.000680594, "completion_tokens": 556,
    "completion_time": 0.463333333, "total_tokens": 574, "total_time": 0.464013927,
}  # fmt: skip


async def test_groq(say):
    found = await say("groq", whole(
        {"content": "Fast", "reasoning": "Think."}, GROQ_USAGE, choice={"logprobs": None},
        system_fingerprint="fp_179b0f92c9", x_groq={"id": "req_01jbd6g2qdfw2adyrt2az8hz4w"}, usage_breakdown=None,
        service_tier="on_demand",
    ))  # fmt: skip
    assert (found.text, found.reasoning, found.completed.usage) == ("Fast", "Think.", Usage(18, 556))
    extra = found.completed.extra
    assert extra["x_groq"] == {"id": "req_01jbd6g2qdfw2adyrt2az8hz4w"}
    assert extra["usage"]["total_time"] == 0.464013927
    assert (extra["service_tier"], extra["system_fingerprint"]) == ("on_demand", "fp_179b0f92c9")


async def test_groq_s_stream_has_its_usage_apart_and_its_tools_run(say):
    tools = [{"index": 0, "type": "search", "arguments": '{"query":"x"}', "output": "y"}]
    found = await say(
        "groq", chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"}),
        chunk({"reasoning": "Hm.", "executed_tools": tools}), chunk({"content": "Fast"}),
        chunk({}, "stop", x_groq={"id": "req_1", "usage": GROQ_USAGE}),
    )  # fmt: skip
    assert (found.text, found.reasoning, found.completed.usage) == ("Fast", "Hm.", Usage(18, 556))
    assert found.extra["executed_tools"] == tools


async def test_groq_says_why_a_stream_stopped_early(say):
    """`x_groq.error`: "an error string indicating why a stream was stopped early"."""
    with pytest.raises(ModelError, match="over capacity"):
        await say("groq", chunk({"content": "Fa"}), chunk({}, "stop", x_groq={"id": "r", "error": "over capacity"}))


# --------------------------------------------------------------------------- OpenRouter


async def test_openrouter(say):
    counts = {
        "prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cost": 0.00014, "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
        "cost_details": {"upstream_inference_cost": None, "upstream_inference_prompt_cost": 0.00001},
        "completion_tokens_details": {"reasoning_tokens": 2, "image_tokens": 0},
    }  # fmt: skip
    detail = {"type": "reasoning.summary", "summary": "Hm.", "format": "openai-responses-v1", "index": 0}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    citation = {"type": "url_citation", "url_citation": {"url": "https://x.org", "title": "X"}}
    found = await say(
        "openrouter", chunk({"role": "assistant", "content": "", "reasoning": "Hm.", "reasoning_details": [detail]},
                            choice={"native_finish_reason": None, "logprobs": None}, provider="OpenAI"),
        chunk({"role": "assistant", "content": "42", "annotations": [citation]}, provider="OpenAI"),
        chunk({"role": "assistant", "content": "", "images": [picture]}, "stop",
              choice={"native_finish_reason": "completed"}, provider="OpenAI"),
        chunk({"role": "assistant", "content": ""}, None, provider="OpenAI", usage=counts),
        prefix=b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n", split=3,
    )  # fmt: skip
    assert (found.text, found.reasoning, found.reasons) == ("42", "Hm.", ["stop"])
    assert found.completed.usage == Usage(10, 4, reasoning_tokens=2)
    assert found.completed.extra["usage"]["cost"] == 0.00014
    assert found.completed.extra["provider"] == "OpenAI"
    assert found.extra["reasoning_details"] == [detail]
    assert (found.extra["images"], found.extra["annotations"]) == ([picture], [citation])
    assert found.extra["choice"]["native_finish_reason"] == "completed"


@pytest.mark.parametrize(
    ("code", "wanted"), [("server_error", ModelUnavailable), (502, ModelError), (429, UpstreamRateLimited)]
)
async def test_openrouter_fails_in_the_middle(say, code, wanted):
    failed = chunk(
        {"content": ""}, "error", choice={"native_finish_reason": None}, provider="openai",
        error={"code": code, "message": "Provider disconnected unexpectedly"},
    )  # fmt: skip
    with pytest.raises(wanted, match="disconnected"):
        await say("openrouter", chunk({"content": "4"}), failed, done=False)


# --------------------------------------------------------------------------- DeepSeek, xAI, Fireworks


async def test_deepseek(say):
    counts = {
        "prompt_tokens": 16, "completion_tokens": 10, "total_tokens": 26, "prompt_cache_hit_tokens": 6,
        "prompt_cache_miss_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    head = {"id": "1f633d8b", "object": "chat.completion.chunk", "created": 1718345013, "model": "deepseek-reasoner",
            "system_fingerprint": "fp_a49d71b8a1"}  # fmt: skip
    found = await say(
        "deepseek", chunk({"role": "assistant", "content": None, "reasoning_content": ""}, head=head),
        chunk({"content": None, "reasoning_content": "Hm 🦊"}, head=head),
        chunk({"content": "42", "reasoning_content": None}, head=head),
        chunk({"content": "", "reasoning_content": None}, "stop", head=head, usage=counts),
        prefix=b": keep-alive\n\n", split=1,
    )  # fmt: skip
    assert (found.text, found.reasoning) == ("42", "Hm 🦊")
    assert found.completed.usage == Usage(16, 10, 6, 4)
    assert found.completed.extra["system_fingerprint"] == "fp_a49d71b8a1"


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_deepseek_could_not_end_is_no_answer(say, streamed):
    """`insufficient_system_resource`: "the request is interrupted due to insufficient resource of the system"."""
    counts = {"prompt_tokens": 16, "completion_tokens": 1, "total_tokens": 17}
    reason = "insufficient_system_resource"
    with pytest.raises(ModelUnavailable, match="broke off"):
        if streamed:
            await say("deepseek", chunk({"content": "4"}), chunk({"content": ""}, reason, usage=counts))
        else:
            await say("deepseek", whole({"role": "assistant", "content": "4"}, counts, reason))


async def test_xai(say):
    counts = {
        "prompt_tokens": 41, "completion_tokens": 76, "total_tokens": 417, "num_sources_used": 2,
        "prompt_tokens_details": {"text_tokens": 41, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 300, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                      "rejected_prediction_tokens": 0},
    }  # fmt: skip
    last = {**chunk({}, None), "choices": [], "usage": counts, "citations": ["https://x.ai/news"]}
    found = await say("xai", chunk({"role": "assistant", "reasoning_content": "Thinking"}), chunk({"content": "42"}),
                      chunk({"content": ""}, "stop"), last)  # fmt: skip
    assert (found.text, found.reasoning) == ("42", "Thinking")
    assert found.completed.usage == Usage(41, 376, 8, 300, searches=2)
    assert found.completed.extra["citations"] == ["https://x.ai/news"]


async def test_fireworks(say):
    raw = {"prompt": "<user>", "prompt_token_ids": [1, 2], "completion": "42"}
    counts = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4,
              "prompt_tokens_details": {"cached_tokens": 2}}  # fmt: skip
    found = await say("fireworks", chunk({"role": "assistant"}), chunk({"reasoning_content": "Hm."}),
                      chunk({"content": "42"}, "stop", choice={"raw_output": raw, "token_ids": [42]},
                            usage=counts, perf_metrics={"prompt-tokens": "3"}))  # fmt: skip
    assert (found.text, found.reasoning, found.completed.usage) == ("42", "Hm.", Usage(3, 1, 2))
    assert found.extra["choice"] == {"raw_output": raw, "token_ids": [42]}
    assert found.completed.extra["perf_metrics"] == {"prompt-tokens": "3"}


# --------------------------------------------------------------------------- Perplexity, Mistral


async def test_perplexity(say):
    counts = {
        "prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20, "search_context_size": "low",
        "cost": {"input_tokens_cost": 0.0, "output_tokens_cost": 0.0, "request_cost": 0.005, "total_cost": 0.005},
    }  # fmt: skip
    results = [{"title": "X", "url": "https://x.org", "date": "2025-08-01", "last_updated": "2025-09-10",
                "snippet": "…", "source": "web"}]  # fmt: skip
    more = {"citations": ["https://x.org"], "search_results": results, "related_questions": ["Why?"],
            "images": [{"image_url": "https://x.org/a.png"}], "videos": [{"url": "https://x.org/v"}]}  # fmt: skip
    found = await say("perplexity", chunk({"role": "assistant", "content": "Pa"}, usage=counts, **more),
                      chunk({"role": "assistant", "content": "ris"}, "stop", usage=counts, type="end_of_stream",
                            **more), done=False)  # fmt: skip
    assert (found.text, found.completed.usage) == ("Paris", Usage(14, 6))
    assert {name: found.completed.extra[name] for name in more} == more
    assert found.completed.extra["usage"]["cost"]["total_cost"] == 0.005


async def test_mistral(say):
    counts = {"prompt_tokens": 16, "total_tokens": 50, "completion_tokens": 34, "prompt_audio_seconds": None}
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "Six 🦊"}], "closed": True}]
    said = [{"type": "text", "text": "42"}, {"type": "reference", "reference_ids": [1]}]
    call = {"id": "D681PevKs", "function": {"name": "f", "arguments": {"a": 1}}, "type": "function", "index": 0}
    found = await say("mistral", chunk({"role": "assistant", "content": ""}), chunk({"content": thought}),
                      chunk({"content": said}), chunk({"content": "", "tool_calls": [call]}, "tool_calls",
                                                      usage=counts, p="abcd"), split=2)  # fmt: skip
    assert (found.text, found.reasoning, found.reasons) == ("42", "Six 🦊", ["tool_calls"])
    assert found.calls == [("f", {"a": 1})]
    assert found.extra["content_parts"] == [{"type": "reference", "reference_ids": [1]}]
    assert found.completed.usage == Usage(16, 34)


@pytest.mark.parametrize("field", [{"top_k": 5}, {"repeat_penalty": 1.5}, {"logprobs": True}])
async def test_mistral_has_no_such_parameter(say, field):
    """Its schema does not name them, and it answers 422 to names that it does not know."""
    with pytest.raises(InvalidParameter):
        await say("mistral", whole({"content": "x"}, {"prompt_tokens": 1, "completion_tokens": 1}), **field)


# --------------------------------------------------------------------------- Together


async def test_together(say):
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cached_tokens": 0}
    columns = {"token_ids": [5, 6], "tokens": ["4", "2"], "token_logprobs": [-0.5, 0.0],
               "top_logprobs": [{"4": -0.5, "5": -1.5}, {"2": 0.0}]}  # fmt: skip
    found = await say("together", whole({"content": "42", "tool_calls": [], "reasoning": "Hm."}, counts, "eos",
                                        {"seed": 7, "logprobs": columns}, prompt=[]))  # fmt: skip
    assert [(each.token, each.logprob) for each in logprobs(found)] == [("4", -0.5), ("2", 0.0)]
    assert [(top.token, top.logprob) for top in logprobs(found)[0].top_logprobs] == [("4", -0.5), ("5", -1.5)]
    assert found.extra["choice"] == {"seed": 7, "logprobs": {"token_ids": [5, 6]}}
    assert found.reasoning == "Hm."


async def test_together_streams_its_log_probabilities_as_numbers(say):
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    found = await say(
        "together", chunk({"role": "assistant", "content": "4", "token_id": 5}, choice={"logprobs": -0.5, "text": "4"}),
        chunk({"role": "assistant", "content": "2", "token_id": 6},
              choice={"logprobs": 0, "top_logprobs": {"2": 0.0, "3": -9.5}}),
        chunk({"role": "assistant", "content": "", "token_id": 7}, "eos", choice={"logprobs": None}, usage=counts),
    )  # fmt: skip
    assert (found.text, found.completed.usage) == ("42", Usage(5, 2))
    assert [(each.token, each.logprob) for each in logprobs(found)] == [("4", -0.5), ("2", 0.0)]
    assert [top.token for top in logprobs(found)[1].top_logprobs] == ["2", "3"]


# --------------------------------------------------------------------------- vLLM, TGI


async def test_vllm(say):
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": None}
    found = await say("vllm", whole(
        {"content": "42", "reasoning_content": "Hm.", "refusal": None, "annotations": None, "audio": None,
         "function_call": None, "tool_calls": []}, counts, "stop", {"stop_reason": "END", "token_ids": None},
        service_tier=None, prompt_logprobs=None, kv_transfer_params={"a": 1},
    ))  # fmt: skip
    assert (found.text, found.reasoning, found.completed.usage) == ("42", "Hm.", Usage(5, 2))
    assert found.extra["choice"] == {"stop_reason": "END"}
    assert [event.stop_sequence for event in found.events if hasattr(event, "stop_sequence")] == ["END"]
    assert found.completed.extra["kv_transfer_params"] == {"a": 1}


@pytest.mark.parametrize(
    ("failed", "wanted"),
    [
        ({"error": {"message": "The engine died.", "type": "InternalServerError", "code": 500}}, ModelError),
        ({"object": "error", "message": "The engine died.", "type": "BadRequestError", "code": 400}, BadRequest),
        ({"error": "The engine died.", "error_type": "generation"}, ModelUnavailable),
        ({"error": {"message": "The engine died.", "http_status_code": 422}}, BadRequest),
    ],
)
@pytest.mark.parametrize("kind", ["vllm", "tgi"])
async def test_an_engine_fails_in_the_middle(say, kind, failed, wanted):
    with pytest.raises(wanted, match="The engine died"):
        await say(kind, chunk({"content": "4"}), failed, done=False)


# --------------------------------------------------------------------------- and what nobody documents


def call(id, name, arguments, **more):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


@pytest.mark.parametrize("kind", ["openai-compatible", "openrouter", "vllm"])
async def test_two_calls_under_one_index_stay_two(say, kind):
    """Some number every call of a stream 0, or give no number: another id with a name begins another call."""
    for more in ({"index": 0}, {}):
        found = await say(
            kind, chunk({"tool_calls": [call("a", "one", "{}", **more)]}),
            chunk({"tool_calls": [call("b", "two", '{"x":', **more)]}),
            chunk({"tool_calls": [{"function": {"arguments": "1}"}, **more}]}),
            chunk({}, "tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 1}),
        )  # fmt: skip
        assert found.calls == [("one", {}), ("two", {"x": 1})]


async def test_a_name_that_is_repeated_is_one_call(say):
    found = await say(
        "openai-compatible", chunk({"tool_calls": [call("a", "one", '{"x":', index=0)]}),
        chunk({"tool_calls": [call("a", "one", "1}", index=0)]}),
        chunk({}, "tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 1}),
    )  # fmt: skip
    assert found.calls == [("one", {"x": 1})]


async def test_gaps_between_calls_and_empty_arguments(say):
    found = await say(
        "openai-compatible", chunk({"tool_calls": [call("a", "one", "", index=0), call("b", "two", None, index=7)]}),
        chunk({"tool_calls": None, "content": None}),
        chunk({}, "tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 1}),
    )  # fmt: skip
    assert (found.calls, list(found.ids)) == ([("one", {}), ("two", {})], [0, 7])


async def test_an_answer_ends_once(say):
    found = await say(
        "openai-compatible", chunk({"content": "42"}), chunk({}, "stop"), chunk({}, "length"),
        {"id": "x", "choices": None, "usage": {"prompt_tokens": 10**40, "completion_tokens": 1}},
    )  # fmt: skip
    assert (found.text, found.reasons) == ("42", ["stop"])
    assert found.completed.usage.prompt_tokens == 0


@pytest.mark.parametrize("odd", [{"choices": 5}, {"choices": [None]}, {"choices": [{"delta": 5}]}, {"choices": {}}])
async def test_garbage_among_chunks_is_an_error(say, odd):
    try:
        found = await say("openai-compatible", chunk({"content": "42"}), odd, chunk({}, "stop"))
    except GuruError:
        return
    assert found.text == "42"
