"""Fireworks. https://docs.fireworks.ai/api-reference"""

from models.providers.conformance import ask, hear
from models.providers.openai_suite import OpenAISuite, whole


class TestFireworks(OpenAISuite):
    kind = "fireworks"
    model = "accounts/fireworks/models/deepseek-v3"
    base_path = "/inference/v1"
    chat_path = "/inference/v1/chat/completions"
    asks_usage = False

    async def test_thinking_is_carried_as_it_is(self, server, chat):
        server.say(whole({"content": "Hi", "reasoning_content": "Hm."}))
        heard = await hear(chat, ask(thinking={"type": "enabled", "budget_tokens": 4000}, repeat_penalty=1.5))
        assert server.last.json["thinking"] == {"type": "enabled", "budget_tokens": 4000}
        assert server.last.json["repetition_penalty"] == 1.5
        assert "reasoning_effort" not in server.last.json
        assert heard.reasoning == "Hm."
