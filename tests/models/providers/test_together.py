"""Together. https://docs.together.ai/reference"""

import pytest

from guru.errors import InvalidParameter
from guru.tasks import ImageRequest
from models.providers.conformance import ask, hear
from models.providers.openai_suite import OpenAISuite, whole
from models.providers.replay import answer


class TestTogether(OpenAISuite):
    kind = "together"
    model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    asks_usage = False

    async def test_log_probabilities_are_asked_for_by_number_and_come_in_columns(self, server, chat):
        reply = whole({"content": "Hi"}, "eos").body.replace(
            b'"logprobs": null', b'"logprobs": {"tokens": ["Hi"], "token_logprobs": [-0.25], "token_ids": [7]}'
        )
        server.say(type(whole({}))(reply))
        heard = await hear(chat, ask(logprobs=True, top_logprobs=3))
        assert server.last.json["logprobs"] == 3
        assert "top_logprobs" not in server.last.json
        assert heard.events[0].logprobs[0].logprob == -0.25
        assert (heard.reasons, heard.events[1].native) == (["stop"], "eos")

    async def test_a_size_of_a_picture_is_two_numbers(self, server, http):
        server.say(answer({"id": "1", "model": "m", "object": "list", "data": [{"index": 0, "b64_json": "AA=="}]}))
        model = self.make(server, http).image_model("black-forest-labs/FLUX.1-schnell")
        request = ImageRequest(model="m", prompt="A fox", n=2, size="1024x768", response_format="b64_json")
        images = await model.generate(request)
        assert server.last.json == {
            "model": "black-forest-labs/FLUX.1-schnell", "prompt": "A fox", "n": 2, "width": 1024, "height": 768,
            "response_format": "base64",
        }  # fmt: skip
        assert images.data == [{"index": 0, "b64_json": "AA=="}]
        for field in ({"size": "big"}, {"quality": "hd"}):
            with pytest.raises(InvalidParameter):
                await model.generate(ImageRequest(model="m", prompt="A fox", **field))
