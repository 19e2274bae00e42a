"""Perplexity: its citations and its search results are kept. https://docs.perplexity.ai/api-reference"""

from guru.errors import ModelNotFound, ProviderRefused
from guru.types import Usage
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, EXCHANGES, HEAD, OpenAISuite, usage_chunk, whole
from models.providers.replay import Reply, answer, event_stream

RESULTS = [{"title": "Paris", "url": "https://en.wikipedia.org/wiki/Paris", "date": "2025-01-01"}]
CITATIONS = ["https://en.wikipedia.org/wiki/Paris"]
COUNTS = {
    "prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196, "citation_tokens": 20016,
    "num_search_queries": 28, "reasoning_tokens": 193305, "search_context_size": "low",
    "cost": {"input_tokens_cost": 0.001, "output_tokens_cost": 0.002, "request_cost": 0.006, "total_cost": 0.009},
}  # fmt: skip


class TestPerplexity(OpenAISuite):
    kind = "perplexity"
    model = "sonar-deep-research"
    base_path = ""
    chat_path = "/chat/completions"
    asks_usage = False
    errors = [
        *ERRORS,
        (answer({"error": {"message": "Invalid model 'sonar-9'.", "type": "invalid_model", "code": 400}}, 400),
         ModelNotFound),
        (Reply(b"<html><head><title>401 Authorization Required</title></head></html>", 401, "text/html"),
         ProviderRefused),
    ]  # fmt: skip
    exchanges = {name: exchange for name, exchange in EXCHANGES.items() if "tools" not in name}

    async def test_citations_and_what_it_searched_are_kept(self, server, chat):
        server.say(whole({"content": "Paris [1]."}, counts=COUNTS, citations=CITATIONS, search_results=RESULTS))
        heard = await hear(chat, ask(extra={"search_domain_filter": ["wikipedia.org"]}))
        assert server.last.json["search_domain_filter"] == ["wikipedia.org"]
        extra = heard.completed.extra
        assert (extra["citations"], extra["search_results"]) == (CITATIONS, RESULTS)
        assert extra["usage"]["citation_tokens"] == 20016
        assert extra["usage"]["cost"]["total_cost"] == 0.009
        assert heard.completed.usage == Usage(33, 7163 + 193305, reasoning_tokens=193305, searches=28)

    async def test_each_chunk_has_them_and_a_whole_message(self, server, chat):
        """Each chunk repeats the message so far beside its delta; the delta counts."""

        def piece(text, so_far, reason=None):
            choice = {"index": 0, "finish_reason": reason, "delta": {"role": "assistant", "content": text},
                      "message": {"role": "assistant", "content": so_far}}  # fmt: skip
            return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], "citations": CITATIONS,
                    "search_results": RESULTS, "usage": COUNTS}  # fmt: skip

        server.say(event_stream(piece("Pa", "Pa"), piece("ris", "Paris"), piece("", "Paris", "stop"), done=False))
        heard = await hear(chat, ask(stream=True))
        assert (heard.text, heard.completed.extra["citations"]) == ("Paris", CITATIONS)
        assert heard.completed.usage.completion_tokens == 7163 + 193305
        assert usage_chunk()["usage"]["prompt_tokens"] == 19

    async def test_the_last_chunk_of_the_concise_mode_repeats_nothing(self, server, chat):
        """`stream_mode: concise`: its last chunk has the whole message beside an empty delta."""
        head = {**HEAD, "object": "chat.completion.chunk"}
        said = {"role": "assistant", "content": "Paris"}
        server.say(event_stream(
            head | {"choices": [{"index": 0, "delta": said, "finish_reason": None}]},
            head | {"object": "chat.completion.done", "usage": COUNTS,
                    "choices": [{"index": 0, "delta": {}, "message": said, "finish_reason": "stop"}]},
            done=False,
        ))  # fmt: skip
        assert (await hear(chat, ask(stream=True, extra={"stream_mode": "concise"}))).text == "Paris"

    async def test_it_is_reached_without_a_list_of_models(self, server, http):
        server.say(answer({"requests": []}))
        provider = self.make(server, http, models=["sonar"])
        await provider.check()
        assert server.last.path == "/async/chat/completions"
        assert await provider.list_models() == ["sonar"]
        server.say(Reply(b"ok"))
        await self.make(server, http, health_path="/up").check()
        assert server.last.path == "/up"
