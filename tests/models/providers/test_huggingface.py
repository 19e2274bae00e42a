"""Hugging Face: the router, dedicated endpoints, and TGI. https://huggingface.co/docs/inference-providers"""

import dataclasses

import pytest

from guru.errors import ContextTooLong, ModelUnavailable, UpstreamRateLimited
from guru.models.providers import huggingface
from guru.tasks import EmbeddingRequest
from models.providers.conformance import SCHEMA, ask, hear
from models.providers.openai_suite import ERRORS, EXCHANGES, OpenAISuite, chunk, whole
from models.providers.replay import answer, event_stream


class TestHuggingFace(OpenAISuite):
    kind = "huggingface"
    model = "meta-llama/Llama-3.3-70B-Instruct:cerebras"

    async def test_the_router_embeds_by_the_tasks_own_address(self, server, http, monkeypatch):
        monkeypatch.setattr(huggingface, "ROUTER", server.url)
        server.say(answer([[0.1, 0.2], [0.3, 0.4]]))
        provider = self.make(server, http, base_url=None)
        found = await provider.embedding_model("org/m").embeddings(EmbeddingRequest(model="m", input=["a", "b"]))
        assert found.vectors == [[0.1, 0.2], [0.3, 0.4]]
        assert server.last.path == "/hf-inference/models/org/m/pipeline/feature-extraction"
        assert server.last.json == {"inputs": ["a", "b"]}


TGI_ERRORS = [
    (answer({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 "
             "`inputs` tokens and 20 `max_new_tokens`", "error_type": "validation"}, 422), ContextTooLong),
    (answer({"error": "Model is overloaded", "error_type": "overloaded"}, 429), UpstreamRateLimited),
    (answer({"error": "Request failed during generation", "error_type": "generation"}, 424), ModelUnavailable),
]  # fmt: skip


class TestTGI(OpenAISuite):
    kind = "tgi"
    model = "tgi"
    errors = ERRORS + TGI_ERRORS
    stream_errors = [
        (event_stream(chunk({"content": "a"}), {"error": {"message": "Input validation error: `inputs` must have less "
                      "than 4095 tokens. Please reduce your prompt", "http_status_code": 422}}, done=False),
         ContextTooLong),
        (event_stream({"error": "Request failed during generation", "error_type": "generation"}, done=False),
         ModelUnavailable),
    ]  # fmt: skip

    def check_body(self, case, body):
        if case == "json_schema":
            assert body["response_format"] == {"type": "json", "value": SCHEMA}
        else:
            super().check_body(case, body)

    async def test_any_object_is_a_grammar_too(self, server, chat):
        server.say(whole({"content": "{}"}))
        await hear(chat, ask(response_format={"type": "json_object"}))
        assert server.last.json["response_format"] == {"type": "json", "value": {"type": "object"}}

    @pytest.mark.parametrize("reason", ["eos_token", "stop_sequence"])
    async def test_its_words_for_the_end(self, server, chat, reason):
        server.say(dataclasses.replace(EXCHANGES["text"].whole, body=whole({"content": "x"}, reason).body))
        heard = await hear(chat, ask())
        assert (heard.reasons, heard.events[1].native) == (["stop"], reason)
