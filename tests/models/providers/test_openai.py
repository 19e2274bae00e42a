"""OpenAI: its own reference's answers, and what only it has."""

import pytest

from guru.errors import ModelError
from guru.types import Message, Usage
from models.providers.conformance import KEY, REQUESTS, ask, hear
from models.providers.openai_suite import HEAD, OpenAISuite, usage, whole
from models.providers.replay import Reply


class TestOpenAI(OpenAISuite):
    kind = "openai"
    model = "gpt-4o"
    settings = {"api_key": KEY, "organization": "org-1", "project": "proj_2"}

    def check_credentials(self, sent):
        super().check_credentials(sent)
        assert (sent.headers["openai-organization"], sent.headers["openai-project"]) == ("org-1", "proj_2")

    @pytest.mark.parametrize(
        ("model", "name"),
        [("gpt-4o", "max_tokens"), ("o3-mini", "max_completion_tokens"), ("gpt-5.1", "max_completion_tokens"),
         ("ft:o4-mini:acme::x", "max_completion_tokens"), ("gpt-4.1", "max_tokens")],
    )  # fmt: skip
    async def test_the_limit_has_the_name_that_the_model_knows(self, server, http, model, name):
        server.say(whole({"content": "Hi"}))
        await hear(self.make(server, http).chat_model(model), ask(max_tokens=77))
        assert {key: value for key, value in server.last.json.items() if key.startswith("max")} == {name: 77}

    @pytest.mark.parametrize(
        ("thinking", "effort"),
        [({"type": "enabled", "budget_tokens": 1024}, "low"), ({"type": "enabled", "budget_tokens": 8000}, "medium"),
         ({"type": "enabled", "budget_tokens": 32000}, "high"), ({"type": "disabled"}, None)],
    )  # fmt: skip
    async def test_a_budget_for_thinking_becomes_an_effort(self, server, chat, thinking, effort):
        server.say(whole({"content": "Hi"}))
        await hear(chat, ask(thinking=thinking))
        assert server.last.json.get("reasoning_effort") == effort
        assert "thinking" not in server.last.json

    async def test_usage_says_what_was_cached_reasoned_and_heard(self, server, chat):
        counts = usage(
            100, 50, prompt_tokens_details={"cached_tokens": 60, "audio_tokens": 7, "cache_write_tokens": 11},
            completion_tokens_details={"reasoning_tokens": 30, "audio_tokens": 5, "rejected_prediction_tokens": 3},
        )  # fmt: skip
        server.say(whole({"content": "Hi"}, counts=counts))
        completed = (await hear(chat, ask())).completed
        assert completed.usage == Usage(
            100, 50, 60, 30, cache_write_tokens=11, audio_prompt_tokens=7, audio_completion_tokens=5
        )
        assert completed.extra["usage"] == {"completion_tokens_details": {"rejected_prediction_tokens": 3}}

    async def test_what_the_answer_adds_is_kept(self, server, chat):
        note = {"type": "url_citation", "url_citation": {"url": "https://x.org", "start_index": 0, "end_index": 2}}
        server.say(whole({"content": "Hi", "annotations": [note]}, moderation={"input": {}}))
        heard = await hear(chat, REQUESTS["text"]())
        assert heard.extra == {"annotations": [note]}
        assert heard.completed.extra == {
            "service_tier": "default", "system_fingerprint": "fp_44709d6fcb", "moderation": {"input": {}},
            "upstream": {"id": HEAD["id"], "model": HEAD["model"]},
        }  # fmt: skip

    async def test_a_refusal_and_the_older_form_of_a_call_are_understood(self, server, chat):
        server.say(whole({"refusal": "I cannot help with that."}))
        heard = await hear(chat, ask())
        assert "".join(event.refusal for event in heard.events[:1]) == "I cannot help with that."
        server.say(whole({"function_call": {"name": "f", "arguments": '{"a": 1}'}}, "function_call"))
        heard = await hear(chat, ask(Message("user", "Call f.")))
        assert (heard.calls, heard.reasons) == ([("f", {"a": 1})], ["tool_calls"])

    async def test_the_models_are_listed(self, server, http):
        from models.providers.replay import answer

        server.say(answer({"object": "list", "data": [{"id": "gpt-4o", "object": "model"}, {"id": "o3"}]}))
        assert await self.make(server, http).list_models() == ["gpt-4o", "o3"]
        assert (server.last.method, server.last.path) == ("GET", "/v1/models")

    @pytest.mark.parametrize("listed", [b"<html>a proxy's page", b'{"models": []}', b'"gpt"'])
    async def test_a_list_of_models_that_is_none_is_an_error_with_a_hint(self, server, http, listed):
        server.say(Reply(listed))
        with pytest.raises(ModelError, match="lists its models") as raised:
            await self.make(server, http).list_models()
        assert "base_url" in raised.value.hint
