"""What every door to a model does alike: it asks the model as it is asked, and says who answered in its headers."""

import contextlib
import json

import aiohttp
import pytest

from scripted import run_server
from server.test_documents_api import ingest
from server.test_tasks_api import TaskModels

CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hi"}]}
CHATS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": "default", "prompt": "Hi"},
    "/v1/messages": CHAT | {"max_tokens": 9},
    "/v1/responses": {"model": "default", "input": "Hi"},
    "/api/chat": CHAT,
    "/api/generate": {"model": "default", "prompt": "Hi"},
    "/api/v1/chat": {"message": "Hi"},
}
TASKS = {
    "/v1/embeddings": {"model": "embedding", "input": "a"},
    "/api/embed": {"model": "embedding", "input": "a"},
    "/api/embeddings": {"model": "embedding", "prompt": "a"},
    "/v1/rerank": {"query": "q", "documents": ["a"]},
    "/v1/moderations": {"input": "a"},
    "/v1/images/generations": {"prompt": "a"},
    "/v1/audio/speech": {"input": "a", "voice": "alloy"},
}


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_is_asked_to_stream_exactly_when_the_caller_streams(server, path, stream):
    status, _ = await server.post(path, CHATS[path] | {"stream": stream})
    assert (status, [request.stream for request in server.model.requests]) == (200, [stream])


@pytest.mark.parametrize("stream", [True, False])
async def test_a_question_to_a_collection_is_streamed_by_the_model_too(server, stream):
    await ingest(server)
    body = {"question": "What does the ferry cost?", "collection": "notes", "stream": stream}
    assert (await server.post("/api/v1/ask", body))[0] == 200
    assert [request.stream for request in server.model.requests] == [stream]


async def test_a_turn_of_a_conversation_is_streamed_by_the_model_too(server):
    _, conversation = await server.post("/api/v1/conversations", {})
    await server.events(f"/api/v1/conversations/{conversation['id']}/messages", {"content": "Hi"})
    assert [request.stream for request in server.model.requests] == [True]


class OddlyNamed(TaskModels):
    """Models whose name no header can carry as it stands."""

    def __init__(self, name):
        super().__init__()
        self.name = self.model.name = self.words.name = name

    def chat_model(self, name):
        return self.model

    def embedder(self, name):
        return self.words


@contextlib.asynccontextmanager
async def raw_answer(server, path, body):
    async with server.session.post(server.url + path, json=body) as response:
        assert response.status == 200, await response.text()
        await response.read()
        (name,) = [value for name, value in response.raw_headers if name.lower() == b"x-guru-model"]
        yield name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("test/模型-é", "test/模型-é"),
        ("test/a\r\nx: y", "test/a%0D%0Ax: y"),
        ("test/a\x85\u2028b", "test/a%C2%85%E2%80%A8b"),
    ],
)
async def test_a_model_may_be_called_anything(tmp_path, name, shown):
    async with run_server(tmp_path, models=OddlyNamed(name)) as server:
        for path, body in [*CHATS.items(), *TASKS.items()]:
            for stream in (False, True) if path in CHATS else (False,):
                async with raw_answer(server, path, body | ({"stream": stream} if path in CHATS else {})) as found:
                    assert found == shown.encode(), (path, stream)


async def test_a_text_of_speech_has_its_headers_too(tmp_path):
    async with run_server(tmp_path, models=OddlyNamed("test/模型")) as server:
        for kind, media_type in [("json", "application/json"), ("srt", "application/x-subrip")]:
            form = aiohttp.FormData({"response_format": kind})
            form.add_field("file", b"sound", filename="a.wav")
            async with server.session.post(f"{server.url}/v1/audio/transcriptions", data=form) as response:
                assert (response.status, response.content_type) == (200, media_type)
                assert response.headers["x-guru-cost"]


async def test_several_prompts_are_one_answer_whole_and_streamed(server):
    body = {"model": "default", "prompt": ["One", "Two"], "n": 1}
    status, answer = await server.post("/v1/completions", body)
    assert (status, [choice["index"] for choice in answer["choices"]]) == (200, [0, 1])
    assert answer["usage"]["prompt_tokens"] == 14
    async with server.session.post(f"{server.url}/v1/completions", json=body | {"stream": True}) as response:
        chunks = [
            json.loads(line[6:]) for line in (await response.read()).split(b"\n\n") if line.startswith(b"data: {")
        ]
    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0, 1}
    _, traces = await server.get("/api/v1/traces")
    assert len({trace["id"] for trace in traces["traces"]}) == 4
