"""xAI: reasoning counted beside the completion. https://docs.x.ai/docs/api-reference"""

from guru.errors import BadRequest, ModelNotFound, ProviderRefused
from guru.types import Usage
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, OpenAISuite, whole
from models.providers.replay import answer

INVALID = "Client specified an invalid argument"
KEY_400 = "Incorrect API key provided: ba***na. You can obtain an API key from https://console.x.ai."


class TestXAI(OpenAISuite):
    kind = "xai"
    model = "grok-4"
    errors = [
        *ERRORS,
        # A wrong key is 400 here, as if the caller had made a mistake.
        (answer({"code": INVALID, "error": KEY_400}, 400), ProviderRefused),
        (answer({"code": INVALID, "error": KEY_400.replace(" ", "%20")}, 400), ProviderRefused),
        (answer({"code": INVALID, "error": "Argument not supported on this model: stop"}, 400), BadRequest),
        (answer({"code": "Some requested entity was not found", "error": "The model grok-9 does not exist"}, 404),
         ModelNotFound),
    ]  # fmt: skip

    async def test_reasoning_is_a_part_of_the_completion(self, server, chat):
        counts = {
            "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "num_sources_used": 4,
            "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
        }  # fmt: skip
        server.say(whole({"content": "42", "reasoning_content": "Hm."}, counts=counts, citations=["https://x.ai"]))
        heard = await hear(chat, ask())
        assert heard.completed.usage == Usage(32, 103, 6, 94, searches=4)
        assert heard.completed.usage.total_tokens == 135
        assert heard.completed.extra["citations"] == ["https://x.ai"]
        assert heard.reasoning == "Hm."
