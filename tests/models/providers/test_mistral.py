"""Mistral: its names, its pieces of content. Answers from https://docs.mistral.ai/api."""

from guru.errors import ModelNotFound
from guru.models.providers.base import Support
from guru.tasks import EmbeddingRequest, ModerationRequest
from guru.types import Message
from models.providers.conformance import ask, hear
from models.providers.openai_suite import ERRORS, OpenAISuite, whole
from models.providers.replay import answer


class TestMistral(OpenAISuite):
    kind = "mistral"
    model = "mistral-small-latest"
    asks_usage = False
    errors = [
        *ERRORS,
        (answer({"object": "error", "message": "Invalid model: mistral-9", "type": "invalid_model", "param": None,
                 "code": "1500"}, 400), ModelNotFound),
    ]  # fmt: skip

    async def test_parameters_have_their_names(self, server, chat):
        server.say(whole({"content": "Hi"}))
        message = Message("assistant", "Sure,", extra={"prefix": True})
        await hear(chat, ask(
            Message("developer", "Be brief."), message, seed=7, user="u",
            extra={"safe_prompt": True},
        ))  # fmt: skip
        assert server.last.json == {
            "model": "mistral-small-latest", "random_seed": 7, "safe_prompt": True,
            "messages": [
                {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Sure,", "prefix": True},
            ],
        }  # fmt: skip
        assert self.cls().PARAMETERS["seed"] == Support("mapped", "`random_seed`")

    async def test_a_tool_can_be_required(self, server, chat):
        from models.providers.conformance import WEATHER

        server.say(whole({"content": "Hi"}))
        await hear(chat, ask(tools=[WEATHER], tool_choice="required"))
        assert server.last.json["tool_choice"] == "any"

    async def test_thoughts_and_references_are_pieces_of_the_content(self, server, chat):
        """https://docs.mistral.ai/capabilities/reasoning"""
        pieces = [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Six times seven."}]},
            {"type": "text", "text": "42"},
            {"type": "reference", "reference_ids": [0]},
        ]
        server.say(whole({"content": pieces}, "model_length"))
        heard = await hear(chat, ask())
        assert (heard.text, heard.reasoning, heard.reasons) == ("42", "Six times seven.", ["length"])
        assert heard.extra["content_parts"] == [{"type": "reference", "reference_ids": [0]}]
        assert heard.events[1].native == "model_length"

    async def test_embeddings_and_moderations(self, server, http):
        provider = self.make(server, http)
        server.say(answer({"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3}}))
        await provider.embedding_model("codestral-embed").embeddings(
            EmbeddingRequest(model="m", input=["a"], dimensions=1, user="u")
        )
        assert server.last.json == {"model": "codestral-embed", "input": ["a"], "output_dimension": 1}
        result = {"categories": {"violence": True, "pii": False}, "category_scores": {"violence": 0.9, "pii": 0.1}}
        server.say(answer({"id": "mod-1", "model": "mistral-moderation-latest", "results": [result]}))
        checked = await provider.moderator("m").moderate(ModerationRequest(model="m", input=["x"]))
        assert checked.results[0].flagged is True
