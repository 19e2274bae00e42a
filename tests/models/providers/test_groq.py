"""Groq: its usage stands apart in older streams. https://console.groq.com/docs/api-reference"""

from guru.types import Usage
from models.providers.conformance import ask, hear
from models.providers.openai_suite import OpenAISuite, chunk, usage, whole
from models.providers.replay import event_stream


class TestGroq(OpenAISuite):
    kind = "groq"
    model = "llama-3.3-70b-versatile"

    async def test_reasoning_and_usage(self, server, chat):
        last = chunk({}, "stop", x_groq={"id": "req_1", "usage": usage(18, 20, queue_time=0.03, prompt_time=0.001)})
        server.say(event_stream(chunk({"reasoning": "Hm."}), chunk({"content": "42"}), last))
        heard = await hear(chat, ask(stream=True))
        assert (heard.text, heard.reasoning, heard.completed.usage) == ("42", "Hm.", Usage(18, 20))
        assert heard.completed.extra["x_groq"]["id"] == "req_1"
        assert heard.completed.extra["usage"] == {"queue_time": 0.03, "prompt_time": 0.001}

    async def test_a_failed_call_of_a_tool_is_told(self, server, chat):
        server.say(whole({"content": "x"}, x_groq={"id": "req_1"}, usage_breakdown=None))
        heard = await hear(chat, ask(extra={"reasoning_format": "parsed"}))
        assert server.last.json["reasoning_format"] == "parsed"
        assert heard.completed.extra["x_groq"] == {"id": "req_1"}
