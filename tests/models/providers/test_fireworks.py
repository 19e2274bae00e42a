"""Fireworks. https://docs.fireworks.ai/api-reference"""

from guru.errors import ProviderRefused
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, OpenAISuite, error, whole


class TestFireworks(OpenAISuite):
    kind = "fireworks"
    model = "accounts/fireworks/models/deepseek-v3"
    base_path = "/inference/v1"
    chat_path = "/inference/v1/chat/completions"
    asks_usage = False
    errors = [
        *ERRORS,
        # https://docs.fireworks.ai/guides/inference-error-codes: 402 and 412 are about the account.
        (error(412, "Account acme is suspended, possibly due to reaching the monthly spending limit", "error"),
         ProviderRefused),
        (error(402, "Payment required", "error"), ProviderRefused),
    ]  # fmt: skip

    async def test_thinking_is_carried_as_it_is(self, server, chat):
        server.say(whole({"content": "Hi", "reasoning_content": "Hm."}))
        heard = await hear(chat, ask(thinking={"type": "enabled", "budget_tokens": 4000}, repeat_penalty=1.5))
        assert server.last.json["thinking"] == {"type": "enabled", "budget_tokens": 4000}
        assert server.last.json["repetition_penalty"] == 1.5
        assert "reasoning_effort" not in server.last.json
        assert heard.reasoning == "Hm."
