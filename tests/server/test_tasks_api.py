"""Rerank, moderations, images and audio: the official client against a real server with scripted models."""

import io

import aiohttp
import openai
import pytest

from guru.config import KeySettings, LimitSettings, ServerSettings, Settings
from guru.errors import InvalidParameter, ModelUnavailable
from guru.tasks import Images, Moderation, Moderations, Ranked, Ranking, Speech, Transcription
from guru.types import Usage
from scripted import TestModels, run_server


class TaskModels(TestModels):
    """Remembers what each model was asked."""

    name = "test/tasks"

    def __init__(self):
        super().__init__()
        self.asked = []
        self.error = None
        self.closed = False

    def _known(self, name):
        if self.error is not None:
            raise self.error
        return self

    reranker = moderator = image_model = speech_model = transcription_model = _known

    async def rerank(self, request):
        self.asked.append(request)
        results = [Ranked(index, 1 / (index + 1)) for index in range(len(request.documents))]
        return Ranking(model=self.name, results=results[: request.top_n], usage=Usage(prompt_tokens=5))

    async def moderate(self, request):
        self.asked.append(request)
        bad = Moderation(True, {"hate": True}, {"hate": 0.9})
        count = len(request.input) if isinstance(request.input[0], str) else 1
        return Moderations(model=self.name, results=[bad] * count, usage=Usage(prompt_tokens=5))

    async def generate(self, request):
        self.asked.append(request)
        return Images(model=self.name, created=7, data=[{"b64_json": "AA=="}], usage=Usage(3, 4))

    async def speak(self, request):
        self.asked.append(request)
        return Speech(model=self.name, media_type="audio/mpeg", chunks=self._sound(), usage=Usage(prompt_tokens=2))

    async def _sound(self):
        yield b"one"
        yield b"two"

    async def transcribe(self, request):
        self.asked.append(request)
        body = "1\n00:00 Hello" if request.response_format == "srt" else {"text": "Hello"}
        return Transcription(model=self.name, body=body, usage=Usage(estimated=True))


@pytest.fixture
async def tasks(tmp_path):
    async with run_server(tmp_path, models=TaskModels()) as server:
        yield server


async def test_documents_come_back_ranked(tasks):
    body = {
        "model": "rerank",
        "query": "q",
        "documents": ["a", {"text": "b"}, "c"],
        "top_n": 2,
        "return_documents": True,
    }
    status, answer = await tasks.post("/v1/rerank", body)
    assert status == 200
    assert answer["results"] == [
        {"index": 0, "relevance_score": 1.0, "document": {"text": "a"}},
        {"index": 1, "relevance_score": 0.5, "document": {"text": "b"}},
    ]
    assert (answer["model"], answer["usage"]["total_tokens"]) == ("test/tasks", 5)
    (request,) = tasks.models.asked
    assert (request.documents, request.top_n, request.extra) == (["a", "b", "c"], 2, {})


async def test_cohere_clients_find_it_too(tasks):
    status, answer = await tasks.post("/v2/rerank", {"model": "m", "query": "q", "documents": ["a"], "priority": 1})
    assert (status, answer["meta"]["api_version"]) == (200, {"version": "2"})
    assert tasks.models.asked[0].extra == {"priority": 1}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"documents": ["a"]}, "query"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": [{"title": "a"}]}, "documents[0]"),
        ({"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
    ],
)
async def test_a_wrong_rerank_names_the_field(tasks, body, param):
    status, answer = await tasks.post("/v1/rerank", body)
    assert (status, answer["error"]["param"]) == (400, param)


async def test_cohere_clients_get_errors_as_they_read_them(tasks):
    for method, path, status in [("POST", "/v2/rerank", 400), ("GET", "/v2/rerank", 405), ("POST", "/v2/chat", 404)]:
        answered, body = await tasks.request(method, path, json={"query": "q", "documents": []})
        assert (answered, set(body)) == (status, {"id", "message"})
        assert body["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/rerank", {"query": "q", "documents": ["a"]}),
        ("/v1/moderations", {"input": "a"}),
        ("/v1/embeddings", {"model": "embedding", "input": "a"}),
        ("/v1/images/generations", {"model": "image", "prompt": "a"}),
        ("/v1/audio/speech", {"model": "speech", "input": "a", "voice": "alloy"}),
        ("/api/v1/chat", {"message": "a"}),
    ],
)
async def test_every_door_tells_what_is_left_of_a_limit(tmp_path, path, body):
    key = "0123456789abcdefghij"
    settings = Settings(
        server=ServerSettings(require_key=True), keys={"web": KeySettings(key=key, limits=LimitSettings(rpm=60))}
    )
    headers = {"authorization": f"Bearer {key}"}
    async with (
        run_server(tmp_path, settings, TaskModels()) as server,
        server.session.post(server.url + path, json=body, headers=headers) as response,
    ):
        assert response.status == 200
        assert response.headers["x-ratelimit-limit-requests"] == "60"


async def test_texts_are_moderated(tasks):
    answer = await tasks.openai.moderations.create(input=["a", "b"], model="omni")
    assert [result.flagged for result in answer.results] == [True, True]
    assert answer.results[0].categories.hate
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    answer = await tasks.openai.moderations.create(input=parts)
    assert len(answer.results) == 1
    assert [request.model for request in tasks.models.asked] == ["omni", "moderation"]
    with pytest.raises(openai.BadRequestError, match="empty"):
        await tasks.openai.moderations.create(input=[])


async def test_images_are_made(tasks):
    answer = await tasks.openai.images.generate(
        model="m", prompt="A fox", n=1, size="512x512", extra_body={"background": "transparent"}
    )
    assert (answer.created, answer.data[0].b64_json, answer.usage.total_tokens) == (7, "AA==", 7)
    (request,) = tasks.models.asked
    assert (request.prompt, request.size, request.extra) == ("A fox", "512x512", {"background": "transparent"})


async def test_images_are_edited(tasks):
    fox, mask = ("fox.png", b"\x89PNG fox", "image/png"), ("mask.png", b"\x89PNG mask", "image/png")
    answer = await tasks.openai.images.edit(
        model="m", image=fox, mask=mask, prompt="A füchsin", n=2, size="512x512", background="transparent"
    )
    assert (answer.created, answer.data[0].b64_json, answer.usage.total_tokens) == (7, "AA==", 7)
    (request,) = tasks.models.asked
    assert (request.prompt, request.n, request.size) == ("A füchsin", 2, "512x512")
    assert request.extra == {"background": ["transparent"]}
    files = [(file.field, file.filename, file.media_type, file.content) for file in request.files]
    assert sorted(files) == [
        ("image", "fox.png", "image/png", b"\x89PNG fox"), ("mask", "mask.png", "image/png", b"\x89PNG mask"),
    ]  # fmt: skip


async def test_several_images_are_edited_together(tasks):
    await tasks.openai.images.edit(image=[b"one", b"two"], prompt="Both")
    (request,) = tasks.models.asked
    assert [(file.field, file.content) for file in request.files] == [("image[]", b"one"), ("image[]", b"two")]
    assert request.model == "image"


@pytest.mark.parametrize(
    ("more", "param"),
    [({"n": 11}, "n"), ({"stream": True}, "stream"), ({"prompt": ""}, "prompt"), ({"extra_body": {"n": "²"}}, "n")],
)
async def test_a_wrong_edit_names_the_field(tasks, more, param):
    with pytest.raises(openai.BadRequestError) as failure:
        await tasks.openai.images.edit(**{"image": b"x", "prompt": "a", **more})
    assert failure.value.param == param
    assert tasks.models.asked == []


async def test_an_edit_without_an_image_is_refused(tasks):
    form = aiohttp.FormData({"prompt": "a"})
    form.add_field("mask", b"x", filename="m.png")
    async with aiohttp.ClientSession() as session, session.post(f"{tasks.url}/v1/images/edits", data=form) as answer:
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "image")
    status, answer = await tasks.post("/v1/images/edits", {"prompt": "a"})
    assert (status, "multipart" in answer["error"]["message"]) == (400, True)


async def test_variations_are_refused_clearly(tasks):
    status, answer = await tasks.post("/v1/images/variations", {})
    assert (status, "images/edits" in answer["error"]["message"]) == (400, True)


async def test_speech_comes_as_bytes(tasks):
    async with tasks.openai.audio.speech.with_streaming_response.create(
        model="m", voice="alloy", input="Hi", speed=1.5, response_format="mp3"
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert await answer.read() == b"onetwo"
    (request,) = tasks.models.asked
    assert (request.voice, request.speed, request.response_format) == ("alloy", 1.5, "mp3")


async def test_sound_becomes_text(tasks):
    answer = await tasks.openai.audio.transcriptions.create(
        model="m", file=("a.wav", b"RIFF"), language="en", temperature=0.5, timestamp_granularities=["word"],
        response_format="json", extra_body={"chunking_strategy": "auto"},
    )  # fmt: skip
    assert answer.text == "Hello"
    (request,) = tasks.models.asked
    assert (request.file, request.filename, request.language, request.temperature) == (b"RIFF", "a.wav", "en", 0.5)
    assert (request.timestamp_granularities, request.translate) == (["word"], False)
    assert request.extra == {"chunking_strategy": "auto"}


async def test_sound_becomes_english_subtitles(tasks):
    form = aiohttp.FormData({"model": "m", "response_format": "srt"})
    form.add_field("file", b"RIFF", filename="a.wav")
    status, answer = await tasks.request("POST", "/v1/audio/translations", data=form)
    assert (status, answer) == (200, b"1\n00:00 Hello")
    assert tasks.models.asked[0].translate


async def test_too_much_sound_is_refused(tasks):
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(bytes(27 << 20)), filename="a.wav")
    status, answer = await tasks.request("POST", "/v1/audio/transcriptions", data=form)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    status, answer = await tasks.post("/v1/audio/transcriptions", {"file": "x"})
    assert (status, "multipart" in answer["error"]["message"]) == (400, True)


async def test_errors_of_models_have_their_status(tasks):
    tasks.models.error = ModelUnavailable("Away.", retry_after=3)
    status, answer = await tasks.post("/v1/rerank", {"query": "q", "documents": ["a"]})
    assert (status, answer["error"]["code"]) == (503, "model_unavailable")
    tasks.models.error = InvalidParameter("local/x cannot draw.", param="model")
    with pytest.raises(openai.BadRequestError, match="cannot draw"):
        await tasks.openai.images.generate(model="x", prompt="a")
