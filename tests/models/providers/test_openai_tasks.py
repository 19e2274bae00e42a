"""What OpenAI has besides chat, as its reference shows it. https://platform.openai.com/docs/api-reference"""

import asyncio
import base64
import struct

import pytest

from guru.config import ProviderSettings
from guru.errors import InvalidParameter, ModelError, StreamCut, UpstreamRateLimited
from guru.models import providers
from guru.models.http import HttpClient
from guru.tasks import (
    EmbeddingRequest,
    FormFile,
    ImageEdit,
    ImageRequest,
    ModerationRequest,
    RerankRequest,
    SpeechRequest,
    TranscriptionRequest,
)
from guru.types import Usage
from models.providers.replay import Reply, answer, replaying


@pytest.fixture
async def server():
    async with replaying() as server:
        yield server


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
def provider(server, http):
    return providers.create("acme", ProviderSettings(kind="openai", api_key="k", base_url=server.url + "/v1"), http)


async def test_embeddings(server, provider):
    server.say(answer({
        "object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 8, "total_tokens": 8},
        "data": [
            {"object": "embedding", "index": 1, "embedding": base64.b64encode(struct.pack("<2f", 0.5, -2)).decode()},
            {"object": "embedding", "index": 0, "embedding": [0.25, 1]},
        ],
    }))  # fmt: skip
    model = provider.embedding_model("text-embedding-3-small")
    request = EmbeddingRequest(model="m", input=["a", "b"], dimensions=2, user="u", extra={"encoding_format": "base64"})
    found = await model.embeddings(request)
    assert (found.vectors, found.usage, found.model) == (
        [[0.25, 1.0], [0.5, -2.0]], Usage(8), "acme/text-embedding-3-small",
    )  # fmt: skip
    assert (server.last.path, server.last.json) == ("/v1/embeddings", {
        "model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 2, "user": "u",
        "encoding_format": "base64",
    })  # fmt: skip
    with pytest.raises(InvalidParameter, match="input_type"):
        await model.embeddings(EmbeddingRequest(model="m", input=["a"], input_type="query"))


async def test_moderations(server, provider):
    result = {"flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9},
              "category_applied_input_types": {"violence": ["text"]}}  # fmt: skip
    server.say(answer({"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}))
    request = ModerationRequest(model="m", input=["I will hurt you"])
    found = await provider.moderator("omni-moderation-latest").moderate(request)
    assert found.results[0].category_applied_input_types == {"violence": ["text"]}
    assert server.last.json == {"model": "omni-moderation-latest", "input": ["I will hurt you"]}


async def test_images(server, provider):
    server.say(answer({
        "created": 1713833628, "data": [{"b64_json": "AA==", "revised_prompt": "A red fox"}], "size": "1024x1024",
        "usage": {"total_tokens": 100, "input_tokens": 50, "output_tokens": 50,
                  "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}},
    }))  # fmt: skip
    request = ImageRequest(model="m", prompt="A fox", size="1024x1024", quality="high", extra={"background": "opaque"})
    images = await provider.image_model("gpt-image-1").generate(request)
    usage = Usage(50, 50, image_prompt_tokens=40, image_completion_tokens=50)  # what it makes is images and no text
    assert (images.created, images.usage, images.extra) == (1713833628, usage, {"size": "1024x1024"})
    assert images.data == [{"b64_json": "AA==", "revised_prompt": "A red fox"}]
    assert server.last.json == {
        "model": "gpt-image-1", "prompt": "A fox", "size": "1024x1024", "quality": "high", "background": "opaque",
    }  # fmt: skip


async def test_speech_comes_as_it_is_made_and_stops_when_nobody_listens(server, provider):
    server.say(Reply(b"ID3" * 1000, media_type="audio/mpeg", split=500))
    model = provider.speech_model("gpt-4o-mini-tts")
    request = SpeechRequest(model="m", input="Hello", voice="alloy", response_format="mp3", speed=1.5)
    speech = await model.speak(request)
    assert (speech.media_type, b"".join([chunk async for chunk in speech.chunks])) == ("audio/mpeg", b"ID3" * 1000)
    assert server.last.json == {
        "model": "gpt-4o-mini-tts", "input": "Hello", "voice": "alloy", "response_format": "mp3", "speed": 1.5,
    }  # fmt: skip
    server.say(Reply(b"ID3", media_type="audio/mpeg", end="hang"))
    speech = await model.speak(request)
    async for _ in speech.chunks:
        break
    await speech.chunks.aclose()
    await asyncio.wait_for(server.dropped.wait(), 5)


async def test_transcription_and_translation(server, provider):
    usage = {"type": "tokens", "input_tokens": 14, "input_token_details": {"audio_tokens": 14}, "output_tokens": 45}
    server.say(answer({"text": "Imagine the wildest idea.", "usage": usage}))
    model = provider.transcription_model("whisper-1")
    request = TranscriptionRequest(
        model="m", file=b"\x00RIFF\r\n--", filename='a"b\r\n.wav', media_type="audio/wav", language="en",
        temperature=0.5, timestamp_granularities=["word"], extra={"include": ["logprobs"], "chunking_strategy": "auto"},
    )  # fmt: skip
    found = await model.transcribe(request)
    assert found.body["text"] == "Imagine the wildest idea."
    assert found.usage == Usage(14, 45, audio_prompt_tokens=14)
    sent = server.last
    assert sent.path == "/v1/audio/transcriptions"
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    parts = sent.body.split(b"--" + boundary)
    assert parts[-1] == b"--\r\n"
    fields = {part.partition(b"\r\n\r\n")[0].strip(): part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]}
    heads = {head.partition(b"; ")[2].split(b"\r\n")[0]: value for head, value in fields.items()}
    assert heads == {
        b'name="model"': b"whisper-1", b'name="language"': b"en", b'name="temperature"': b"0.5",
        b'name="timestamp_granularities[]"': b"word", b'name="include[]"': b"logprobs",
        b'name="chunking_strategy"': b"auto", b'name="file"; filename="a%22b%0D%0A.wav"': b"\x00RIFF\r\n--",
    }  # fmt: skip
    server.say(Reply(b"1\n00:00:00,000 --> 00:00:01,000\nHi\n", media_type="text/plain; charset=utf-8"))
    request.translate, request.response_format = True, "srt"
    found = await model.transcribe(request)
    assert found.body.startswith("1\n00:00")
    assert server.last.path == "/v1/audio/translations"


async def test_what_is_missing_garbage_or_an_error(server, provider, http):
    with pytest.raises(InvalidParameter, match="acme has no rerank"):
        provider.reranker("x")
    other = providers.create("acme", ProviderSettings(kind="openai-compatible", base_url=server.url), http)
    calls = [
        provider.embedding_model("m").embeddings, other.reranker("m").rerank, provider.moderator("m").moderate,
        provider.image_model("m").generate,
    ]  # fmt: skip
    requests = [
        EmbeddingRequest(model="m", input=["a"]), RerankRequest(model="m", query="q", documents=["a"]),
        ModerationRequest(model="m", input=["a"]), ImageRequest(model="m", prompt="p"),
    ]  # fmt: skip
    for reply, wanted in (
        (Reply(b"<html>"), StreamCut), (answer({}), StreamCut), (answer({"data": [1], "results": [1]}), StreamCut),
        (answer({"error": {"message": "no"}}), ModelError),
        (answer({"error": {"message": "x"}}, 429), UpstreamRateLimited),
    ):  # fmt: skip
        for call, request in zip(calls, requests, strict=True):
            server.say(reply)
            with pytest.raises(wanted):
                await call(request)


async def test_images_are_edited(server, provider):
    server.say(answer({"created": 1, "data": [{"b64_json": "AA=="}], "usage": {"input_tokens": 3, "output_tokens": 4}}))
    files = [FormFile("image[]", 'a".png', "image/png", b"\x89PNG\r\n1"), FormFile("mask", "m.png", "image/png", b"2")]
    extra = {"background": ["opaque"], "svg[a]": ["1", "2"]}
    request = ImageEdit(model="m", prompt="A füchsin", n=2, size="512x512", files=files, extra=extra)
    found = await provider.image_model("gpt-image").generate(request)
    assert (found.data, found.usage) == ([{"b64_json": "AA=="}], Usage(3, 4, image_completion_tokens=4))
    sent = server.last
    assert (sent.method, sent.path) == ("POST", "/v1/images/edits")
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    head, *parts, end = sent.body.split(b"--" + boundary)
    assert (head, end) == (b"", b"--\r\n")
    assert [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts] == [
        b"gpt-image", "A füchsin".encode(), b"2", b"512x512", b"opaque", b"1", b"2", b"\x89PNG\r\n1", b"2",
    ]  # fmt: skip
    assert b'name="image[]"; filename="a%22.png"' in parts[-2]


async def test_who_edits_no_images_says_so(server, http):
    other = providers.create("acme", ProviderSettings(kind="xai", api_key="k", base_url=server.url), http)
    request = ImageEdit(model="m", prompt="p", files=[FormFile("image", "a.png", "image/png", b"1")])
    with pytest.raises(InvalidParameter, match="image editing"):
        await other.image_model("grok-image").generate(request)
    assert server.requests == []
