"""DeepSeek: its cache counts, its thinking. https://api-docs.deepseek.com/api/create-chat-completion"""

import pytest

from guru.errors import InvalidParameter
from guru.types import Message, Usage
from models.providers.conformance import REQUESTS, ask, hear
from models.providers.openai_suite import EXCHANGES, OpenAISuite, usage, whole


class TestDeepSeek(OpenAISuite):
    kind = "deepseek"
    model = "deepseek-chat"
    base_path = ""
    chat_path = "/chat/completions"
    exchanges = {name: exchange for name, exchange in EXCHANGES.items() if name not in ("images", "json_schema")}

    async def test_what_came_from_the_cache_is_counted(self, server, chat):
        counts = usage(100, 20, prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36,
                       completion_tokens_details={"reasoning_tokens": 8})  # fmt: skip
        server.say(whole({"content": "42", "reasoning_content": "Hm."}, counts=counts))
        heard = await hear(chat, ask(Message("assistant", "a", reasoning_content="b"), Message("user", "c")))
        assert heard.completed.usage == Usage(100, 20, 64, 8)
        assert heard.completed.extra["usage"] == {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}
        assert heard.reasoning == "Hm."
        assert server.last.json["messages"][0]["reasoning_content"] == "b"

    @pytest.mark.parametrize(
        ("fields", "thinking"),
        [({"reasoning_effort": "high"}, "enabled"), ({"reasoning_effort": "none"}, "disabled"),
         ({"thinking": {"type": "enabled", "budget_tokens": 99}}, "enabled"),
         ({"thinking": {"type": "disabled"}}, "disabled")],
    )  # fmt: skip
    async def test_thinking_is_on_or_off(self, server, chat, fields, thinking):
        server.say(whole({"content": "42"}))
        await hear(chat, ask(**fields))
        assert server.last.json["thinking"] == {"type": thinking}
        assert "reasoning_effort" not in server.last.json

    async def test_a_schema_is_refused_and_json_is_not(self, server, chat):
        with pytest.raises(InvalidParameter) as caught:
            await hear(chat, REQUESTS["json_schema"]())
        assert caught.value.param == "response_format.type"
        assert server.requests == []
        server.say(whole({"content": "{}"}))
        await hear(chat, ask(response_format={"type": "json_object"}))
        assert server.last.json["response_format"] == {"type": "json_object"}
