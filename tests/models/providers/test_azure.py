"""Azure OpenAI: its two sorts of addresses, its key, its content filter."""

import dataclasses

from guru.models.providers.errors import ContentFiltered
from guru.types import Usage
from models.providers.conformance import KEY, ask, hear
from models.providers.openai_suite import EXCHANGES, HEAD, OpenAISuite, chunk, error, usage_chunk, whole
from models.providers.replay import answer, event_stream

SAFE = {"hate": {"filtered": False, "severity": "safe"}}
PROMPT = {"prompt_index": 0, "content_filter_results": SAFE}
FIRST = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [PROMPT]}


def filtered():
    """A stream as Azure sends it: the prompt's filter first, without a choice, then each piece with its own."""
    pieces = [chunk({"content": text, "role": "assistant"}) for text in ("Hello", " there 🦊")]
    for piece in pieces:
        piece["choices"][0]["content_filter_results"] = SAFE
    return event_stream(FIRST, *pieces, chunk({}, "stop"), usage_chunk())


class TestAzure(OpenAISuite):
    kind = "azure"
    model = "my gpt"
    base_path = ""
    settings = {"api_key": KEY, "api_version": "2024-10-21"}
    chat_path = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    exchanges = EXCHANGES | {
        "text": dataclasses.replace(
            EXCHANGES["text"], whole=whole({"content": "Hello there 🦊"}), stream=filtered(), text="Hello there 🦊"
        )
    }

    def check_credentials(self, sent):
        assert sent.headers["api-key"] == KEY
        assert "authorization" not in sent.headers

    async def test_the_newer_address_needs_no_version(self, server, http):
        server.say(whole({"content": "Hi"}))
        for base in ("", "/openai", "/openai/v1", "/openai/v1/"):
            provider = self.make(server, http, api_version=None, base_url=server.url + base)
            await hear(provider.chat_model("gpt"), ask(max_tokens=5))
            assert server.last.path == "/openai/v1/chat/completions"
            assert server.last.json["max_completion_tokens"] == 5

    async def test_a_token_of_entra_id_is_taken(self, server, http):
        server.say(answer({"data": [{"id": "gpt-4o"}]}))
        provider = self.make(server, http, api_key=None, headers={"Authorization": "Bearer entra"})
        assert await provider.list_models() == ["gpt-4o"]
        assert server.last.headers["authorization"] == "Bearer entra"
        assert server.last.path == "/openai/models?api-version=2024-10-21"

    async def test_what_the_filter_found_is_kept(self, server, chat):
        server.say(filtered())
        heard = await hear(chat, ask(stream=True))
        assert heard.extra == {"choice": {"content_filter_results": SAFE}}
        assert heard.completed.extra["prompt_filter_results"] == [PROMPT]
        assert heard.completed.usage == Usage(19, 10)
        assert heard.completed.extra["upstream"]["id"] == HEAD["id"]

    async def test_a_filtered_prompt_is_the_callers_fault(self, server, chat):
        reply = error(400, "The response was filtered due to the prompt triggering the policy.", code="content_filter")
        server.say(reply)
        try:
            await hear(chat, ask())
        except ContentFiltered as caught:
            assert caught.code == "content_filter"
        else:
            raise AssertionError("nothing was raised")
