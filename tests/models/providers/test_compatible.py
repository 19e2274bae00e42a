"""Any address that speaks OpenAI's API; and what all who follow it have in common."""

import pytest

from guru.config import ProviderSettings
from guru.errors import ConfigurationError, InvalidParameter, StreamCut
from guru.models import providers
from guru.types import (
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    NativePart,
    NativeTool,
    TextPart,
    TextRequest,
    Tool,
    ToolCall,
    Usage,
)
from models.providers.conformance import KEY, WEATHER, ask, hear
from models.providers.openai_suite import HEAD, OpenAISuite, chunk, usage, usage_chunk, whole
from models.providers.replay import answer, event_stream


class TestCompatible(OpenAISuite):
    kind = "openai-compatible"
    model = "org/some-model"

    async def test_no_key_is_needed(self, server, http):
        server.say(whole({"content": "Hi"}))
        await hear(self.make(server, http, api_key=None, headers={"X-Team": "a"}).chat_model("m"), ask())
        assert "authorization" not in server.last.headers
        assert server.last.headers["x-team"] == "a"

    async def test_a_private_address_can_be_forbidden(self, server, http):
        with pytest.raises(ConfigurationError, match="private network"):
            await hear(self.make(server, http, allow_private=False).chat_model("m"), ask())
        assert server.requests == []

    async def test_pictures_of_a_tool_follow_in_a_message_of_the_user(self, server, chat):
        server.say(whole({"content": "Hi"}))
        call = ToolCall(id="c1", function=FunctionCall("look", "{}"), cache_control={"type": "ephemeral"})
        picture = ImagePart(ImageUrl("https://x.org/a.png"))
        await hear(chat, ask(
            Message("user", [TextPart("Look.", cache_control={"type": "ephemeral"})]),
            Message("assistant", tool_calls=[call], thinking_blocks=[{"type": "thinking"}]),
            Message("tool", [TextPart("It is red."), picture], tool_call_id="c1", is_error=False),
            Message("user", "And?"),
        ))  # fmt: skip
        assert server.last.json["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Look."}]},
            {"role": "assistant", "content": None,
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "It is red."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "The pictures of the result of tool call c1:"},
                {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
            ]},
            {"role": "user", "content": "And?"},
        ]  # fmt: skip

    async def test_what_chat_completions_cannot_say_is_refused(self, server, chat):
        for request, param in (
            (ask(native_tools=[NativeTool("anthropic", {"type": "web_search_20250305"})]), "tools"),
            (ask(Message("user", [FilePart({"file_url": "https://x.org/a.pdf"})])), "messages[0].content[0]"),
            (ask(Message("user", [NativePart("anthropic", {"type": "x"})])), "messages[0].content[0]"),
        ):
            with pytest.raises(InvalidParameter) as caught:
                await hear(chat, request)
            assert caught.value.param == param
        assert server.requests == []

    async def test_members_of_messages_that_guru_does_not_know_are_sent_on(self, server, chat):
        server.say(whole({"content": "Hi"}))
        message = Message("assistant", "So", reasoning_content="Hm.", extra={"prefix": True})
        tool = Tool(WEATHER.function, cache_control={"type": "ephemeral"})
        await hear(chat, ask(message, Message("user", [NativePart("anthropic", {}, "said")]), tools=[tool]))
        assert server.last.json["messages"] == [
            {"role": "assistant", "content": "So", "reasoning_content": "Hm.", "prefix": True},
            {"role": "user", "content": [{"type": "text", "text": "said"}]},
        ]
        assert "cache_control" not in server.last.json["tools"][0]

    async def test_usage_may_come_with_every_chunk_and_the_end_without_done(self, server, chat):
        chunks = [chunk({"content": text}, usage=usage(3, place)) for place, text in enumerate("abc", 1)]
        server.say(event_stream(*chunks, chunk({}, "stop"), done=False))
        heard = await hear(chat, ask(stream=True))
        assert (heard.text, heard.completed.usage) == ("abc", Usage(3, 3))

    async def test_a_stream_without_reason_or_without_usage_and_done_is_cut(self, server, chat):
        for stream in (
            event_stream(chunk({"content": "a"})),
            event_stream(chunk({"content": "a"}), chunk({}, "stop"), done=False),
            event_stream(usage_chunk()),
            event_stream(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "length"), done=False),
        ):
            server.say(stream)
            with pytest.raises(StreamCut):
                await hear(chat, ask(stream=True))

    async def test_an_answer_that_was_not_streamed_although_asked_for(self, server, chat):
        server.say(whole({"content": "All at once."}))
        assert (await hear(chat, ask(stream=True))).text == "All at once."

    async def test_a_provider_that_does_not_count_is_marked(self, server, chat):
        server.say(event_stream(chunk({"content": "a"}), chunk({}, "stop")))
        assert (await hear(chat, ask(stream=True))).completed.usage == Usage(estimated=True)

    async def test_what_a_stream_adds_is_kept(self, server, chat):
        call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}},
                "extra_content": {"google": {"thought_signature": "x"}}}  # fmt: skip
        choice = {"index": 0, "delta": {"tool_calls": [call], "reasoning": "Hm."}, "finish_reason": "tool_calls",
                  "stop_reason": 7}  # fmt: skip
        server.say(event_stream({**HEAD, "choices": [choice], "provider": "Acme", "usage": usage(1, 1, cost=0.25)}))
        heard = await hear(chat, ask(stream=True))
        assert (heard.calls, heard.reasoning) == ([("f", {"a": 1})], "Hm.")
        assert heard.extra == {
            "tool_calls": [{"index": 0, "extra_content": {"google": {"thought_signature": "x"}}}],
            "choice": {"stop_reason": 7},
        }
        assert heard.completed.extra["provider"] == "Acme"
        assert heard.completed.extra["usage"] == {"cost": 0.25}

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_a_prompt_is_continued(self, server, chat, streamed):
        """https://platform.openai.com/docs/api-reference/completions/create"""
        columns = {"tokens": [" is"], "token_logprobs": [-0.5], "top_logprobs": [{" is": -0.5}], "text_offset": [0]}
        choice = {"text": " is", "index": 0, "logprobs": columns, "finish_reason": "length"}
        reply = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice],
                 "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}  # fmt: skip
        server.say(event_stream(reply) if streamed else answer(reply))
        request = TextRequest(model="m", prompt="This", suffix="!", logprobs=True, top_logprobs=1, stream=streamed,
                              echo=True, max_tokens=7, extra={"best_of": 1})  # fmt: skip
        events = [event async for event in chat.complete(request)]
        assert (events[0].text, events[0].logprobs[0].logprob, events[1].reason) == (" is", -0.5, "length")
        assert events[2].usage == Usage(5, 7)
        sent = {"model": self.model, "prompt": "This", "suffix": "!", "logprobs": 1, "echo": True, "max_tokens": 7,
                "best_of": 1}  # fmt: skip
        more = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
        assert server.last.json == sent | more
        assert server.last.path == "/v1/completions"


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [("openai", {}, ["api_key", "OPENAI_API_KEY"]), ("house", {}, ["openai-compatible"]),
     ("opnai", {}, ["openai"]), ("house", {"kind": "vllm"}, ["base_url"]),
     ("azure", {"base_url": "https://x.openai.azure.com"}, ["api_key"])],
)  # fmt: skip
def test_a_table_that_lacks_something_is_told_what(name, fields, words):
    with pytest.raises(ConfigurationError) as caught:
        providers.create(name, ProviderSettings(**fields), None)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("kind", list(providers.KINDS))
def test_every_kind_can_be_made(kind):
    settings = ProviderSettings(kind=kind, base_url="https://x.org/v1", api_key=KEY, region="eu-west-1")
    provider = providers.create("acme", settings, None)
    assert provider.name == "acme"
    assert KEY not in repr(provider)
