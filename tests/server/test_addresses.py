"""Addresses and methods that are not quite right, and pages of other sites that may call."""

import pytest

from guru.config import ServerSettings, Settings
from guru.errors import ConfigurationError
from guru.gateway.identity.address import cors_origins
from scripted import run_server

CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "//v1/chat/completions", "/v1//chat/completions//"])
async def test_a_slash_too_many_is_no_redirect_and_loses_no_body(server, path):
    status, body = await server.post(path, CHAT, allow_redirects=False)
    assert (status, body["choices"][0]["message"]["content"]) == (200, "Hello there.")


async def test_the_list_of_models_is_no_model_without_a_name(server):
    assert await server.get("/v1/models/") == await server.get("/v1/models")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/completions", "OPTIONS, POST"),
        ("PATCH", "/v1/files/file_1", "DELETE, GET, HEAD, OPTIONS"),
        ("PUT", "/api/tags", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/messages", "OPTIONS, POST"),
    ],
)
async def test_a_wrong_method_is_told_all_the_right_ones(server, method, path, allowed):
    async with server.session.request(method, server.url + path) as response:
        assert (response.status, response.headers["allow"]) == (405, allowed)
        shown = (await response.json())["error"]
    text = shown if isinstance(shown, str) else shown["message"]
    assert "HEAD" not in text
    assert allowed.split(", ")[0].replace("OPTIONS", "POST") in text or "GET" in text


async def test_options_tell_the_methods(server):
    async with server.session.options(server.url + "/v1/files/file_1") as response:
        assert (response.status, response.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/nothing", {}, {"message", "type", "param", "code"}),
        ("/v1", {}, {"message", "type", "param", "code"}),
        ("/v1/nothing", {"anthropic-version": "2023-06-01"}, {"type", "message"}),
        ("/v1/messages/nothing", {}, {"type", "message"}),
        ("/api/v1/nothing", {}, {"type", "code", "message", "hint", "param", "trace_id"}),
        ("/nothing", {}, {"type", "code", "message", "hint", "param", "trace_id"}),
    ],
)
async def test_what_is_not_there_is_said_in_the_callers_shape(server, path, headers, shape):
    status, body = await server.get(path, headers=headers)
    assert status == 404
    assert set(body["error"]) == shape


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("POST", "/api/copy", "guru.toml"),
        ("POST", "/api/create", "guru models pull"),
        ("POST", "/api/push", "Ollama"),
        ("POST", "/api/blobs/sha256:abc", "guru models pull"),
        ("POST", "/api/nothing", "/docs"),
    ],
)
async def test_what_ollama_has_and_guru_has_not_is_refused_with_the_reason(server, method, path, words):
    status, body = await server.request(method, path, json={"model": "default"})
    assert status == 404
    assert words in body["error"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/assistants", "/v1/responses"),
        ("/v1/threads/t/runs", "/v1/responses"),
        ("/v1/vector_stores", "/api/v1/collections"),
        ("/v1/messages/batches", "/v1/batches"),
        ("/v1/uploads", "/v1/files"),
    ],
)
async def test_what_others_have_is_answered_with_what_there_is(server, path, words):
    status, body = await server.post(path, {})
    assert status == 404
    assert words in body["error"]["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x1f\x8b\x08\x00rest", "compressed"),
        (b"\x28\xb5\x2f\xfdrest", "compressed"),
        (b" ", "empty"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"model": "\xff"}', "not valid JSON"),
        (b'{"model": "\\ud800"}', "not valid JSON"),
        (b"model=default", "not valid JSON"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses", "/v1/rerank"])
async def test_a_body_that_cannot_be_read_is_told_apart(server, path, body, words):
    status, answer = await server.request("POST", path, data=body)
    assert status == 400
    shown = answer["error"]
    assert words in (shown if isinstance(shown, str) else shown["message"])


# ----------------------------------------------------------------------- other sites

APP = "https://app.example"


@pytest.fixture
async def open_server(tmp_path):
    settings = Settings(server=ServerSettings(cors_origins=[APP]))
    async with run_server(tmp_path / "home", settings) as running:
        yield running


async def test_a_page_of_a_named_origin_may_ask_and_read(open_server):
    asked = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with open_server.session.options(open_server.url + "/v1/chat/completions", headers=asked) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == APP
        assert "POST" in response.headers["access-control-allow-methods"]
        assert response.headers["access-control-allow-headers"] == "authorization"
        assert "access-control-allow-credentials" not in response.headers
    url = open_server.url + "/v1/chat/completions"
    async with open_server.session.post(url, json=CHAT, headers={"origin": APP}) as response:
        assert (response.status, response.headers["access-control-allow-origin"]) == (200, APP)
        assert response.headers["vary"] == "origin"
        assert "x-guru-trace-id" in response.headers["access-control-expose-headers"]


async def test_an_error_can_be_read_too(open_server):
    url = open_server.url + "/v1/chat/completions"
    async with open_server.session.post(url, json={}, headers={"origin": APP}) as response:
        assert (response.status, response.headers["access-control-allow-origin"]) == (400, APP)


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil", "http://app.example", "null"])
async def test_a_page_of_another_origin_may_not(open_server, origin):
    url = open_server.url + "/v1/chat/completions"
    async with open_server.session.post(url, json=CHAT, headers={"origin": origin}) as response:
        assert response.status == 403
        assert "access-control-allow-origin" not in response.headers
    asked = {"origin": origin, "access-control-request-method": "POST"}
    async with open_server.session.options(url, headers=asked) as response:
        assert "access-control-allow-origin" not in response.headers
    assert open_server.model.requests == []


async def test_without_configuration_no_page_elsewhere_may_read(server):
    asked = {"origin": APP, "access-control-request-method": "POST"}
    async with server.session.options(server.url + "/v1/chat/completions", headers=asked) as response:
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["*", "app.example", "https://app.example/path", "ftp://app.example", ""])
def test_origins_that_cannot_be_meant_are_refused(origin):
    with pytest.raises(ConfigurationError, match="cors_origins"):
        cors_origins(ServerSettings(cors_origins=[origin]))


def test_any_origin_is_for_servers_with_keys():
    assert cors_origins(ServerSettings(cors_origins=["*"], require_key=True)) == ["*"]
    assert cors_origins(ServerSettings(cors_origins=["https://App.example/"])) == ["https://app.example"]


# ---------------------------------------------------------------- Anthropic's models


async def test_anthropics_client_lists_models_a_page_at_a_time(server):
    import anthropic

    http = anthropic.DefaultAsyncHttpxClient(verify=False)
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0, http_client=http) as client:
        names = [model.id async for model in client.models.list(limit=1)]
        assert names == [model.id async for model in server.openai.models.list()]
        assert "default" in names
        shown = await client.models.retrieve("default")
        assert (shown.id, shown.type, shown.display_name) == ("default", "model", "default")
        with pytest.raises(anthropic.NotFoundError, match="nothing"):
            await client.models.retrieve("nothing")
        with pytest.raises(anthropic.BadRequestError, match="There is no model"):
            await client.models.list(after_id="nothing")
        page = await client.models.list(before_id=names[-1], limit=1)
        assert ([model.id for model in page.data], page.has_more) == ([names[-2]], len(names) > 2)
