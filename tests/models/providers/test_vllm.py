"""vLLM: its own sampling, its reasoning, rerank. https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html"""

from guru.errors import ContextTooLong
from guru.tasks import RerankRequest
from guru.types import Message
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, OpenAISuite, whole
from models.providers.replay import answer

TOO_LONG = {"error": {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000 "
                                 "tokens",
                      "type": "BadRequestError", "param": None, "code": 400}}  # fmt: skip


class TestVLLM(OpenAISuite):
    kind = "vllm"
    model = "Qwen/Qwen3-8B"
    errors = [*ERRORS, (answer(TOO_LONG, 400), ContextTooLong), (answer({"object": "error", **TOO_LONG["error"]}, 400),
                                                                 ContextTooLong)]  # fmt: skip

    async def test_its_own_parameters_and_reasoning(self, server, chat):
        server.say(whole({"content": "42", "reasoning_content": "Hm.", "reasoning": "Hm."}))
        schema = {"type": "object"}
        own = {"guided_json": schema, "structured_outputs": {"json": schema}, "chat_template_kwargs": {"a": 1}}
        heard = await hear(chat, ask(
            Message("assistant", "x", reasoning_content="y"), top_k=5, min_p=0.1, repeat_penalty=1.5, extra=own
        ))  # fmt: skip
        body = server.last.json
        assert {name: body[name] for name in own} == own
        assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (5, 0.1, 1.5)
        assert body["messages"][0]["reasoning_content"] == "y"
        assert heard.reasoning == "Hm."

    async def test_rerank(self, server, http):
        server.say(answer({
            "id": "rerank-1", "model": "BAAI/bge", "usage": {"total_tokens": 56},
            "results": [
                {"index": 0, "document": {"text": "a"}, "relevance_score": 0.0005},
                {"index": 1, "document": {"text": "b"}, "relevance_score": 0.9985},
            ],
        }))  # fmt: skip
        request = RerankRequest(model="m", query="q", documents=["a", "b"], top_n=2)
        ranking = await self.make(server, http).reranker("BAAI/bge").rerank(request)
        assert server.last.path == "/v1/rerank"
        assert server.last.json == {"model": "BAAI/bge", "query": "q", "documents": ["a", "b"], "top_n": 2}
        assert [entry.index for entry in ranking.results] == [1, 0]
        assert ranking.usage.prompt_tokens == 56
